import { randomInt } from '../../src/base/random.ts'
import type { Random } from '../../src/base/random.ts'

/** Weather between the hosts. Times in ms, chances in [0, 1]. */
export interface Weather {
  loss: number
  duplication: number
  latency: number
  jitter: number
}

export const FAIR: Weather = { loss: 0, duplication: 0, latency: 1, jitter: 1 }

/** Which host reaches which, how fast and how surely. Cuts are counted, so that overlapping ones end one by one. */
export interface Paths {
  weather: Weather
  isCut(from: number, to: number): boolean
  cut(from: number, to: number): void
  heal(from: number, to: number): void
  healAll(): void
  /** Extra loss at everything that goes to or comes from a host, or between two sites. */
  setLoss(from: number, to: number, loss: number): void
  /** Whether a packet arrives. */
  passes(from: number, to: number): boolean
  /** Ever longer than the weather makes it, one way, ms. */
  setDistance(from: number, to: number, ms: number): void
  /** One way, ms, at least 0.1. */
  delay(from: number, to: number): number
  duplicated(): boolean
  readonly lost: number
}

export function createPaths(hosts: number, random: Random): Paths {
  const cuts = new Uint16Array(hosts * hosts)
  const losses = new Float64Array(hosts * hosts)
  const distances = new Float64Array(hosts * hosts)
  let lost = 0
  const paths: Paths = {
    weather: FAIR,
    isCut: (from, to) => cuts[from * hosts + to]! > 0,
    cut: (from, to) => void cuts[from * hosts + to]!++,
    heal(from, to) {
      if (cuts[from * hosts + to]! > 0) cuts[from * hosts + to]!--
    },
    healAll() {
      cuts.fill(0)
      losses.fill(0)
    },
    setLoss: (from, to, loss) => void (losses[from * hosts + to] = loss),
    passes(from, to) {
      const loss = Math.max(paths.weather.loss, losses[from * hosts + to]!)
      if (loss > 0 && random.float() < loss) {
        lost++
        return false
      }
      return true
    },
    setDistance: (from, to, ms) => void (distances[from * hosts + to] = ms),
    delay: (from, to) => 0.1 + distances[from * hosts + to]! + paths.weather.latency + (paths.weather.jitter > 0 ? random.float() * paths.weather.jitter : 0),
    duplicated: () => paths.weather.duplication > 0 && random.float() < paths.weather.duplication,
    get lost() {
      return lost
    }
  }
  return paths
}

/** Splits `hosts` in two by chance, neither side empty. */
export function twoSides(hosts: number, random: Random): boolean[] {
  const sides = Array.from({ length: hosts }, () => random.float() < 0.5)
  const odd = randomInt(random, hosts)
  sides[odd] = !sides[(odd + 1) % hosts]
  return sides
}
