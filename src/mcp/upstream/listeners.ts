import type { CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../ports.ts'
import type { JsonRpcNotification } from '../../wire/json-rpc.ts'
import type { Logger } from '../../base/logger.ts'
import { errorMessage, SkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { INVALID_PARAMS, type LogLevel } from '../../wire/mcp-spec.ts'
import { failedCall } from '../failed-call.ts'
import { wantsLog } from './logs.ts'

/** Ten times the sessions one node serves by default: those of other nodes listen here too. */
const MAX_LISTENERS = 4_096
/** One client watches what it shows; nobody shows more than this. */
const MAX_URIS_EACH = 1_000
/** Of all listeners together: as much as a server is expected to bear. */
const MAX_URIS = 10_000
/** As long as URLs get in practice. */
const MAX_URI_CHARS = 8_192
/** 32 levels up: each costs two look-ups per update. */
const MAX_COVERING = 65

const WARNING: LogLevel = 'warning'

/** One running `subscriptions/listen`. */
export interface Listener {
  readonly client: ClientContext
  readonly uris: ReadonlySet<string>
}

export interface Listeners {
  /** Runs until it is cancelled; the result comes when its server or its session is gone. */
  add(request: McpRequest, sink: CallSink): RunningCall
  all(): Iterable<Listener>
  /** A resource changed, as the shared connection says: for those whose client has no child of its own. */
  resourceUpdated(message: JsonRpcNotification, ownChild: (client: ClientContext) => boolean): void
  /** What a session's own child says. */
  toSession(session: string, message: JsonRpcNotification): void
  /** A log line of ours for a session, unless it wants only worse ones. False: nobody of this session listens. */
  warn(session: string, text: string): boolean
  endSession(session: string): void
  readonly size: number
  close(): void
}

interface Entry extends Listener {
  deliver(message: JsonRpcNotification): void
  end(): void
}

/** Who listens to one server outside of calls. `onChange` is called when a listener came or went. */
export function createListeners(deps: { logger: Logger; onChange(): void }): Listeners {
  const entries = new Set<Entry>()
  const bySession = new Map<string, Set<Entry>>()
  const byUri = new Map<string, Set<Entry>>()
  let uriCount = 0

  function index(map: Map<string, Set<Entry>>, key: string, entry: Entry): void {
    const found = map.get(key)
    if (found === undefined) map.set(key, new Set([entry]))
    else found.add(entry)
  }
  function unindex(map: Map<string, Set<Entry>>, key: string, entry: Entry): void {
    const found = map.get(key)
    if (found?.delete(entry) && found.size === 0) map.delete(key)
  }
  function insert(entry: Entry): void {
    entries.add(entry)
    uriCount += entry.uris.size
    if (entry.client.session !== undefined) index(bySession, entry.client.session, entry)
    for (const uri of entry.uris) index(byUri, uri, entry)
    deps.onChange()
  }
  /** False if it was gone already. */
  function remove(entry: Entry): boolean {
    if (!entries.delete(entry)) return false
    uriCount -= entry.uris.size
    if (entry.client.session !== undefined) unindex(bySession, entry.client.session, entry)
    for (const uri of entry.uris) unindex(byUri, uri, entry)
    deps.onChange()
    return true
  }

  function endAll(of: Iterable<Entry>): void {
    for (const entry of of) entry.end()
  }

  return {
    add(request, sink) {
      const uris = requestedUris(request)
      if (typeof uris === 'string') return { outcome: Promise.resolve({ error: { code: INVALID_PARAMS, message: uris } }), cancel() {} }
      if (entries.size >= MAX_LISTENERS || uriCount + uris.size > MAX_URIS) {
        return failedCall(new SkeinError('SKEIN_BUSY', `Too many clients listen to this server (at most ${MAX_LISTENERS}, and ${MAX_URIS} subscribed resources). Try again later.`))
      }
      const { promise: outcome, resolve, reject } = Promise.withResolvers<McpOutcome>()
      const entry: Entry = {
        client: request.client,
        uris,
        deliver(message) {
          try {
            sink.notification(message)
          } catch (error) {
            deps.logger.error('a listener failed to take a notification', { error: errorMessage(error) })
          }
        },
        end() {
          if (remove(entry)) resolve({ result: {} })
        }
      }
      insert(entry)
      return {
        outcome,
        cancel(reason) {
          if (remove(entry)) reject(new SkeinError('SKEIN_CANCELLED', `The subscription was cancelled: ${reason}`))
        }
      }
    },
    all: () => entries,
    resourceUpdated(message, ownChild) {
      const heard = new Set<Entry>()
      for (const uri of coveringUris(message)) for (const entry of byUri.get(uri) ?? []) if (!ownChild(entry.client)) heard.add(entry)
      for (const entry of heard) entry.deliver(message)
    },
    toSession(session, message) {
      const covering = message.method === 'notifications/resources/updated' ? coveringUris(message) : undefined
      for (const entry of bySession.get(session) ?? []) {
        if (covering === undefined || covering.some((uri) => entry.uris.has(uri))) entry.deliver(message)
      }
    },
    warn(session, text) {
      const found = bySession.get(session)
      for (const entry of found ?? []) {
        const message = warning(text, entry.client.logLevel)
        if (message !== undefined) entry.deliver(message)
      }
      return found !== undefined
    },
    endSession: (session) => endAll(bySession.get(session) ?? []),
    get size() {
      return entries.size
    },
    close: () => endAll(entries)
  }
}

/** A log line of ours for a client; undefined: it wants only worse ones. */
export function warning(text: string, wanted: ClientContext['logLevel']): JsonRpcNotification | undefined {
  if (!wantsLog(wanted, WARNING)) return undefined
  return { jsonrpc: '2.0', method: 'notifications/message', params: { level: WARNING, logger: 'skein', data: text } }
}

/** The URIs a listener asks for, or what is wrong with them. */
function requestedUris(request: McpRequest): Set<string> | string {
  const filter = isObject(request.params.notifications) ? request.params.notifications : {}
  const uris = filter.resourceSubscriptions ?? []
  if (!Array.isArray(uris) || uris.length > MAX_URIS_EACH || uris.some((uri) => typeof uri !== 'string' || uri.length > MAX_URI_CHARS)) {
    return `notifications.resourceSubscriptions must be at most ${MAX_URIS_EACH} URIs of at most ${MAX_URI_CHARS} characters each.`
  }
  return new Set(uris as string[])
}

/** The URI of an update and those above it: whoever subscribed to a collection hears of its parts. */
function coveringUris(message: JsonRpcNotification): string[] {
  const uri = message.params?.uri
  if (typeof uri !== 'string' || uri.length > MAX_URI_CHARS) return []
  const found = [uri]
  for (let at = uri.lastIndexOf('/'); at > 0 && found.length < MAX_COVERING; at = uri.lastIndexOf('/', at - 1)) found.push(uri.slice(0, at + 1), uri.slice(0, at))
  return found
}
