import type { Json } from '../../wire/json-rpc.ts'
import { isObject } from '../../base/is-object.ts'

/** An extension whose results only its own methods can go on with, and skein does not carry those. */
const TASKS = 'io.modelcontextprotocol/tasks'

/** What a server is told of a client's capabilities: no tasks, neither as answers to the client nor as questions. Nobody could ask for them. */
export function withoutTasks(capabilities: Json): Json {
  const { tasks, ...own } = capabilities
  if (!isObject(own.extensions) || !(TASKS in own.extensions)) return tasks === undefined ? capabilities : own
  const { [TASKS]: _dropped, ...extensions } = own.extensions
  return { ...own, extensions }
}
