import type { CallSink, McpOutcome, McpRequest } from '../../ports.ts'
import type { Json, JsonRpcError, JsonRpcNotification } from '../../../wire/json-rpc.ts'
import type { Answer } from '../messages.ts'
import type { PendingCall } from '../calls.ts'
import type { ConnectionCall, ConnectionDeps, ConnectionOptions, ServerIdentity } from '../connection-ports.ts'
import type { EraSide } from '../era-side.ts'
import type { Headers, Link } from '../link.ts'
import { SkeinError } from '../../../base/errors.ts'
import { isObject } from '../../../base/is-object.ts'
import { HEADER_MISMATCH, METHOD_NOT_FOUND } from '../../../wire/mcp-spec.ts'
import { deliverLog } from '../logs.ts'
import { isRefusal, progressToken } from '../messages.ts'
import { ownEnvelope, withEnvelope } from './envelope.ts'
import { paramHeaders } from '../../rev2026/param-headers.ts'
import { namingHeaders } from './headers.ts'
import { createListenStream } from './listen.ts'

export type ModernOptions = Pick<ConnectionOptions, 'version' | 'definition' | 'onNotification'> & {
  identity: ServerIdentity
  /** Whether the transport has headers (HTTP). */
  headers: boolean
}

/** The era without sessions: every request says for whom it is, and what a server wants to know comes back as a result. */
export function createModernSide({ clock, logger, random }: ConnectionDeps, link: Link, options: ModernOptions): EraSide {
  const { version, definition, onNotification, identity } = options
  const listening = createListenStream({ clock, logger, random, link, onNotification }, { version, capabilities: identity.capabilities })

  function headersOf(method: string, params: Json): Headers | undefined {
    if (!options.headers) return undefined
    const { name } = params
    return namingHeaders(method, params, method === 'tools/call' && typeof name === 'string' ? definition(name) : undefined)
  }

  /** A tool that declares headers in a way nobody can follow must not be offered over HTTP, says the specification. */
  function withoutFaults(result: Json): Json {
    if (!Array.isArray(result.tools)) return result
    const tools = (result.tools as unknown[]).filter((definition) => {
      const fault = isObject(definition) ? paramHeaders(definition.inputSchema).fault : undefined
      if (fault === undefined) return true
      logger.warn('a tool of the server is left out: its declarations of headers are wrong', { tool: String((definition as Json).name).slice(0, 128), fault })
      return false
    })
    return { ...result, tools }
  }

  function onLog(message: JsonRpcNotification, related: PendingCall | undefined): void {
    // Clients that asked for no log lines cannot be meant.
    if (!deliverLog(message, related, link.calls, ({ client }) => client.logLevel !== undefined)) onNotification(message)
  }

  function call(request: McpRequest, sink: CallSink): ConnectionCall {
    const { method, params, client, timeout } = request
    const refusal = refusalIn(params)
    if (refusal !== undefined) return { outcome: Promise.resolve({ error: refusal }), over: Promise.resolve(), cancel() {} }
    const { promise: outcome, resolve, reject } = Promise.withResolvers<McpOutcome>()
    const over = Promise.withResolvers<void>()
    const pending = link.prepare({
      caller: { client, sink, token: progressToken(params) },
      timeout,
      ended(end) {
        over.resolve()
        if ('failure' in end) return reject(end.failure)
        // The headers came from a definition that is not the server's any more: it is to be fetched again.
        if ('error' in end.answer && end.answer.error.code === HEADER_MISMATCH) onNotification({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
        resolve(modernOutcome(end.answer))
      }
    })
    link.submit(pending, method, withEnvelope(params, client), headersOf(method, params))
    return {
      outcome,
      over: over.promise,
      cancel(reason) {
        if (link.calls.get(pending.id) === undefined) return
        link.cancel(pending, reason)
        pending.finish({ failure: new SkeinError('SKEIN_CANCELLED', `The request was cancelled: ${reason}`) })
      }
    }
  }

  return {
    era: '2026',
    waiting: false,
    call,
    async request(method, params, timeout) {
      const own = { ...params, _meta: { ...(isObject(params._meta) ? params._meta : undefined), ...ownEnvelope(version) } }
      const answer = await link.request(method, own, timeout, headersOf(method, own))
      if ('error' in answer) return answer
      return { result: method === 'tools/list' && options.headers ? withoutFaults(answer.result) : answer.result }
    },
    onRequest({ id, method }) {
      // Some servers still do it.
      if (method === 'ping') return link.answer(id, { result: {} })
      link.answer(id, { error: { code: METHOD_NOT_FOUND, message: `${method.slice(0, 100)}: in this revision servers do not send requests; return input_required instead` } })
    },
    onNotification(message, related) {
      if (listening.take(message, related)) return
      if (message.method === 'notifications/message') return onLog(message, related)
      if (message.method === 'notifications/elicitation/complete') return onNotification(message)
      logger.debug('a notification of the server has no reader', { method: message.method.slice(0, 100) })
    },
    subscribe: (uris) => listening.want(uris),
    setLogLevel() {},
    close: () => listening.close()
  }
}

/** A client of the older era refuses a question with an error, for which this era has no form: the call ends with it. */
function refusalIn({ inputResponses }: Json): JsonRpcError | undefined {
  if (!isObject(inputResponses)) return undefined
  return Object.values(inputResponses).find(isRefusal)?.error
}

/** What is complete passes on unread. */
function modernOutcome(answer: Answer): McpOutcome {
  if ('error' in answer) return { error: answer.error }
  const { result, text } = answer
  if (text === undefined || result.resultType === 'input_required') return { result }
  return { raw: text, typed: typeof result.resultType === 'string' }
}
