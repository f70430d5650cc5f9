import type { Random } from '../../base/random.ts'
import { DIMENSIONS, MAX_ERROR, type NetworkCoordinates } from '../../wire/coordinates.ts'

/** The least height, ms: nobody is nearer to the network than 10 microseconds. */
export const HEIGHT_MIN = 0.01
/** Below this, ms, two points are the same and there is no direction from one to the other. */
export const SAME_POINT = 0.001

/** Where everybody starts, knowing nothing. */
export const ORIGIN: NetworkCoordinates = { vector: Array.from({ length: DIMENSIONS }, () => 0), height: HEIGHT_MIN, error: MAX_ERROR, adjustment: 0 }

/** Between the points and over both heights, ms. */
export function rawDistance(a: NetworkCoordinates, b: NetworkCoordinates): number {
  return length(difference(a, b)) + a.height + b.height
}

/** The round trip that the coordinates predict, ms. The adjustments correct what no space can show, such as detours; not where they would make it negative. */
export function distance(a: NetworkCoordinates, b: NetworkCoordinates): number {
  const raw = rawDistance(a, b)
  const adjusted = raw + a.adjustment + b.adjustment
  return adjusted > 0 ? adjusted : raw
}

/**
 * Moves `from` away from `other`, or towards it when `force` (ms) is negative. The height changes in the ratio of both heights to the distance of the points,
 * by `limit` at most: a claimed height far above that distance would otherwise throw it anywhere.
 */
export function pushed(from: NetworkCoordinates, other: NetworkCoordinates, force: number, limit: number, random: Random): NetworkCoordinates {
  const away = difference(from, other)
  const apart = length(away)
  const isApart = apart > SAME_POINT
  const direction = isApart ? away.map((value) => value / apart) : anyDirection(random)
  const vector = from.vector.map((value, index) => value + (direction[index] as number) * force)
  if (!isApart) return { ...from, vector }
  return { ...from, vector, height: Math.max(HEIGHT_MIN, from.height + within(((from.height + other.height) * force) / apart, limit)) }
}

/** `value`, but not beyond `limit` on either side of 0. */
export function within(value: number, limit: number): number {
  return Math.min(limit, Math.max(-limit, value))
}

function difference(a: NetworkCoordinates, b: NetworkCoordinates): number[] {
  return a.vector.map((value, index) => value - (b.vector[index] as number))
}

function length(vector: readonly number[]): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
}

/** From one point to another at the same place. */
function anyDirection(random: Random): number[] {
  const drawn = Array.from({ length: DIMENSIONS }, () => random.float() - 0.5)
  const drawnLength = length(drawn)
  return drawnLength > 0 ? drawn.map((value) => value / drawnLength) : drawn.map((_, index) => (index === 0 ? 1 : 0))
}
