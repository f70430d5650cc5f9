import { randomBytes, randomFillSync } from 'node:crypto'

/** Chance as a dependency: seeded in simulations, the operating system's elsewhere. */
export interface Random {
  /** A number in [0, 1). */
  float(): number
  /** `n` unpredictable bytes (only as unpredictable as the source: seeded ones are not secret). */
  bytes(n: number): Uint8Array
}

/** A call to the system for each id of a call cost a tenth of what a node does for it: small requests share one. */
const POOL_BYTES = 8_192
const SMALL = 64
const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

function pooled(n: number): Uint8Array {
  if (used + n > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = new Uint8Array(pool.subarray(used, used + n))
  // Whatever was handed out may be a secret by now.
  pool.fill(0, used, used + n)
  used += n
  return bytes
}

export const systemRandom: Random = {
  float: () => Math.random(),
  bytes: (n) => (n <= SMALL ? pooled(n) : new Uint8Array(randomBytes(n)))
}

/**
 * A seeded source: the same seed gives the same sequence on every machine.
 * Generator: mulberry32 (Tommy Ettinger's public-domain mixer): 32 bits of state, ample for test schedules.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  return { float, bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(float() * 256)) }
}

/** An integer in [0, below). */
export function randomInt(random: Random, below: number): number {
  return Math.floor(random.float() * below)
}

/** `n` random bytes as lower-case hexadecimal. */
export function randomHex(random: Random, n: number): string {
  return Buffer.from(random.bytes(n)).toString('hex')
}
