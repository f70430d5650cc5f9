export interface Place {
  /** Degrees, -90 to 90. */
  latitude: number
  /** Degrees, -180 to 180. */
  longitude: number
}

/** Mean radius of the earth, km (IUGG). */
const EARTH_RADIUS_KM = 6_371
/** Light in glass travels 200 km in a ms (refractive index 1.5): there and back 100 km of distance. */
const KM_PER_MS = 100
/** The first and the last mile, and the machines at both ends, ms. */
const ENDS_MS = 1

const radians = (degrees: number) => (degrees * Math.PI) / 180

/** Great-circle distance, km, by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984). */
export function distanceKm(a: Place, b: Place): number {
  const half = (x: number) => Math.sin(radians(x) / 2) ** 2
  const h = half(b.latitude - a.latitude) + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(b.longitude - a.longitude)
  // Rounding may lead past 1 for opposite points.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

/** The least a round trip over this distance takes, ms: cables are longer than great circles, so that a measured one is always better. */
export function roundTripOf(km: number): number {
  return km / KM_PER_MS + ENDS_MS
}
