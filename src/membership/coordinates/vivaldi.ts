import type { Random } from '../../base/random.ts'
import { isWithinBounds, MAX_COORDINATE, MAX_ERROR, type NetworkCoordinates } from '../../wire/coordinates.ts'
import { distance, ORIGIN, pushed, rawDistance, SAME_POINT, within } from './space.ts'

/** The share of a sample's error that enters the own error estimate (c_e), and of the way to the right place that is gone (c_c). */
const ERROR_SHARE = 0.25
const FORCE_SHARE = 0.25
/** Samples of the adjustment: some rounds through a small pool. */
const ADJUSTMENT_WINDOW = 20
/** Round trips of one member of which the median counts: one that was held up, on its way or in a busy process, is not seen. */
const FILTER = 3
/** All are drawn to the origin with the square of their distance over this, in seconds: unfelt by anybody, yet the whole does not drift away. */
const GRAVITY_RHO = 150
/** The longest round trip that counts, ms: whoever takes longer stood still. */
const MAX_ROUND_TRIP = MAX_COORDINATE
/**
 * How far one sample can move a member that is unsure of its place, ms; one that is sure of it moves less, in proportion to its error. Above what samples of honest
 * members do between continents (a quarter of half their error), and so little that a member that lies moves the others by no more than they can correct.
 */
const MAX_STEP = 50
/**
 * With an error of this, or more, on either side nothing is predicted: who has hardly been measured is not said to be near. In the simulation of three sites
 * (test/sim/membership/coordinates.test.ts) most are below it after 30 s, and predictions between sites then right to some ms; 0.5 takes twice as long.
 */
export const UNCERTAIN = 0.75

/** What is kept of another member: its last coordinates and round trips. */
export interface Place {
  readonly coordinates: NetworkCoordinates
  /** The last FILTER ones, ms. */
  readonly roundTrips: readonly number[]
}

export interface Vivaldi {
  readonly own: NetworkCoordinates
  /** Times it had to begin again at the origin. */
  readonly resets: number
  /**
   * Learns from an answer: how long it took, ms, and where its sender says it is. `before`: what the last call gave for this member.
   * Undefined if the numbers cannot be: not a number, negative, above 10 s. Nothing has changed then.
   */
  sample(theirs: NetworkCoordinates, roundTrip: number, before?: Place): Place | undefined
  /** The round trip to there, ms; undefined while either is UNCERTAIN. */
  predict(theirs: NetworkCoordinates): number | undefined
}

/**
 * The network coordinates of one member: Vivaldi with heights (Dabek, Cox, Kaashoek, Morris: "Vivaldi: a decentralized network coordinate system", SIGCOMM 2004),
 * with the latency filter and gravity of Ledlie, Gardner, Seltzer ("Network coordinates in the wild", NSDI 2007) and the adjustment term of Lee et al. ("On suitability
 * of Euclidean embedding for host-based network coordinate systems"); parameters as in Serf. Ours: the bounds of what one sample can do.
 */
export function createVivaldi(random: Random): Vivaldi {
  let own = ORIGIN
  let resets = 0
  /** Measured less predicted of the last samples, ms; the oldest is replaced. */
  const wrongBy: number[] = []
  let oldest = 0

  function move(theirs: NetworkCoordinates, rtt: number): void {
    const expected = distance(own, theirs)
    // More wrong than the worst error says nothing more; a liar could make it anything.
    const wrongness = Math.min(MAX_ERROR, Math.abs(expected - rtt) / rtt)
    const weight = own.error / Math.max(own.error + theirs.error, Number.EPSILON)
    const limit = MAX_STEP * Math.min(1, own.error)
    const error = Math.min(MAX_ERROR, ERROR_SHARE * weight * wrongness + own.error * (1 - ERROR_SHARE * weight))
    own = { ...pushed(own, theirs, within(FORCE_SHARE * weight * (rtt - expected), limit), limit, random), error }
  }

  function adjust(theirs: NetworkCoordinates, rtt: number): void {
    // The round trip is measured here, so it is what bounds the part that others say.
    wrongBy[oldest] = within(rtt - rawDistance(own, theirs), Math.min(rtt, MAX_STEP))
    oldest = (oldest + 1) % ADJUSTMENT_WINDOW
    own = { ...own, adjustment: wrongBy.reduce((sum, ms) => sum + ms, 0) / (2 * ADJUSTMENT_WINDOW) }
  }

  function settle(): void {
    const pull = 1_000 * (distance(ORIGIN, own) / 1_000 / GRAVITY_RHO) ** 2
    own = pushed(own, ORIGIN, -pull, pull, random)
  }

  function reset(): void {
    own = ORIGIN
    wrongBy.length = 0
    oldest = 0
    resets++
  }

  return {
    get own() {
      return own
    },
    get resets() {
      return resets
    },
    sample(theirs, roundTrip, before) {
      if (!(roundTrip >= 0 && roundTrip <= MAX_ROUND_TRIP) || !isWithinBounds(theirs)) return undefined
      const roundTrips = [...(before?.roundTrips ?? []), roundTrip].slice(-FILTER)
      const rtt = Math.max(SAME_POINT, median(roundTrips))
      move(theirs, rtt)
      adjust(theirs, rtt)
      settle()
      if (!isWithinBounds(own)) reset()
      return { coordinates: theirs, roundTrips }
    },
    predict: (theirs) => (own.error < UNCERTAIN && theirs.error < UNCERTAIN ? distance(own, theirs) : undefined)
  }
}

/** Of two the longer. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number
}
