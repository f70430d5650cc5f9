import { expect, test } from 'vitest'
import { isSkeinError } from '../../src/base/errors.ts'
import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { CREDENTIAL_DOMAIN, ISSUER_DOMAIN, TOKEN_DOMAIN } from '../../src/wire/admission-documents.ts'
import { decodeCbor, encodeCbor } from '../../src/wire/cbor.ts'
import { openEnvelope, sealEnvelope } from '../../src/wire/envelope.ts'
import { testSigner } from '../support/security-world.ts'
import { decoders } from './admission-decoders.ts'

const SEED = 0x5ce1
const MUTATIONS = 20_000
const DOMAINS: Record<string, string> = { 'issuer certificate': ISSUER_DOMAIN, credential: CREDENTIAL_DOMAIN, token: TOKEN_DOMAIN }
const max = 1 << 20

/** Another value in place of one somewhere inside; the result is valid CBOR again. */
function mutateValue(value: unknown, random: Random): unknown {
  if (typeof value === 'string') return [value.slice(1), `${value}\u001b`, value.repeat(200), '', value.toUpperCase()][randomInt(random, 5)]
  if (typeof value === 'number') return [value + 1, -value - 1, 0, Number.MAX_SAFE_INTEGER][randomInt(random, 4)]
  if (typeof value === 'boolean') return !value
  if (value instanceof Uint8Array) {
    const bytes = Uint8Array.from(value)
    if (random.float() < 0.2) return bytes.subarray(1)
    const at = randomInt(random, bytes.length)
    if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << randomInt(random, 8))
    return bytes
  }
  if (Array.isArray(value)) {
    if (value.length === 0 || random.float() < 0.1) return [...value, ...value, 1]
    const at = randomInt(random, value.length)
    return value.map((item, index) => (index === at ? mutateValue(item, random) : item))
  }
  const entries = Object.entries(value as object)
  if (entries.length === 0) return [value]
  const at = randomInt(random, entries.length)
  if (random.float() < 0.05) entries.splice(at, 1)
  else entries[at] = [(entries[at] as [string, unknown])[0], random.float() < 0.1 ? [] : mutateValue((entries[at] as [string, unknown])[1], random)]
  return Object.fromEntries(entries)
}

function flipBits(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(bytes)
  for (let count = 1 + randomInt(random, 3); count > 0; count--) {
    const at = randomInt(random, copy.length)
    copy[at] = (copy[at] as number) ^ (1 << randomInt(random, 8))
  }
  return random.float() < 0.1 ? copy.subarray(0, randomInt(random, copy.length)) : copy
}

/** Three ways: raw bits; a value re-encoded; for documents also a payload changed and signed again, so that the signature is good. */
function mutate(name: string, vector: Uint8Array, random: Random): Uint8Array {
  if (random.float() < 0.3) return flipBits(vector, random)
  const domain = DOMAINS[name]
  if (domain === undefined || random.float() < 0.3) return encodeCbor(mutateValue(decodeCbor(vector, { max, what: 'vector' }), random))
  const { payload } = openEnvelope(domain, vector, { max })
  return sealEnvelope(domain, encodeCbor(mutateValue(decodeCbor(payload, { max, what: 'payload' }), random)), testSigner(1))
}

function isCbor(bytes: Uint8Array): boolean {
  try {
    decodeCbor(bytes, { max, what: 'x' })
    return true
  } catch {
    return false
  }
}

test(`${MUTATIONS} damaged admission inputs: refused as ours or read, never a crash`, { timeout: 60_000 }, () => {
  const random = seededRandom(SEED)
  let [decoded, accepted] = [0, 0]
  for (let index = 0; index < MUTATIONS; index++) {
    const { name, vectors, decode } = decoders[index % decoders.length] as (typeof decoders)[number]
    const input = mutate(name, vectors[randomInt(random, vectors.length)] as Uint8Array, random)
    if (isCbor(input)) decoded++
    try {
      decode(input)
      accepted++
    } catch (error) {
      if (!isSkeinError(error)) throw new Error(`seed ${SEED}, mutation ${index}, ${name}: ${Buffer.from(input).toString('hex')}`, { cause: error })
    }
  }
  console.log(`admission fuzz: ${MUTATIONS} mutations, ${decoded} passed the first decode, ${accepted} were accepted whole`)
  expect(decoded).toBeGreaterThan(MUTATIONS / 2)
  expect(accepted).toBeGreaterThan(0)
  expect(accepted).toBeLessThan(decoded)
})

test('undamaged inputs are read', () => {
  for (const { name, vectors, decode } of decoders) {
    // A request's credential is checked against another federation there, on purpose.
    if (name !== 'admission request') for (const vector of vectors) expect(() => decode(vector)).not.toThrow()
  }
})
