import { roundTripOf } from './geo.ts'
import type { Candidate, PathSource } from './types.ts'

/** A peer that nothing is known of counts as one in the same city: worth trying, not worth preferring to a LAN peer, ms. */
export const DEFAULT_RTT = 10
/** What others carry costs them too: a direct way of the same length is better, ms. */
const RELAY_MS = 2
/** What a server runs at a time that does not say: the default of `mcp.servers.<name>.max_concurrent`. */
export const DEFAULT_CAPACITY = 256
/** Before the first answer a tool is taken for a quick one, ms: only the order of magnitude of waiting depends on it. */
export const DEFAULT_SERVICE = 10
/**
 * A place in a queue counts twice: once for the wait of this call, once for that of those behind it (the marginal cost of a queue, which
 * balances several of them; Pigou 1920, for networks: Roughgarden 2005), and reports of queues are always old.
 */
const WAIT_WEIGHT = 2
/** Calls side by side slow each other down a little even where none waits: a full server counts as a tenth slower. */
const CROWDING = 0.1

/** Which of a candidate's figures tells of the way there. Nonsense counts as not known. */
export function pathSource({ local, rtt, predicted, km }: Candidate): PathSource {
  if (local) return 'local'
  if (isTime(rtt)) return 'measured'
  if (isTime(predicted)) return 'predicted'
  return isTime(km) ? 'distance' : 'default'
}

/** There and back, ms. */
export function pathTime(candidate: Candidate, source: PathSource): number {
  if (source === 'local') return 0
  const relay = candidate.relayed === true ? RELAY_MS : 0
  if (source === 'measured') return (candidate.rtt as number) + relay
  if (source === 'predicted') return (candidate.predicted as number) + relay
  return (source === 'distance' ? roundTripOf(candidate.km as number) : DEFAULT_RTT) + relay
}

/** How long one more call waits where `ahead` calls are and `capacity` run at a time, in units of the service time. */
export function waitOf(ahead: number, capacity: number): number {
  // One of `capacity` running calls ends in each such part of the service time.
  return Math.max(0, ahead + 1 - capacity) / capacity
}

/** ms until the answer of one more call: the way, the service, and the wait with what comes beside it. */
export function expectedTime(path: number, service: number, ahead: number, capacity: number): number {
  return path + service * (1 + WAIT_WEIGHT * waitOf(ahead, capacity) + (CROWDING * ahead) / capacity)
}

function isTime(value: number | undefined): boolean {
  return value !== undefined && Number.isFinite(value) && value >= 0
}
