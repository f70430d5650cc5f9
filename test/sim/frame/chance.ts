import { seededRandom } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'

/** A random source of its own for each purpose, so that switching one off leaves the others as they are. */
export function stream(seed: number, purpose: number): Random {
  return seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b))
}
