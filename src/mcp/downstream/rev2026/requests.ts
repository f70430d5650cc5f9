import { isObject } from '../../../base/is-object.ts'
import type { Json, JsonRpcError, Outcome } from '../../../wire/json-rpc.ts'
import { INTERNAL_ERROR, INVALID_PARAMS, UNSUPPORTED_VERSION, VERSION_2026, VERSIONS_2026 } from '../../../wire/mcp-spec.ts'
import type { ClientContext, ViewLists } from '../../ports.ts'
import { createCall, inputRequired, type Call } from '../calls.ts'
import { nameProblem } from '../capabilities.ts'
import { MAX_NAMED, notOffered, sessionError } from '../errors.ts'
import { answer, type Exchange } from '../exchange.ts'
import { methodProblem, ownList, ownPage, viewGone } from '../lists.ts'
import type { OpenRequests } from '../open-requests.ts'
import type { RequestHeaders, SessionDeps } from '../ports.ts'
import { readEnvelope } from './envelope.ts'
import { checkParams, crossCheck, requireHeaders } from './headers.ts'
import type { Listens } from './listens.ts'
import { discoverResult, listResult, withType } from './results.ts'

/** Requests that may end with `input_required` and come again with what it asked for. */
const RETRIED = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** Requests that servers answer. */
const PASSED = new Set([...RETRIED, 'tools/list', 'completion/complete', 'prompts/list', 'resources/list', 'resources/templates/list'])

/** Serves requests of clients without sessions: each says all there is to know about its client. */
export interface StatelessRequests {
  /** `headers`: of HTTP, which has rules about them; undefined elsewhere. */
  serve(exchange: Exchange, headers: RequestHeaders | undefined, open: OpenRequests): void
}

export function createStatelessRequests(deps: SessionDeps, listens: Listens): StatelessRequests {
  const { backend } = deps

  function onOutcome(call: Call, outcome: Outcome): void {
    const { method } = call.exchange.request
    const required = inputRequired(outcome)
    if (required === undefined || RETRIED.has(method)) return call.finish(withType(outcome))
    call.waits(required)
    call.finish({ error: sessionError(INTERNAL_ERROR, 'SKEIN_UPSTREAM_INVALID', `The server wanted input before answering ${method}, which this revision has no way for.`) })
  }

  function run(exchange: Exchange, client: ClientContext, open: OpenRequests): void {
    const problem = open.problem()
    if (problem !== undefined) return answer(deps, exchange, problem)
    const call = createCall(deps, exchange, client, { onOutcome, onEnd: open.ended })
    open.opened(call)
    call.run(exchange.request.params ?? {})
  }

  /** What is wrong with the request as such, before anybody asks what it is for. */
  function refusal(exchange: Exchange, version: string, headers: RequestHeaders | undefined): JsonRpcError | undefined {
    const { request } = exchange
    const crossed = headers === undefined ? undefined : crossCheck(headers, version, request.method)
    if (crossed !== undefined) return crossed
    if (version !== VERSION_2026) {
      const message = `This endpoint does not speak revision ${version.slice(0, MAX_NAMED)}: use one of data.supported.`
      return { code: UNSUPPORTED_VERSION, message, data: { supported: [...VERSIONS_2026], requested: version.slice(0, MAX_NAMED) } }
    }
    return headers === undefined ? undefined : requireHeaders(headers, request)
  }

  /** The answer to a request that no server has to see; undefined: a server answers. */
  function own(exchange: Exchange, lists: ViewLists): Outcome | undefined {
    const { method, params } = exchange.request
    const name = ownList(method, lists)
    if (name === undefined) return undefined
    const page = ownPage(lists, name, params?.['cursor'])
    return 'error' in page ? page : listResult(page.members)
  }

  return {
    serve(exchange, headers, open) {
      const { method, params } = exchange.request
      const envelope = readEnvelope(params)
      if ('error' in envelope) return answer(deps, exchange, envelope, true)
      const refused = refusal(exchange, envelope.version, headers)
      if (refused !== undefined) return answer(deps, exchange, { error: refused }, true)
      const lists = backend.lists(exchange.view)
      if (lists === undefined) return answer(deps, exchange, { error: viewGone(exchange.view) })
      if (method === 'server/discover') return answer(deps, exchange, { result: discoverResult(lists, deps.version) })
      if (method === 'subscriptions/listen') return listens.start(exchange, envelope.client, lists, open)
      const missing = PASSED.has(method) ? methodProblem(method, lists) : notOffered(method)
      if (missing !== undefined) return answer(deps, exchange, { error: missing }, true)
      const problem = nameProblem(method, params) ?? retryProblem(method, params)
      if (problem !== undefined) return answer(deps, exchange, { error: { code: INVALID_PARAMS, message: problem } })
      if (method === 'tools/call' && headers !== undefined) {
        const differs = checkParams(lists, String(params?.['name']), params?.['arguments'], headers)
        if (differs !== undefined) return answer(deps, exchange, { error: differs }, true)
      }
      const outcome = own(exchange, lists)
      if (outcome !== undefined) return answer(deps, exchange, outcome)
      run(exchange, envelope.client, open)
    }
  }
}

/** Why what a client sends with another try cannot be read, or undefined. */
function retryProblem(method: string, params: Json | undefined): string | undefined {
  if (!RETRIED.has(method) || params === undefined) return undefined
  const { requestState, inputResponses } = params
  if (requestState !== undefined && typeof requestState !== 'string') return 'params.requestState must be the string that the result had.'
  if (inputResponses === undefined) return undefined
  if (!isObject(inputResponses)) return 'params.inputResponses must be an object: a result for each key of inputRequests.'
  const bad = Object.keys(inputResponses).find((key) => !isObject(inputResponses[key]))
  return bad === undefined ? undefined : `params.inputResponses: the value of "${bad.slice(0, MAX_NAMED)}" must be an object, the result of what was asked.`
}
