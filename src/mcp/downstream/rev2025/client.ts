import type { Json, JsonRpcError, JsonRpcNotification, JsonRpcResponse, Outcome } from '../../../wire/json-rpc.ts'
import { INVALID_PARAMS, INVALID_REQUEST, isLogLevel, LOG_LEVELS, type LogLevel } from '../../../wire/mcp-spec.ts'
import type { ClientContext, ViewLists } from '../../ports.ts'
import { isAskable } from '../../askable.ts'
import { createCall, inputRequired, type CallRules } from '../calls.ts'
import { canSubscribe, has, nameProblem } from '../capabilities.ts'
import { CHANGED, createListWatch, type ListWatch } from '../changes.ts'
import { MAX_NAMED, notOffered } from '../errors.ts'
import { answer, type Exchange } from '../exchange.ts'
import { methodProblem, ownList, ownPage, viewGone } from '../lists.ts'
import type { OpenRequests } from '../open-requests.ts'
import type { ListName } from '../pages.ts'
import type { SessionDeps, SessionOptions } from '../ports.ts'
import { initializeResult, readInitialize } from './initialize.ts'
import { createInputLoop } from './input-loop.ts'
import { createSessionNews } from './news.ts'
import { createQuestions } from './questions.ts'

/** Requests that servers answer, as they are. */
const PASSED = new Set(['tools/call', 'tools/list', 'prompts/get', 'resources/read', 'completion/complete', 'prompts/list', 'resources/list', 'resources/templates/list'])

/** The client of a session, in the protocol of 2025-11-25 and older. */
export interface SessionClient {
  request(exchange: Exchange): void
  notification(message: JsonRpcNotification): void
  answered(response: JsonRpcResponse): void
  /** Tells the client which lists have changed since it last knew; what cannot arrive now waits for the next time. */
  tellChanges(): void
  close(): void
}

