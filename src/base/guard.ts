import type { SkeinError } from './errors.ts'

/** Something under way that can be given up. */
export interface Guarded<T> {
  readonly outcome: Promise<T>
  cancel(reason: string): void
}

/**
 * `closed`: calls run. `open`: calls are refused. `half-open`: it was open long enough; one call at a time is let through, and how
 * it ends decides.
 */
export type GuardState = 'closed' | 'open' | 'half-open'

/**
 * Begins what is guarded. `alive` is there for a call that decides whether a half-open guard closes: to be called at any sign of
 * life, such as progress, so that a long call need not end for it.
 */
export type GuardedStart<T> = (alive?: () => void) => Guarded<T>

export interface RunOptions {
  /** How long it may wait for a place, ms. @default as long as it takes */
  within?: number
  /** Asked about an error that counts as a failure by its code: false when it is not the fault of what is guarded. */
  counts?: (error: SkeinError) => boolean
}

/**
 * A circuit breaker, and where it has a bound a bulkhead, around calls to one component.
 *
 * What counts as a failure: no answer came (SKEIN_SESSION_CLOSED, SKEIN_OUTCOME_UNKNOWN, SKEIN_UNDELIVERED, SKEIN_DEADLINE, SKEIN_UPSTREAM_DOWN,
 * SKEIN_DIAL_FAILED), or none that can be read (SKEIN_UPSTREAM_INVALID, SKEIN_PROTOCOL). Whatever `outcome` resolves with is a success, an
 * error of the tool or of JSON-RPC too: somebody answered. Other errors (cancelled, busy, leaving, not found) are neither. Calls that are lost together
 * (SKEIN_SESSION_CLOSED, SKEIN_OUTCOME_UNKNOWN, SKEIN_UNDELIVERED) are one failure: those that were under way when the first of them ended.
 */
export interface Guard {
  readonly state: GuardState
  /** A call now would be refused as SKEIN_BREAKER_OPEN. */
  readonly refusing: boolean
  /** Calls that hold a place; without a bulkhead 0. */
  readonly running: number
  /** Calls that wait for a place, first come first served. */
  readonly waiting: number
  /**
   * Starts it now, or when a place is free. The outcome is that of `start`, or a rejection with SKEIN_BREAKER_OPEN, SKEIN_BUSY (all places
   * taken and no room to wait, or `within` is over) or SKEIN_CANCELLED while it waits; then it was provably not run.
   */
  run<T>(start: GuardedStart<T>, options?: RunOptions): Guarded<T>
  /** What is guarded was replaced or repaired: an open guard lets its next call through now, as the one that decides. */
  tryNow(): void
}

export interface GuardOptions {
  /** Opens after this many failures in a row … */
  failures: number
  /** … or when this share of the calls of `window` failed, over 0 up to 1, of ten calls at least. */
  failureRate: number
  /** ms */
  window: number
  /** How long it is open the first time, ms: between half of this and all of it. Twice as long each time the deciding call fails. */
  openFor: number
  /** ms */
  openAtMost: number
  /** Calls at a time. @default no bulkhead */
  maxConcurrent?: number
  /** Calls that wait for a place beyond that; more are refused. @default 0 */
  maxWaiting?: number
}

/** The guards of a node, by component: `upstream:<server>` at the provider, `provider:<server>@<peer>` at the edge. */
export interface Guards {
  /**
   * The guard of a component, made when it is first asked for; `options` differ from those of the others. With other options than
   * before it is made anew: what runs or waits ends in the old one. Of those without a bulkhead the 1 024 used last are kept; one with a
   * bulkhead stays until it is dropped.
   */
  guard(component: string, options?: Partial<GuardOptions>): Guard
  drop(component: string): void
  /** Drops `…@<peer>` of every server: it is gone, and whoever comes back under that name begins anew. */
  dropPeer(peer: string): void
}
