import { seededRandom } from '../../src/base/random.ts'
import { createVivaldi, type Place, type Vivaldi } from '../../src/membership/coordinates/vivaldi.ts'
import { distance } from '../../src/membership/coordinates/space.ts'
import type { NetworkCoordinates } from '../../src/wire/coordinates.ts'

/** Round trips between members, ms; symmetrical. */
export type Truth = readonly (readonly number[])[]

export interface Answer {
  coordinates: NetworkCoordinates
  rtt: number
}

export interface Fleet {
  readonly members: readonly Vivaldi[]
  /** Each member measures one other by chance (or, by the same chance, none). */
  cycles(count: number): void
  /** A measurement of one by the other. */
  measure(from: number, to: number): void
  /** Errors of all predictions between the first `count` members, as shares, sorted. */
  errors(count?: number): number[]
}

/** @param lies what a member answers instead of the truth; undefined: the truth */
export function createFleet(truth: Truth, seed: number, lies: (from: number, to: number) => Answer | undefined = () => undefined): Fleet {
  const random = seededRandom(seed)
  const members = truth.map((_, index) => createVivaldi(seededRandom(seed * 1_000 + index)))
  const places = truth.map(() => new Map<number, Place>())

  function measure(from: number, to: number): void {
    const answer = lies(from, to) ?? { coordinates: members[to]!.own, rtt: truth[from]![to]! }
    const place = members[from]!.sample(answer.coordinates, answer.rtt, places[from]!.get(to))
    if (place !== undefined) places[from]!.set(to, place)
  }

  return {
    members,
    measure,
    cycles(count) {
      for (let cycle = 0; cycle < count; cycle++) {
        for (let from = 0; from < members.length; from++) {
          const to = Math.floor(random.float() * members.length)
          if (to !== from) measure(from, to)
        }
      }
    },
    errors(count = members.length) {
      const errors: number[] = []
      for (let a = 0; a < count; a++) {
        for (let b = a + 1; b < count; b++) errors.push(Math.abs(distance(members[a]!.own, members[b]!.own) - truth[a]![b]!) / truth[a]![b]!)
      }
      return errors.sort((a, b) => a - b)
    }
  }
}

export function truthOf(count: number, rtt: (a: number, b: number) => number): Truth {
  const truth = Array.from({ length: count }, () => Array.from({ length: count }, () => 0))
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) truth[a]![b] = truth[b]![a] = rtt(a, b)
  }
  return truth
}
