import { isSkeinError } from '../../src/base/errors.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'

/** One reader of foreign bytes. Readers may throw SkeinErrors; anything else is a finding. */
export interface FuzzTarget {
  name: string
  /** Its part of all inputs of a long run. @default 1 */
  weight?: number
  /** The next input, most of them well-formed enough to pass the first decode. */
  next(random: Random): Uint8Array
  /** The first decode; throws when the input does not pass it. */
  parse(input: Uint8Array): unknown
  /** All of the reading; false: refused without a throw. */
  read(input: Uint8Array, random: Random): unknown
  /** After the last input. */
  end?(): void
}

export interface FuzzCount {
  name: string
  inputs: number
  /** Inputs that passed the first decode: the others test nothing but that. */
  parsed: number
  accepted: number
  rejected: number
  /** Not ours: what was thrown, and how to have it again. At most MAX_FINDINGS are kept. */
  findings: string[]
  crashes: number
}

const MAX_FINDINGS = 3
/** Rejected promises are let go this often. */
const BREATHE_EVERY = 50

export function newCount(name: string): FuzzCount {
  return { name, inputs: 0, parsed: 0, accepted: 0, rejected: 0, findings: [], crashes: 0 }
}

/** `inputs` seeded inputs for one target, added to `count`. The same seed gives the same inputs. */
export async function fuzz(target: FuzzTarget, inputs: number, seed: number, count: FuzzCount = newCount(target.name)): Promise<FuzzCount> {
  const random = seededRandom(seed)
  const found = (what: string, error: unknown) => {
    count.crashes++
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (count.findings.length < MAX_FINDINGS) count.findings.push(`${target.name}, seed ${seed}, ${what}: ${text}`)
  }
  for (let index = 0; index < inputs; index++) {
    const input = target.next(random)
    count.inputs++
    if (isParsed(target, input)) count.parsed++
    try {
      if (target.read(input, random) === false) count.rejected++
      else count.accepted++
    } catch (error) {
      if (isSkeinError(error)) count.rejected++
      else found(`input ${index}, ${Buffer.from(input).toString('hex')}`, error)
    }
    if (index % BREATHE_EVERY === 0) await Promise.resolve()
  }
  try {
    target.end?.()
  } catch (error) {
    found('the end', error)
  }
  return count
}

/** What the parse throws is judged by `read`, which does the same first. */
function isParsed(target: FuzzTarget, input: Uint8Array): boolean {
  try {
    target.parse(input)
    return true
  } catch {
    return false
  }
}
