export { distanceKm, type Place } from '../base/geo.ts'

/** Light in glass travels 200 km in a ms (refractive index 1.5): there and back 100 km of distance. */
const KM_PER_MS = 100
/** The first and the last mile, and the machines at both ends, ms. */
const ENDS_MS = 1

/** The least a round trip over this distance takes, ms: cables are longer than great circles, so that a measured one is always better. */
export function roundTripOf(km: number): number {
  return km / KM_PER_MS + ENDS_MS
}
