import { isSkeinError } from '../../base/errors.ts'
import { randomHex } from '../../base/random.ts'
import { parseTraceparent, type TraceContext } from '../../wire/trace.ts'
import type { ClientContext, McpOutcome, RunningCall, ToolList } from '../ports.ts'
import type { Json, JsonRpcError, JsonRpcId, JsonRpcNotification, JsonRpcRequest } from '../../wire/json-rpc.ts'
import type { DownstreamSession, SessionDeps, SessionOptions } from './ports.ts'
import type { RequestStatus } from './metrics.ts'
import { INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, SERVER_ERROR, sessionError, toJsonRpcError } from './errors.ts'
import { sameTools, toolsPage } from './pages.ts'
import { createServerRequests } from './server-requests.ts'
import { discoverAnswer, initializeResult, readInitialize, type Hello } from './rev2025/initialize.ts'

/** Requests of one client waiting for servers at once: more than a model runs in parallel, less than one client needs to fill the node. */
export const MAX_CALLS = 64

/** What a one-server view passes on beside tools. */
const PASSED = /^(resources|prompts|completion|logging)\//

/** Names are the client's: what is longer is cut in logs and sentences. */
const MAX_LOGGED = 128

interface Call {
  running: RunningCall | undefined
  over: boolean
  request: JsonRpcRequest
  correlation: string
  started: number
}

/** `_meta.traceparent` (SEP-414), read here and left where it is. */
function traceOf(params: Json): TraceContext | undefined {
  const traceparent = (params['_meta'] as Json | null | undefined)?.['traceparent']
  return typeof traceparent === 'string' ? parseTraceparent(traceparent) : undefined
}

