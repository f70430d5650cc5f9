import { describe, expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts'
import { openEnvelope, sealEnvelope, type Signer } from '../../../src/wire/envelope.ts'
import { createPeerKeys } from '../../../src/wire/swim-peers.ts'
import { createStatementReader } from '../../../src/wire/swim-reader.ts'
import { MAX_STATEMENT_BYTES, openStatement, sealStatement, STATEMENT_DOMAIN, verifyStatement } from '../../../src/wire/swim-statements.ts'
import { MAX_INCARNATION, type AliveStatement, type Sealed, type Statement } from '../../../src/wire/swim-types.ts'
import { a, ALIVE, b, BOOT, c, CREDENTIAL, REFUSED, SCOPE, sealed, STATEMENTS } from '../../support/swim-vectors.ts'
import { testSigner } from '../../support/security-world.ts'

const times = <T>(length: number, item: T): T[] => Array.from({ length }, () => item)
const protocolError = (message: string, data?: unknown) =>
  expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringContaining(message) as string, ...(data === undefined ? {} : { data }) }) as Error
const SUSPECT: Statement = { kind: 'suspect', subject: b.peer, incarnation: BOOT, accuser: a.peer, evidence: 'refused' }

/** Payload of a statement, some keys changed (undefined: left out), signed by anybody. */
function signedAs(signer: Signer, name: string, change: Record<string, unknown>): Uint8Array {
  const { payload } = openEnvelope(STATEMENT_DOMAIN, sealed(name).bytes, { max: MAX_STATEMENT_BYTES })
  const map = decodeCbor(payload, { max: MAX_STATEMENT_BYTES, what: 'the payload' }) as Record<string, unknown>
  return sealEnvelope(STATEMENT_DOMAIN, encodeCbor({ ...map, ...change }), signer)
}

describe('what is sealed', () => {
  test.each(Object.entries(STATEMENTS))('%s opens and verifies', (_name, { seed, statement }) => {
    const made = sealStatement(statement, SCOPE, testSigner(seed))
    expect(made.statement).toEqual(statement)
    expect(openStatement(made.bytes, SCOPE)).toEqual(made)
    expect(verifyStatement(made, SCOPE)).toBe(true)
  })

  test('nobody seals what others would refuse', () => {
    const seal = (change: Partial<AliveStatement>) => () => sealStatement({ ...ALIVE, ...change }, SCOPE, b)
    expect(() => sealStatement(ALIVE, SCOPE, a)).toThrow(protocolError('speaks for itself only', { reason: 'forged' }))
    expect(() => sealStatement(SUSPECT, SCOPE, c)).toThrow(protocolError('speaks for itself only'))
    expect(() => sealStatement({ ...SUSPECT, accuser: b.peer }, SCOPE, b)).toThrow(protocolError('nobody accuses itself'))
    expect(seal({ name: 'x'.repeat(65) })).toThrow(protocolError('statement.name has 65 characters; at most 64'))
    expect(seal({ subject: 'somebody' })).toThrow(protocolError('statement.subject must be the peer id'))
    expect(seal({ boot: BOOT + 2 })).toThrow(protocolError('statement.boot'))
  })

  test('the longest of everything fits', () => {
    const most = { ...ALIVE, name: '\u{1f600}'.repeat(32), version: '\u20ac'.repeat(64), addresses: times(8, `/${'x'.repeat(255)}`) }
    const credential = { ...CREDENTIAL, certificate: new Uint8Array(512), credential: new Uint8Array(8_192) }
    const made = sealStatement({ ...most, credential, incarnation: MAX_INCARNATION }, { federation: '\u20ac'.repeat(64), pool: '\u20ac'.repeat(64) }, b)
    expect(made.bytes.length).toBeGreaterThan(10_000)
  })
})

