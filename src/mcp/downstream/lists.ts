import type { JsonRpcError } from '../../wire/json-rpc.ts'
import { INVALID_PARAMS, SERVER_ERROR } from '../../wire/mcp-spec.ts'
import type { ViewLists } from '../ports.ts'
import { capabilityOf, has } from './capabilities.ts'
import { notOffered, sessionError } from './errors.ts'
import { LISTS, pageText, type ListName } from './pages.ts'

/** The view's server has gone: an error, never an empty list. */
export function viewGone(view: string | undefined): JsonRpcError {
  return sessionError(SERVER_ERROR, 'SKEIN_NO_PROVIDER', `No node offers "${view ?? 'anything'}" now; see "skein tools ls" for what there is.`)
}

/** Why the view does not have this method, or undefined. */
export function methodProblem(method: string, lists: ViewLists): JsonRpcError | undefined {
  const capability = capabilityOf(method)
  return capability === undefined || has(lists, capability) ? undefined : notOffered(method)
}

/** The list that we give out ourselves for this method; undefined: a server answers. */
export function ownList(method: string, lists: ViewLists): ListName | undefined {
  const name = LISTS.get(method)
  // One server that has said nothing, yet or any more: it has to say itself that it has no tools, or the client hears why it cannot.
  if (name === 'tools' && lists.passesLists && lists.tools.length === 0) return undefined
  return name === 'tools' || !lists.passesLists ? name : undefined
}

/** The members of a page's result as text, or why there is no such page. */
export function ownPage(lists: ViewLists, name: ListName, cursor: unknown): { members: string } | { error: JsonRpcError } {
  const members = pageText(lists, name, cursor)
  if (members !== undefined) return { members }
  return { error: { code: INVALID_PARAMS, message: 'params.cursor is not a cursor of this list: start again without one.' } }
}
