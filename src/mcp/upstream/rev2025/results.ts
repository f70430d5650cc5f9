import type { ClientContext, McpOutcome, McpRequest } from '../../ports.ts'
import type { Json, JsonRpcError } from '../../../wire/json-rpc.ts'
import { isObject } from '../../../base/is-object.ts'
import { INVALID_PARAMS } from '../../../wire/mcp-spec.ts'
import { withoutReserved, type Answer } from '../messages.ts'
import { missingCapabilities } from './capabilities.ts'

/** Methods whose results say in the newer form how long they may be kept; servers of this era cannot know: not at all. */
const CACHED = new Set(['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read'])

/** In this era, the error of `resources/read` for a URI that does not exist. */
const RESOURCE_NOT_FOUND = -32002
/** In this era, an error that asks the client to open pages and try again. */
const URL_ELICITATION_REQUIRED = -32042

/** The params of a request as this era knows them: no keys of the other one. */
export function legacyParams(params: Json): Json {
  const meta = isObject(params._meta) ? withoutReserved(params._meta) : undefined
  if (meta === params._meta && params.inputResponses === undefined && params.requestState === undefined) return params
  const { inputResponses: _responses, requestState: _state, _meta, ...own } = params
  return meta === undefined || Object.keys(meta).length === 0 ? own : { ...own, _meta: meta }
}

/** The params of a server's question: nobody takes its client's progress back to it, so there is no token for it. */
export function questionParams(params: Json): Json {
  if (!isObject(params._meta) || !('progressToken' in params._meta)) return params
  const { progressToken: _token, ...meta } = params._meta
  const { _meta, ...own } = params
  return Object.keys(meta).length === 0 ? own : { ...own, _meta: meta }
}

/** An answer of this era in the internal form. */
export function legacyOutcome(request: McpRequest, answer: Answer): McpOutcome {
  if ('error' in answer) return legacyError(request, answer.error)
  const { result, text } = answer
  if (CACHED.has(request.method)) return { result: { ...withoutType(result), ttlMs: 0, cacheScope: 'private' } }
  // A member of this name means nothing here, and something else in the internal form.
  if ('resultType' in result) return { result: withoutType(result) }
  return text === undefined ? { result } : { raw: text, typed: false }
}

function withoutType({ resultType: _type, ...rest }: Json): Json {
  return rest
}

/** Errors that changed between the eras; clients of this era get them as they are. */
function legacyError({ method, params, client }: McpRequest, error: JsonRpcError): McpOutcome {
  if (client.session !== undefined) return { error }
  if (error.code === RESOURCE_NOT_FOUND && method === 'resources/read') {
    return { error: { code: INVALID_PARAMS, message: error.message, data: { uri: params.uri } } }
  }
  return error.code === URL_ELICITATION_REQUIRED ? (pagesToOpen(client, error) ?? { error }) : { error }
}

/** The pages as questions; the retry is a new call, for the server keeps nothing. */
function pagesToOpen(client: ClientContext, error: JsonRpcError): McpOutcome | undefined {
  const pages = isObject(error.data) ? error.data.elicitations : undefined
  if (!Array.isArray(pages) || pages.length === 0 || !pages.every(isObject)) return undefined
  if (missingCapabilities('elicitation/create', { mode: 'url' }, client.capabilities) !== undefined) return undefined
  const inputRequests = Object.fromEntries(pages.map((page, index) => [`elicitation_${index + 1}`, { method: 'elicitation/create', params: { ...page, mode: 'url' } }]))
  return { result: { resultType: 'input_required', inputRequests } }
}