describe('what is refused', () => {
  test.each(Object.entries(REFUSED))('%s', (_name, { reason, bytes }) => {
    if (reason !== 'signature') return expect(() => openStatement(bytes, SCOPE)).toThrow(protocolError('', { reason }))
    expect(verifyStatement(openStatement(bytes, SCOPE), SCOPE)).toBe(false)
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['alive', { kind: 'alife' }, 'kind must be one of'],
    ['alive', { incarnation: 0 }, 'incarnation must be from 1'],
    ['alive', { incarnation: MAX_INCARNATION + 1 }, 'incarnation must be from 1'],
    ['alive', { incarnation: Number.MAX_SAFE_INTEGER }, 'incarnation must be from 1'],
    ['alive', { boot: 0 }, 'boot must be from 1'],
    ['alive', { boot: BOOT + 2 }, 'above the incarnation'],
    ['alive', { boot: undefined }, 'boot is missing'],
    ['alive', { name: '' }, 'statement.name must have 1 to 64'],
    ['alive', { name: 'x\u001b[2J' }, 'statement.name must have 1 to 64'],
    ['alive', { version: 'x'.repeat(65) }, 'version has 65 characters'],
    ['alive', { addresses: times(9, '/ip4/192.0.2.1/tcp/1') }, 'addresses has 9 items'],
    ['alive', { addresses: [`/${'x'.repeat(256)}`] }, 'addresses[0] has 257 characters'],
    ['alive', { addresses: ['/ip4/192.0.2.1\n'] }, 'addresses[0] must be a multiaddr'],
    ['alive', { credential: { authority: new Uint8Array(31) } }, 'credential.authority must have 32 bytes'],
    ['alive', { credential: { ...CREDENTIAL, credential: new Uint8Array(8_193) } }, 'credential.credential has 8193 bytes'],
    ['alive', { subject: new Uint8Array(31) }, 'subject must have 32 bytes'],
    ['alive', { federation: 'x'.repeat(65) }, 'federation has 65 characters'],
    ['alive', { pool: 'Root' }, 'for the pool "Root"'],
    ['suspect, silence', { evidence: 'dislike' }, 'evidence must be one of'],
    ['suspect, silence', { evidence: undefined }, 'evidence is missing'],
    ['suspect, silence', { accuser: undefined }, 'accuser is missing'],
    ['dead', { accuser: c.publicKey }, 'speaks for itself only']
  ])('%s with %j', (name, change, message) => {
    const signer = testSigner(STATEMENTS[name]?.seed ?? 0)
    expect(() => openStatement(signedAs(signer, name, change), SCOPE)).toThrow(protocolError(message))
  })

  test('keys of later versions are ignored, and stay under the signature', () => {
    const bytes = signedAs(b, 'alive', { region: 'eu', zones: [1, 2] })
    const opened = openStatement(bytes, SCOPE)
    expect(opened.statement).toEqual(ALIVE)
    expect(opened.bytes).toEqual(bytes)
    expect(verifyStatement(opened, SCOPE)).toBe(true)
  })

  test('an envelope that is none, is cut or has more behind it', () => {
    const { bytes } = sealed('leave')
    for (let end = 0; end < bytes.length; end++) expect(() => openStatement(bytes.subarray(0, end), SCOPE)).toThrow(protocolError(''))
    expect(() => openStatement(Uint8Array.of(...bytes, 0), SCOPE)).toThrow(protocolError('not valid CBOR'))
    expect(() => openStatement(encodeCbor([new Uint8Array(0), b.publicKey, new Uint8Array(64), 1]), SCOPE)).toThrow(protocolError('has 4 items'))
    expect(() => openStatement(encodeCbor([new Uint8Array(0), b.publicKey, new Uint8Array(63)]), SCOPE)).toThrow(protocolError('must have 64 bytes'))
    expect(() => openStatement(new Uint8Array(MAX_STATEMENT_BYTES + 1), SCOPE)).toThrow(protocolError('at most'))
  })
})

