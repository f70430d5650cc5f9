/** Long enough for caches, pools and just-in-time compilers, short enough not to be missed, ms. */
export const WARM_UP_MS = 5_000
/** Share of the calls that the first moment gives. */
export const FIRST_SHARE = 0.1

/** The share of its calls that a peer gets which came (back) at `since`: grows evenly to 1. */
export function warmthOf(since: number, now: number): number {
  const age = now - since
  if (age >= WARM_UP_MS) return 1
  return FIRST_SHARE + ((1 - FIRST_SHARE) * Math.max(0, age)) / WARM_UP_MS
}
