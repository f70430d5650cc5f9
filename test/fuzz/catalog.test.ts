import { expect, test } from 'vitest'
import { isSkeinError } from '../../src/base/errors.ts'
import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { decodeCbor, encodeCbor } from '../../src/wire/cbor.ts'
import { decoders } from './catalog-decoders.ts'

const MUTATIONS = 20_000
const SEED = 20_261_121
const ODD = [0, -1, 2 ** 53 - 1, '', 'x'.repeat(200), '\u0000', true, false, [], {}, new Uint8Array(0), new Uint8Array(64)]

/** A value with one random part replaced, removed or doubled; encoded again it is always CBOR. */
function mutateValue(value: unknown, random: Random): unknown {
  const odd = () => ODD[randomInt(random, ODD.length)]
  if (random.float() < 0.15) return odd()
  if (value instanceof Uint8Array) {
    const copy = value.slice()
    if (copy.length > 0) copy[randomInt(random, copy.length)] = randomInt(random, 256)
    return copy
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return [odd()]
    const at = randomInt(random, value.length)
    const dice = random.float()
    if (dice < 0.15) return value.toSpliced(at, 1)
    if (dice < 0.3) return value.toSpliced(at, 0, value[at])
    return value.with(at, mutateValue(value[at], random))
  }
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value)
    const key = keys[randomInt(random, keys.length)]
    if (key === undefined) return odd()
    const { [key]: old, ...rest } = value as Record<string, unknown>
    return random.float() < 0.15 ? rest : { ...rest, [key]: mutateValue(old, random) }
  }
  return typeof value === 'number' ? value + randomInt(random, 3) - 1 : odd()
}

function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice(0, random.float() < 0.2 ? randomInt(random, bytes.length) : bytes.length)
  if (copy.length > 0) copy[randomInt(random, copy.length)] = randomInt(random, 256)
  return copy
}

test(`${MUTATIONS} mutations throw nothing but SkeinError`, { timeout: 60_000 }, () => {
  const random = seededRandom(SEED)
  let first = 0
  let whole = 0
  for (let n = 0; n < MUTATIONS; n++) {
    const { name, vectors, decode } = decoders[n % decoders.length] as (typeof decoders)[number]
    const vector = vectors[randomInt(random, vectors.length)] as Uint8Array
    const parsed = decodeCbor(vector, { max: vector.length, what: 'vector' })
    const bytes = random.float() < 0.65 ? encodeCbor(mutateValue(parsed, random)) : mutateBytes(vector, random)
    try {
      decodeCbor(bytes, { max: 1 << 20, what: 'mutation' })
      first++
    } catch {}
    try {
      decode(bytes)
      whole++
    } catch (error) {
      if (!isSkeinError(error)) throw new Error(`seed ${SEED}, mutation ${n} of ${name}: ${Buffer.from(bytes).toString('hex')}`, { cause: error })
    }
  }
  console.log(`catalog: ${first} of ${MUTATIONS} mutations passed the first decode, ${whole} all of it (seed ${SEED})`)
  expect(first).toBeGreaterThan(MUTATIONS / 2)
  expect(whole).toBeGreaterThan(MUTATIONS / 50)
})
