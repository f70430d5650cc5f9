export interface Place {
  /** Degrees, -90 to 90. */
  latitude: number
  /** Degrees, -180 to 180. */
  longitude: number
}

/** Mean radius of the earth, km (IUGG). */
const EARTH_RADIUS_KM = 6_371

const radians = (degrees: number) => (degrees * Math.PI) / 180

/** Great-circle distance, km, by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984). */
export function distanceKm(a: Place, b: Place): number {
  const half = (x: number) => Math.sin(radians(x) / 2) ** 2
  const h = half(b.latitude - a.latitude) + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(b.longitude - a.longitude)
  // Rounding may lead past 1 for opposite points.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}
