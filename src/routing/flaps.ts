/** Failures within this time count together, ms. */
export const FLAP_WINDOW_MS = 60_000
/** So many of them are a pattern. */
export const FLAP_LIMIT = 3
/** How long it must be stable then, ms; doubles as long as it goes on … */
export const FIRST_HOLD_MS = 30_000
/** … up to this. */
export const LONGEST_HOLD_MS = 300_000

/** What is remembered of the failures of one peer, or of one server at a peer. */
export interface Flaps {
  /** Something went well since the last failure: only the fall counts, not each call that falls with it. */
  well: boolean
  /** The times of the last failures, the newest last; at most FLAP_LIMIT. */
  times: number[]
  /** 0: not damped for long enough to be forgiven. */
  hold: number
  dampedUntil: number
}

export function createFlaps(): Flaps {
  return { well: true, times: [], hold: 0, dampedUntil: -Infinity }
}

/** It answered, or is back. */
export function wentWell(flaps: Flaps): void {
  flaps.well = true
}

/** A failure: the third within a minute damps until there was none for 30 s; one more soon after doubles that. */
export function wentWrong(flaps: Flaps, now: number): void {
  const { times } = flaps
  // Whoever still fails is not stable, whether it counts as a new fall or not.
  if (now < flaps.dampedUntil) flaps.dampedUntil = now + flaps.hold
  if (!flaps.well) return
  flaps.well = false
  times.push(now)
  while (times.length > FLAP_LIMIT || now - (times[0] as number) > FLAP_WINDOW_MS) times.shift()
  if (now - flaps.dampedUntil > FLAP_WINDOW_MS) flaps.hold = 0
  if (flaps.hold === 0 && times.length < FLAP_LIMIT) return
  flaps.hold = flaps.hold === 0 ? FIRST_HOLD_MS : Math.min(LONGEST_HOLD_MS, flaps.hold * 2)
  flaps.dampedUntil = now + flaps.hold
}

/** ms that it is avoided yet; 0: not at all. */
export function dampedFor(flaps: Flaps, now: number): number {
  return Math.max(0, flaps.dampedUntil - now)
}
