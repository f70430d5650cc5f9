import { randomInt, type Random } from '../../src/base/random.ts'

const ODD_JSON = [0, -1, 2 ** 53 - 1, '', 'x'.repeat(200), '\u0000', '\u001b', true, false, [], {}]
const ODD_CBOR = [...ODD_JSON, new Uint8Array(0), new Uint8Array(64)]

function pick<T>(random: Random, from: readonly T[]): T {
  return from[randomInt(random, from.length)] as T
}

/** A value with one random part replaced, removed or doubled; encoded again it is always well-formed. */
export function mutateValue(value: unknown, random: Random, odd: readonly unknown[] = ODD_CBOR): unknown {
  if (random.float() < 0.05) return pick(random, odd)
  if (value instanceof Uint8Array) {
    if (random.float() < 0.2) return value.subarray(1)
    // Not slice(): a Buffer's shares the bytes, and the golden ones would be damaged for all that follow.
    const copy = Uint8Array.from(value)
    if (copy.length > 0) copy[randomInt(random, copy.length)] = randomInt(random, 256)
    return copy
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return [pick(random, odd)]
    const at = randomInt(random, value.length)
    const dice = random.float()
    if (dice < 0.1) return value.toSpliced(at, 1)
    if (dice < 0.2) return value.toSpliced(at, 0, value[at])
    return value.with(at, mutateValue(value[at], random, odd))
  }
  if (typeof value === 'object' && value !== null) {
    const key = pick(random, Object.keys(value))
    if (key === undefined) return pick(random, odd)
    const { [key]: old, ...rest } = value as Record<string, unknown>
    return random.float() < 0.1 ? rest : { ...rest, [key]: mutateValue(old, random, odd) }
  }
  if (typeof value === 'number') return pick(random, [value + 1, value - 1, -value - 1, 0, Number.MAX_SAFE_INTEGER])
  if (typeof value === 'string') return pick(random, [value.slice(1), `${value}\u001b`, `${value}x`, value.repeat(200), '', value.toUpperCase()])
  return typeof value === 'boolean' && random.float() < 0.5 ? !value : pick(random, odd)
}

/** The same for values that can be JSON. */
export const mutateJson = (value: unknown, random: Random): unknown => mutateValue(value, random, ODD_JSON)

/** Raw damage: bits flipped, bytes replaced, now and then cut. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(bytes.subarray(0, random.float() < 0.15 ? randomInt(random, bytes.length) : bytes.length))
  for (let changes = 1 + randomInt(random, 3); changes > 0 && copy.length > 0; changes--) {
    const at = randomInt(random, copy.length)
    copy[at] = random.float() < 0.5 ? randomInt(random, 256) : (copy[at] as number) ^ (1 << randomInt(random, 8))
  }
  return copy
}
