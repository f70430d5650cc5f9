import type { SkeinError } from '../../base/errors.ts'

/** The node that made this error itself although the call was for another one (protocols/rpc.md, "Relayed exchanges"). */
export function relayOf({ data }: SkeinError): string | undefined {
  const relay = (data as { relay?: unknown } | undefined)?.relay
  return typeof relay === 'string' ? relay : undefined
}

/** Not run at `peer`, for it did not get there: the session was gone, or a relay could not pass it on. Another way may do. */
export function isWayFault(error: SkeinError, peer: string): boolean {
  if (error.code === 'SKEIN_UNDELIVERED') return true
  const relay = relayOf(error)
  if (relay === undefined || relay === peer) return false
  return error.retry === 'elsewhere' || error.code === 'SKEIN_HOPS' || error.code === 'SKEIN_NOT_ADMITTED'
}

/** It left and was lost on the way there or back, as far as anybody knows: it says nothing of `peer`. */
export function isWayLoss(error: SkeinError, via: readonly string[]): boolean {
  return via.length > 0 && (error.code === 'SKEIN_OUTCOME_UNKNOWN' || error.code === 'SKEIN_SESSION_CLOSED')
}
