import type { JsonRpcNotification } from '../../wire/json-rpc.ts'
import type { Caller, CallTable, PendingCall } from './calls.ts'
import { LOG_LEVELS, type LogLevel } from '../../wire/mcp-spec.ts'

const RANKS: readonly string[] = LOG_LEVELS

/** Whether a log line of this level is for a client that asked for `wanted`; a level nobody knows counts as info. */
export function wantsLog(wanted: LogLevel | 'default' | undefined, level: unknown): boolean {
  if (wanted === undefined) return false
  if (wanted === 'default') return true
  const rank = RANKS.indexOf(String(level))
  return (rank < 0 ? RANKS.indexOf('info') : rank) >= RANKS.indexOf(wanted)
}

/**
 * Gives a log line to the call it belongs to: that on whose stream it came, else the only one it can be of. False: it is nobody's.
 * `mayLog` says whom a line without a stream can mean.
 */
export function deliverLog(message: JsonRpcNotification, related: PendingCall | undefined, calls: CallTable, mayLog: (caller: Caller) => boolean): boolean {
  const owner = related?.caller ?? onlyCaller(calls.all(), mayLog)
  if (owner === undefined) return false
  if (wantsLog(owner.client.logLevel, message.params?.level)) owner.sink.notification(message)
  return true
}

/**
 * A line does not say whose it is: with calls of two clients running, one would read the other's, so then there is none. Clients
 * without a session are one client per call.
 */
function onlyCaller(calls: Iterable<PendingCall>, mayLog: (caller: Caller) => boolean): Caller | undefined {
  let latest: Caller | undefined
  let owner: string | number | undefined
  for (const { id, caller } of calls) {
    if (caller === undefined || !mayLog(caller)) continue
    const client = caller.client.session ?? id
    if (owner !== undefined && owner !== client) return undefined
    owner = client
    latest = caller
  }
  return latest
}