/** One client session of the 2025 era, free of transports: messages in by `receive`, out by `link.send`. */
export function createDownstreamSession(deps: SessionDeps, options: SessionOptions): DownstreamSession {
  const { backend, clock, metrics } = deps
  const { view, link, transport } = options
  const id = `${deps.edge}/${randomHex(deps.random, 8)}`
  const calls = new Map<JsonRpcId, Call>()
  const serverRequests = createServerRequests({ clock, send: (message, related) => link.send(message, related) })
  let hello: Hello | undefined
  let context: ClientContext | undefined
  let initialized = false
  let closed = false
  let listed: ToolList | undefined

  function record(request: JsonRpcRequest, status: RequestStatus, started: number, correlation: string, error?: JsonRpcError): void {
    const { method, params } = request
    const duration = clock.now() - started
    metrics.request(method, transport, status, duration / 1000)
    const tool = method === 'tools/call' && typeof params?.['name'] === 'string' ? { tool: params['name'].slice(0, MAX_LOGGED) } : {}
    const fields = { correlation, session: id, method: method.slice(0, MAX_LOGGED), ...tool, durationMs: Math.round(duration * 1000) / 1000, success: status === 'ok' }
    // A busy node answers thousands a second: only what went wrong is worth a line by default.
    if (status === 'ok') deps.logger.debug('request answered', fields)
    else deps.logger.info(status === 'cancelled' ? 'request cancelled' : 'request failed', error === undefined ? fields : { ...fields, error: error.message })
  }

  function answer(request: JsonRpcRequest, outcome: McpOutcome, started: number, correlation: string): void {
    const error = 'error' in outcome ? outcome.error : undefined
    record(request, error === undefined ? 'ok' : 'error', started, correlation, error)
    link.send({ jsonrpc: '2.0', id: request.id, ...outcome }, request.id)
  }

  function end(callId: JsonRpcId, call: Call): void {
    call.over = true
    calls.delete(callId)
    deps.running(-1)
    serverRequests.callEnded(callId)
  }

  function finish(request: JsonRpcRequest, call: Call, outcome: McpOutcome): void {
    if (call.over) return
    end(request.id, call)
    answer(request, outcome, call.started, call.correlation)
  }

  function cancel(callId: JsonRpcId, reason: string): void {
    const call = calls.get(callId)
    if (call === undefined) return
    end(callId, call)
    record(call.request, 'cancelled', call.started, call.correlation)
    call.running?.cancel(reason)
    link.dropped(callId)
  }

  /** Why a request cannot go to a server now, or undefined. */
  function refusal(request: JsonRpcRequest): JsonRpcError | undefined {
    if (calls.has(request.id)) {
      return { code: INVALID_REQUEST, message: `A request with id ${JSON.stringify(request.id).slice(0, MAX_LOGGED)} is still running: use a new id for each request.` }
    }
    if (request.method === 'tools/call' && typeof request.params?.['name'] !== 'string') {
      return { code: INVALID_PARAMS, message: 'tools/call needs params.name: the name of a tool as tools/list gives it.' }
    }
    if (deps.draining()) {
      metrics.refused.inc()
      return sessionError(SERVER_ERROR, 'SKEIN_GOAWAY', 'This node is stopping: it was not run; try again on another node or in a while.')
    }
    if (calls.size >= MAX_CALLS) {
      metrics.refused.inc()
      return sessionError(SERVER_ERROR, 'SKEIN_BUSY', `This session already has ${MAX_CALLS} requests running: it was not run; wait for an answer before sending more.`)
    }
    return undefined
  }

  function run(request: JsonRpcRequest, client: ClientContext, started: number, correlation: string): void {
    const error = refusal(request)
    if (error !== undefined) return answer(request, { error }, started, correlation)
    const params = request.params ?? {}
    const trace = traceOf(params)
    const call: Call = { running: undefined, over: false, request, correlation, started }
    calls.set(request.id, call)
    deps.running(1)
    try {
      call.running = backend.run(
        { server: view, method: request.method, params, client, correlation, ...(trace === undefined ? {} : { trace }) },
        {
          notification: (message) => {
            if (!call.over) link.send(message, request.id)
          },
          request: (method, asked) =>
            call.over
              ? Promise.resolve({ error: sessionError(SERVER_ERROR, 'SKEIN_SESSION_CLOSED', 'The call that asked is over.') })
              : serverRequests.ask(method, asked, request.id, client.capabilities)
        }
      )
    } catch (thrown) {
      return finish(request, call, { error: toJsonRpcError(thrown) })
    }
    call.running.outcome.then(
      (outcome) => finish(request, call, outcome),
      (thrown: unknown) => {
        if (!call.over && !isSkeinError(thrown)) deps.logger.error('request failed unexpectedly', { correlation, error: String(thrown) })
        finish(request, call, { error: toJsonRpcError(thrown) })
      }
    )
  }

  function initialize(request: JsonRpcRequest): McpOutcome {
    if (hello !== undefined) return { error: { code: INVALID_REQUEST, message: 'This session is already initialized: open a new one instead.' } }
    const read = readInitialize(request.params)
    if ('code' in read) return { error: read }
    hello = read
    context = { session: id, clientInfo: read.clientInfo, capabilities: read.capabilities }
    listed = backend.tools(view)
    deps.logger.debug('client connected', { session: id, client: read.clientInfo, revision: read.version, transport, view })
    return { result: initializeResult(read, view === undefined ? {} : backend.capabilities(view), deps.version) }
  }

  function list(params: Json | undefined): McpOutcome {
    const tools = backend.tools(view)
    listed = tools
    if (tools === undefined) {
      return { error: sessionError(SERVER_ERROR, 'SKEIN_NO_PROVIDER', `No node offers the server "${view}" now; see "skein tools ls" for what there is.`) }
    }
    const page = toolsPage(tools, params?.['cursor'])
    if (page !== undefined) return { result: page }
    return { error: { code: INVALID_PARAMS, message: 'params.cursor is not a cursor of this list: start again without one.' } }
  }

  function request(message: JsonRpcRequest, correlation: string): void {
    const started = clock.now()
    const reply = (outcome: McpOutcome) => answer(message, outcome, started, correlation)
    const { method } = message
    if (method === 'initialize') return reply(initialize(message))
    if (method === 'ping') return reply({ result: {} })
    if (method === 'server/discover') return reply(discoverAnswer(message.params))
    if (context === undefined) return reply({ error: { code: INVALID_REQUEST, message: `${method} came before initialize: send initialize first.` } })
    if (method === 'tools/list') return reply(list(message.params))
    if (method === 'tools/call' || (view !== undefined && PASSED.test(method))) return run(message, context, started, correlation)
    const elsewhere = view === undefined ? '; /mcp/<server> offers what that server has beside tools' : ''
    return reply({ error: { code: METHOD_NOT_FOUND, message: `The method ${method.slice(0, MAX_LOGGED)} is not offered here${elsewhere}.` } })
  }

  function notification(message: JsonRpcNotification): void {
    if (message.method === 'notifications/initialized') {
      initialized = true
      toolsChanged()
    } else if (message.method === 'notifications/cancelled') {
      const { requestId, reason } = message.params ?? {}
      if (typeof requestId !== 'string' && typeof requestId !== 'number') return
      cancel(requestId, typeof reason === 'string' ? reason.slice(0, 1024) : 'cancelled by the client')
    }
  }

  function toolsChanged(): void {
    if (!initialized || closed) return
    const current = backend.tools(view)
    if (sameTools(current, listed)) return void (listed = current)
    // Only what arrived counts as told; without a stream it waits for streamOpened.
    if (link.send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, undefined)) listed = current
  }

  return {
    id,
    get running() {
      return calls.size
    },
    receive(message, { correlation } = {}) {
      if (closed) return
      if (!('method' in message)) serverRequests.answered(message)
      else if ('id' in message) request(message, correlation ?? randomHex(deps.random, 8))
      else notification(message)
    },
    streamOpened: toolsChanged,
    toolsChanged,
    close(reason) {
      if (closed) return
      closed = true
      serverRequests.close()
      for (const callId of calls.keys()) cancel(callId, reason)
      if (context !== undefined) backend.endSession(id)
      deps.logger.debug('client session ended', { session: id, reason })
    }
  }
}
