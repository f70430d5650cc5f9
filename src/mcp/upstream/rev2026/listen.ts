import type { Clock, Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { Random } from '../../../base/random.ts'
import type { Json, JsonRpcNotification } from '../../../wire/json-rpc.ts'
import type { CallEnd, PendingCall } from '../calls.ts'
import type { Link } from '../link.ts'
import { backoffDelay } from '../../../base/backoff.ts'
import { isObject } from '../../../base/is-object.ts'
import { INVALID_PARAMS, META_SUBSCRIPTION_ID, METHOD_NOT_FOUND } from '../../../wire/mcp-spec.ts'
import { ownId } from '../messages.ts'
import { ownEnvelope } from './envelope.ts'

/** A stream that breaks is opened again soon; a server that ends it each time costs two requests a minute. */
const BACKOFF = { base: 500, cap: 30_000 }

/** Members of the filter, what the server must have declared for them, and what arrives. */
const KINDS = [
  { filter: 'toolsListChanged', capability: 'tools', method: 'notifications/tools/list_changed' },
  { filter: 'promptsListChanged', capability: 'prompts', method: 'notifications/prompts/list_changed' },
  { filter: 'resourcesListChanged', capability: 'resources', method: 'notifications/resources/list_changed' }
] as const

export interface ListenDeps {
  clock: Clock
  logger: Logger
  random: Random
  link: Link
  /** Changes of lists and resources, without the subscription's id. */
  onNotification(message: JsonRpcNotification): void
}

export interface ListenStream {
  want(uris: ReadonlySet<string>): void
  /** True if the notification was the stream's. */
  take(message: JsonRpcNotification, related: PendingCall | undefined): boolean
  close(): void
}

/**
 * One `subscriptions/listen` kept open: a new one takes over when the URIs change, and the old one ends once the new one is
 * acknowledged, so that nothing is missed between them.
 */
export function createListenStream(deps: ListenDeps, options: { version: string; capabilities: Json }): ListenStream {
  const { clock, logger, random, link } = deps
  const kinds = KINDS.filter(({ capability }) => member(options.capabilities, capability, 'listChanged'))
  const canSubscribe = member(options.capabilities, 'resources', 'subscribe')
  let uris: readonly string[] = []
  /** Acknowledged, and the one whose notifications count. */
  let current: PendingCall | undefined
  let opening: PendingCall | undefined
  let failures = 0
  let broken = false
  let timer: Timer | undefined
  let closed = false

  function open(): void {
    timer?.cancel()
    timer = undefined
    if (opening !== undefined) abandon(opening)
    opening = undefined
    if (closed || link.over) return
    if (kinds.length === 0 && uris.length === 0) {
      if (current !== undefined) abandon(current)
      current = undefined
      return
    }
    const notifications: Json = Object.fromEntries(kinds.map(({ filter }) => [filter, true]))
    if (uris.length > 0) notifications.resourceSubscriptions = uris
    const params = { _meta: ownEnvelope(options.version), notifications }
    const call: PendingCall = link.prepare({ timeout: undefined, ended: (end) => onEnd(call, end) })
    opening = call
    link.submit(call, 'subscriptions/listen', params)
  }
  function abandon(call: PendingCall): void {
    link.cancel(call, 'replaced')
    // Not the stream's own end any more.
    if (current === call) current = undefined
    if (opening === call) opening = undefined
    call.finish({ answer: { result: {}, text: undefined } })
  }

  function onAcknowledged(call: PendingCall): void {
    if (call !== opening) return
    const old = current
    opening = undefined
    current = call
    failures = 0
    if (old !== undefined) abandon(old)
    if (!broken) return
    broken = false
    // What changed in between nobody told: everything may have.
    for (const { method } of kinds) deps.onNotification({ jsonrpc: '2.0', method })
    for (const uri of uris) deps.onNotification({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } })
  }

  function onEnd(call: PendingCall, end: CallEnd): void {
    if (closed || (call !== current && call !== opening)) return
    if (call === current) current = undefined
    if (call === opening) opening = undefined
    broken = true
    const error = 'failure' in end ? end.failure.message : 'error' in end.answer ? end.answer.error.message : undefined
    const code = 'answer' in end && 'error' in end.answer ? end.answer.error.code : undefined
    if (code === METHOD_NOT_FOUND || code === INVALID_PARAMS) return logger.warn('the server does not let us listen, so changes of its lists and resources are not seen', { error })
    // The other one is still there, or on its way.
    if (link.over || opening !== undefined || timer !== undefined) return
    const delay = backoffDelay(failures, BACKOFF, random)
    failures += 1
    logger.debug('listening to the server broke off, doing it again', { error, wait: Math.round(delay) })
    timer = clock.after(delay, open)
  }

  open()
  return {
    want(next) {
      const sorted = canSubscribe ? [...next].toSorted() : []
      if (sorted.length === uris.length && sorted.every((uri, index) => uri === uris[index])) return
      uris = sorted
      open()
    },
    take(message, related) {
      const meta = isObject(message.params?._meta) ? message.params._meta : {}
      const id = ownId(meta[META_SUBSCRIPTION_ID]) ?? related?.id
      if (message.method === 'notifications/subscriptions/acknowledged') {
        const call = id === undefined ? undefined : link.calls.get(id)
        if (call !== undefined) onAcknowledged(call)
        return true
      }
      if (message.method !== 'notifications/resources/updated' && !KINDS.some(({ method }) => method === message.method)) return false
      // Some servers forget to acknowledge.
      if (opening !== undefined && id === opening.id) onAcknowledged(opening)
      // Two streams may be open for a moment: only one of them counts.
      if (id === undefined || id === current?.id) deps.onNotification(withoutId(message, meta))
      return true
    },
    close() {
      closed = true
      timer?.cancel()
    }
  }
}

function member(capabilities: Json, name: string, flag: string): boolean {
  const capability = capabilities[name]
  return isObject(capability) && capability[flag] === true
}

/** The id means something on this connection only. */
function withoutId(message: JsonRpcNotification, meta: Json): JsonRpcNotification {
  if (!(META_SUBSCRIPTION_ID in meta)) return message
  const { [META_SUBSCRIPTION_ID]: _id, ...rest } = meta
  const { _meta, ...params } = message.params ?? {}
  const kept = Object.keys(rest).length === 0 ? params : { ...params, _meta: rest }
  return Object.keys(kept).length === 0 ? { jsonrpc: '2.0', method: message.method } : { jsonrpc: '2.0', method: message.method, params: kept }
}
