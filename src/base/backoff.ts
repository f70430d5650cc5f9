import type { Random } from './random.ts'

export interface BackoffOptions {
  /** First delay's ceiling, ms. */
  base: number
  /** No delay is longer, ms. */
  cap: number
}

/**
 * The wait before attempt `attempt` (0 = the first retry), in ms: half fixed, half random, doubling up to the cap
 * ("equal jitter" of Brooker, "Exponential Backoff and Jitter", 2015: never zero, never in step with others).
 */
export function backoffDelay(attempt: number, options: BackoffOptions, random: Random): number {
  const ceiling = Math.min(options.cap, options.base * 2 ** Math.min(attempt, 30))
  return ceiling / 2 + (random.float() * ceiling) / 2
}
