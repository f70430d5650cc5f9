import { othersOf, slownessOf, unreliabilityOf } from './estimates.ts'
import { DEFAULT_CAPACITY, expectedTime, pathSource, pathTime } from './expected-time.ts'
import { dampedFor } from './flaps.ts'
import type { Lane, PeerState } from './lanes.ts'
import { warmthOf } from './slow-start.ts'
import type { Candidate, Figures, Standing } from './types.ts'

/** What a failed call costs its caller, the repetition and the doubt, ms: an unreliable provider counts as that much slower. */
const FAILURE_COST = 300
/** Of the calls while a breaker is half open: one at a time is a trial, and nobody waits for it if it fails. */
const HALF_OPEN_SHARE = 0.1

/** From which a provider is chosen: the first of these that has any. */
export const TIER = { GOOD: 0, RECOVERING: 1, DAMPED: 2, SUSPECT: 3, OPEN: 4 } as const
export type Tier = (typeof TIER)[keyof typeof TIER]

/** What is known of one candidate at this moment. Filled anew for each choice: a choice allocates nothing for its candidates. */
export interface Assessed extends Omit<Figures, 'near'> {
  tier: Tier
  /** It was let in for this one call. */
  trial: boolean
}

export function createAssessed(): Assessed {
  return {
    peer: '', local: false, relayed: false, path: 0.5, pathFrom: 'default', service: 0.5, ahead: 0.5, capacity: 0, reliability: 0.5, standing: 'good', warmth: 0.5,
    dampedFor: 0.5, expected: 0.5, cost: 0.5, tier: TIER.GOOD, trial: false
  }
}

/** Everything but the tier of those that are let in by share. @param usual service time, ms */
export function assess(into: Assessed, candidate: Candidate, lane: Lane | undefined, state: PeerState | undefined, usual: number, now: number): void {
  const { local } = candidate
  const capacity = Math.max(1, candidate.capacity ?? DEFAULT_CAPACITY)
  const unreliability = lane === undefined ? 0 : unreliabilityOf(lane.unreliability, now)
  const pathFrom = pathSource(candidate)
  const path = pathTime(candidate, pathFrom)
  const service = usual * (lane === undefined ? 1 : slownessOf(lane.slowness, now, lane.inFlight === 0))
  const ahead = aheadOf(candidate, lane, now)
  const expected = expectedTime(path, service, ahead, capacity)
  into.peer = candidate.peer
  into.local = local
  into.relayed = candidate.relayed === true
  into.path = path
  into.pathFrom = pathFrom
  into.service = service
  into.ahead = ahead
  into.capacity = capacity
  into.reliability = 1 - unreliability
  into.expected = expected
  into.cost = expected + unreliability * FAILURE_COST
  into.warmth = local || state === undefined ? 1 : warmthOf(state.since, now)
  into.dampedFor = Math.max(lane === undefined ? 0 : dampedFor(lane.flaps, now), state === undefined ? 0 : dampedFor(state.flaps, now))
  into.standing = standingOf(candidate, into)
  into.tier = TIER_OF[into.standing]
  into.trial = false
}

const TIER_OF: Record<Standing, Tier> = { good: TIER.GOOD, warming: TIER.RECOVERING, 'half-open': TIER.RECOVERING, damped: TIER.DAMPED, suspect: TIER.SUSPECT, open: TIER.OPEN }

function standingOf({ local, breaker, suspect }: Candidate, { dampedFor: damped, warmth }: Assessed): Standing {
  if (breaker === 'open') return 'open'
  // Nobody suspects himself.
  if (suspect === true && !local) return 'suspect'
  if (damped > 0) return 'damped'
  if (breaker === 'half-open') return 'half-open'
  return warmth < 1 ? 'warming' : 'good'
}

/** Calls there now: exactly where it is known, else the own ones and what the last report said of others. */
function aheadOf({ now: exact, load }: Candidate, lane: Lane | undefined, now: number): number {
  if (exact !== undefined) return exact.running + exact.waiting
  if (lane === undefined) return load ?? 0
  if (lane.reported) return lane.inFlight + othersOf(lane.others, now)
  return Math.max(lane.inFlight, load ?? 0)
}

/**
 * Lets those that recover in by their share: `draw` says for a share whether this call is one of it. What counts is the share beside the
 * warmest: where all are new nobody has to wait. A half-open breaker lets one call through at a time.
 */
export function admit(list: readonly Assessed[], count: number, inFlight: (index: number) => number, draw: (share: number) => boolean): void {
  let warmest = 0
  for (let index = 0; index < count; index++) warmest = Math.max(warmest, (list[index] as Assessed).warmth)
  for (let index = 0; index < count; index++) {
    const one = list[index] as Assessed
    if (one.tier !== TIER.RECOVERING) continue
    const share = one.standing === 'half-open' ? (inFlight(index) > 0 ? 0 : HALF_OPEN_SHARE) : one.warmth / warmest
    if (share < 1 && !draw(share)) continue
    one.tier = TIER.GOOD
    one.trial = share < 1
  }
}