export function createSessionClient(deps: SessionDeps, options: SessionOptions & { id: string; open: OpenRequests }): SessionClient {
  const { backend } = deps
  const { view, link, id, open } = options
  const questions = createQuestions({ clock: deps.clock, asked: deps.metrics.questions, send: (message, related) => link.send(message, related) })
  const input = createInputLoop({ clock: deps.clock, questions })
  let context: ClientContext | undefined
  let watch: ListWatch | undefined
  let initialized = false
  let closed = false
  const news = createSessionNews(deps, {
    view,
    client: () => context as ClientContext,
    deliver: (message) => void link.send(message, undefined)
  })
  const rules: CallRules = {
    onOutcome(call, outcome) {
      const required = inputRequired(outcome)
      if (required === undefined) call.finish(outcome)
      else input.next(call, required)
    },
    onFailure({ exchange: { request } }) {
      if (request.method !== 'tools/list' || request.params?.['cursor'] !== undefined) return undefined
      // Its own child could not be asked: what the server has for everybody is better than nothing.
      const lists = backend.lists(view)
      // Nothing is not: an empty list would say that the server has no tools.
      return lists === undefined || lists.tools.length === 0 ? undefined : page(lists, 'tools', undefined)
    },
    onEnd(call) {
      open.ended(call)
      questions.callEnded(call.exchange.request.id)
    }
  }

  function initialize(params: Json | undefined): Outcome {
    if (context !== undefined) return { error: { code: INVALID_REQUEST, message: 'This session is already initialized: open a new one instead.' } }
    const hello = readInitialize(params)
    if ('code' in hello) return { error: hello }
    const lists = backend.lists(view)
    context = { session: id, clientInfo: hello.clientInfo, capabilities: hello.capabilities, logLevel: 'default' }
    watch = createListWatch(lists)
    deps.logger.debug('client connected', { session: id, client: hello.clientInfo, revision: hello.version, transport: options.transport, view })
    return { result: initializeResult(hello, lists, deps.version) }
  }

  function setLevel(client: ClientContext, params: Json | undefined): Outcome {
    const level = params?.['level']
    if (!isLogLevel(level)) return { error: { code: INVALID_PARAMS, message: `params.level must be one of ${LOG_LEVELS.join(', ')}.` } }
    context = { ...client, logLevel: level satisfies LogLevel }
    news.clientChanged()
    return { result: {} }
  }

  /** Requests that are answered here; undefined: a server answers. */
  function own(method: string, params: Json | undefined, client: ClientContext): Outcome | undefined {
    const problem = nameProblem(method, params)
    if (problem !== undefined) return { error: { code: INVALID_PARAMS, message: problem } }
    // Who has no tools has no name for it: the one request that comes in thousands needs no look at the lists.
    if (method === 'tools/call') return undefined
    const lists = backend.lists(view)
    if (lists === undefined) return { error: viewGone(view) }
    if (method === 'logging/setLevel') return has(lists, 'logging') ? setLevel(client, params) : { error: notOffered(method) }
    if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
      if (!canSubscribe(lists)) return { error: notOffered(method) }
      const uri = params?.['uri'] as string
      const error = method === 'resources/subscribe' ? news.subscribe(uri) : news.unsubscribe(uri)
      return error === undefined ? { result: {} } : { error }
    }
    const missing = methodProblem(method, lists)
    if (missing !== undefined) return { error: missing }
    // Its own child of a server with sessions may have tools for what this client can.
    if (method === 'tools/list' && lists.passesTools && isAskable(client)) return undefined
    const name = ownList(method, lists)
    if (name === undefined) return PASSED.has(method) ? undefined : { error: notOffered(method) }
    return page(lists, name, params?.['cursor'])
  }

  function page(lists: ViewLists, name: ListName, cursor: unknown): Outcome {
    const own = ownPage(lists, name, cursor)
    if ('error' in own) return own
    // Later pages may be of a list that changed after the first: only that one counts as known.
    if (cursor === undefined) watch?.knows(name === 'resourceTemplates' ? 'resources' : name, lists)
    return { raw: `{${own.members}}`, typed: false }
  }

  function run(exchange: Exchange, client: ClientContext): void {
    const problem = open.problem()
    if (problem !== undefined) return answer(deps, exchange, problem)
    // A child of its own may speak by itself: only clients that can be asked have one.
    if (isAskable(client) && backend.lists(view)?.passesLists === true) news.open()
    const call = createCall(deps, exchange, client, rules)
    open.opened(call)
    call.run(exchange.request.params ?? {})
  }

  function tellChanges(): void {
    if (!initialized || closed || watch === undefined) return
    const lists = backend.lists(view)
    for (const kind of watch.changed(lists)) {
      // Only what arrived counts as told; without a stream it waits for the next one.
      if (link.send({ jsonrpc: '2.0', method: CHANGED[kind] }, undefined)) watch.knows(kind, lists)
    }
  }

  return {
    request(exchange) {
      const { method, params } = exchange.request
      if (method === 'initialize') return answer(deps, exchange, initialize(params))
      if (method === 'ping') return answer(deps, exchange, { result: {} })
      if (context === undefined) return answer(deps, exchange, { error: beforeInitialize(method) })
      const outcome = own(method, params, context)
      if (outcome !== undefined) return answer(deps, exchange, outcome)
      run(exchange, context)
    },
    notification(message) {
      // Roots are asked for anew each time: notifications/roots/list_changed has nothing to tell.
      if (message.method !== 'notifications/initialized') return
      initialized = true
      tellChanges()
    },
    answered: (response) => void questions.answered(response),
    tellChanges,
    close() {
      closed = true
      questions.close()
      news.close()
      if (context !== undefined) backend.endSession(id)
    }
  }
}

function beforeInitialize(method: string): JsonRpcError {
  return { code: INVALID_REQUEST, message: `${method.slice(0, MAX_NAMED)} came before initialize: send initialize first.` }
}
