import type { Json } from '../../../wire/json-rpc.ts'
import type { ClientContext } from '../../ports.ts'
import { isObject, META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION, withoutReserved } from '../messages.ts'

export const MODERN_VERSION = '2026-07-28'

/** An extension whose results only its own methods can go on with, and skein does not carry those. */
const TASKS = 'io.modelcontextprotocol/tasks'

/** `_meta` of requests of our own, such as `tools/list`. */
export function ownEnvelope(version: string): Json {
  return { [META_PROTOCOL_VERSION]: MODERN_VERSION, [META_CLIENT_INFO]: { name: 'skein', version }, [META_CLIENT_CAPABILITIES]: {} }
}

/** A client's params with what this era wants in `_meta`; all else in it stays. */
export function withEnvelope(params: Json, { clientInfo, capabilities, logLevel }: ClientContext): Json {
  const _meta: Json = {
    ...(isObject(params._meta) ? withoutReserved(params._meta) : undefined),
    [META_PROTOCOL_VERSION]: MODERN_VERSION,
    [META_CLIENT_INFO]: clientInfo,
    [META_CLIENT_CAPABILITIES]: withoutTasks(capabilities)
  }
  if (logLevel !== undefined) _meta[META_LOG_LEVEL] = logLevel === 'default' ? 'info' : logLevel
  return { ...params, _meta }
}

/** A server must not answer with a task: nobody could ask for it. */
function withoutTasks(capabilities: Json): Json {
  const { tasks, ...own } = capabilities
  if (!isObject(own.extensions) || !(TASKS in own.extensions)) return tasks === undefined ? capabilities : own
  const { [TASKS]: _dropped, ...extensions } = own.extensions
  return { ...own, extensions }
}
