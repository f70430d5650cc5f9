import { randomInt, type Random } from '../base/random.ts'
import { TIER, type Assessed, type Tier } from './assess.ts'
import type { Choice, Reason } from './types.ts'

/** Near-best: within a tenth of the best expected time … */
const NEAR_FACTOR = 1.1
/** … or within 2 ms, for below that a difference is the scheduler's noise. */
const NEAR_MS = 2

/** Those that a call may go to: the near-best of the best tier. */
export interface Near {
  tier: Tier
  /** Highest cost that is near the best, ms. */
  limit: number
  count: number
  /** Index of this node if it is one of them, else -1. */
  local: number
}

export function nearBest(list: readonly Assessed[], count: number): Near {
  let tier: Tier = TIER.OPEN
  let best = Infinity
  for (let index = 0; index < count; index++) {
    const one = list[index] as Assessed
    if (one.tier > tier || (one.tier === tier && one.cost >= best)) continue
    tier = one.tier
    best = one.cost
  }
  const near: Near = { tier, limit: Math.max(best * NEAR_FACTOR, best + NEAR_MS), count: 0, local: -1 }
  for (let index = 0; index < count; index++) {
    const one = list[index] as Assessed
    if (!isNear(one, near)) continue
    near.count++
    if (one.local) near.local = index
  }
  return near
}

export function isNear({ tier, cost }: Assessed, near: Near): boolean {
  return tier === near.tier && cost <= near.limit
}

/**
 * One of the near-best: this node itself; else of two random ones the less loaded ("power of two choices", Mitzenmacher 2001: almost the
 * balance of asking all, without the herd). Without `random` the one that is chosen most often.
 */
export function choose(list: readonly Assessed[], count: number, near: Near, random: Random | undefined): Choice {
  if (near.local >= 0) return choiceOf(list[near.local] as Assessed, count, near, 'local')
  if (near.count === 1) return choiceOf(nth(list, near, 0), count, near, 'best')
  if (random === undefined) return choiceOf(lightest(list, count, near), count, near, 'lighter')
  const first = randomInt(random, near.count)
  const other = randomInt(random, near.count - 1)
  const [a, b] = [nth(list, near, first), nth(list, near, other < first ? other : other + 1)]
  return choiceOf(crowding(b) < crowding(a) ? b : a, count, near, 'lighter')
}

function choiceOf({ peer, expected, trial }: Assessed, count: number, { tier }: Near, why: Reason): Choice {
  return { peer, why: count === 1 ? 'only' : tier !== TIER.GOOD ? 'last_resort' : trial ? 'trial' : why, expected }
}

const crowding = ({ ahead, capacity }: Assessed) => ahead / capacity

/** The `n`th of the near-best. */
function nth(list: readonly Assessed[], near: Near, n: number): Assessed {
  for (let index = 0, left = n; ; index++) {
    const one = list[index] as Assessed
    if (isNear(one, near) && left-- === 0) return one
  }
}

function lightest(list: readonly Assessed[], count: number, near: Near): Assessed {
  let found: Assessed | undefined
  for (let index = 0; index < count; index++) {
    const one = list[index] as Assessed
    if (!isNear(one, near)) continue
    if (found === undefined || crowding(one) < crowding(found) || (crowding(one) === crowding(found) && one.cost < found.cost)) found = one
  }
  return found as Assessed
}