describe('verifying', () => {
  test('every single bit counts', () => {
    const { statement, bytes } = sealed('suspect, refused')
    for (let bit = 0; bit < bytes.length * 8; bit += 5) {
      const changed = Uint8Array.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(verifyStatement({ statement, bytes: changed }, SCOPE), `bit ${bit}`).toBe(false)
    }
  })

  test('is of the bytes that are passed on, not of what somebody says they are', () => {
    const { bytes } = sealed('leave')
    const other: Sealed = { statement: { kind: 'leave', subject: b.peer, incarnation: BOOT + 3 }, bytes }
    expect(verifyStatement(other, SCOPE)).toBe(false)
    expect(verifyStatement({ statement: { kind: 'leave', subject: b.peer, incarnation: BOOT + 2 }, bytes }, SCOPE)).toBe(true)
    expect(verifyStatement(sealed('leave'), { ...SCOPE, pool: 'eu' })).toBe(false)
  })
})

describe('a statement reader', () => {
  test('gives the same object for the same bytes, in a copy of its own', () => {
    const reader = createStatementReader(SCOPE)
    const { bytes } = sealed('alive')
    const frame = new Uint8Array(64 * 1_024)
    frame.set(bytes, 100)
    const first = reader.open(frame.subarray(100, 100 + bytes.length))
    frame.fill(0)
    expect(first).toEqual(sealed('alive'))
    expect(first.bytes.buffer.byteLength).toBe(bytes.length)
    expect(reader.open(Uint8Array.from(bytes))).toBe(first)
    expect(reader.size).toBe(1)
  })

  test('is not taken in by a copied signature', () => {
    const reader = createStatementReader(SCOPE)
    const good = sealed('leave')
    const bad = Uint8Array.from(signedAs(b, 'leave', { incarnation: BOOT + 9 }))
    bad.set(good.bytes.subarray(-64), bad.length - 64)
    expect(reader.open(good.bytes).statement.incarnation).toBe(BOOT + 2)
    const opened = reader.open(bad)
    expect(opened.statement.incarnation).toBe(BOOT + 9)
    expect(verifyStatement(opened, SCOPE)).toBe(false)
    expect(verifyStatement(reader.open(good.bytes), SCOPE)).toBe(true)
  })

  test('keeps no more than it may, those seen last, and none that cannot be read', () => {
    const reader = createStatementReader(SCOPE, { max: 2, peers: createPeerKeys({ max: 1 }) })
    const [one, two, three] = ['alive', 'leave', 'dead'].map((name) => sealed(name).bytes) as [Uint8Array, Uint8Array, Uint8Array]
    const first = reader.open(one)
    const second = reader.open(two)
    expect(reader.open(one)).toBe(first)
    reader.open(three)
    expect(reader.size).toBe(2)
    expect(reader.open(one)).toBe(first)
    expect(reader.open(two)).not.toBe(second)
    expect(() => reader.open(REFUSED['a says that b leaves']?.bytes as Uint8Array)).toThrow(protocolError(''))
    expect(() => reader.open(new Uint8Array(0))).toThrow(protocolError(''))
    expect(reader.size).toBe(2)
  })
})

test('peer keys: the same as computed, forgotten when there are too many', () => {
  const keys = createPeerKeys({ max: 2 })
  for (let round = 0; round < 2; round++) {
    for (const { peer, publicKey } of [a, b, c]) {
      expect(keys.keyOf(peer)).toEqual(publicKey)
      expect(keys.peerOf(publicKey)).toBe(peer)
    }
  }
  expect(keys.keyOf('12D3KooWnobody')).toBeUndefined()
  const known = keys.keyOf(c.peer)
  expect(keys.keyOf(c.peer)).toBe(known)
  const window = Uint8Array.from(a.publicKey)
  keys.peerOf(window)
  window.fill(0)
  expect(keys.keyOf(a.peer)).toEqual(a.publicKey)
  expect(keys.keyOf(c.peer)).toBe(known)
  keys.keyOf(b.peer)
  expect(keys.keyOf(c.peer)).not.toBe(known)
})
