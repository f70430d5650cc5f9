import { describe, expect, test } from 'vitest'
import { innerHeader, openTicket, readRelayHead, relayHeader } from '../../../src/wire/relay.ts'
import { decodeRelayVector, encodeRelayVector, readRelayVectors, RELAY_VECTORS } from '../../support/relay-vectors.ts'
import { testSigner } from '../../support/security-world.ts'

describe('golden tickets and REACH bodies', () => {
  const vectors = readRelayVectors()
  test('none is missing', () => expect(vectors).toEqual(RELAY_VECTORS.map((each) => ({ ...each, hex: expect.any(String) }))))
  test.each(vectors)('$kind: $name', (vector) => {
    const bytes = new Uint8Array(Buffer.from(vector.hex, 'hex'))
    expect(decodeRelayVector(vector.kind, bytes)).toEqual(vector.value)
    expect(Buffer.from(encodeRelayVector(vector)).toString('hex')).toBe(vector.hex)
    if (vector.kind === 'ticket') expect(openTicket(bytes).origin).toBe(testSigner(vector.origin).peer)
  })
})

describe('the head of a relayed OPEN', () => {
  const head = { path: ['a', 'b'], target: 'c', method: 32, ticket: new Uint8Array(10) }
  test('is read as it was written, beside what the inner request says', () => {
    const header = relayHeader({ attributes: new Map([[3, Uint8Array.of(1)]]) }, head, 4)
    expect(header.hops).toBe(4)
    expect(readRelayHead(header)).toEqual(head)
    expect(header.attributes?.get(3)).toEqual(Uint8Array.of(1))
  })
  test('has the credential of the origin where there is one', () => {
    const own = { ...head, origin: new Uint8Array(700) }
    expect(readRelayHead(relayHeader(undefined, own, 4))).toEqual(own)
    expect(innerHeader(relayHeader(undefined, own, 4)).attributes?.size).toBe(1)
  })
  test.each([[1], [240], [241], [242]])('without tag %i it is none', (tag) => {
    const attributes = new Map(relayHeader(undefined, head, 4).attributes)
    attributes.delete(tag)
    expect(() => readRelayHead({ attributes })).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
  })
  test('a path, a target, a method, a ticket or a credential that is too long is refused', () => {
    for (const [tag, size] of [[1, 319], [240, 53], [241, 3], [242, 5_000], [243, 4_097]] as const) {
      const attributes = new Map(relayHeader(undefined, head, 4).attributes).set(tag, new Uint8Array(size).fill(97))
      expect(() => readRelayHead({ attributes }), String(tag)).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
    }
  })
})
