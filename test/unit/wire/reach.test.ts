import { describe, expect, test } from 'vitest'
import { encodeCbor } from '../../../src/wire/cbor.ts'
import {
  MAX_REACH_ADDRESS, MAX_REACH_ADDRESSES, MAX_REACH_MESSAGE, decodeReachAnswer, decodeReachRequest, encodeReachAnswer, encodeReachRequest
} from '../../../src/wire/reach.ts'

const ADDRESS = '/ip4/192.0.2.1/tcp/4001'
const failing = (code: string, text: string) => expect.objectContaining({ code, message: expect.stringContaining(text) })
const thrownBy = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('messages of /skein/reach/1.0.0', () => {
  test('come back as they were', () => {
    expect(decodeReachRequest(encodeReachRequest({ addresses: [ADDRESS, '/ip6/2001:db8::1/tcp/1'] }))).toEqual({ addresses: [ADDRESS, '/ip6/2001:db8::1/tcp/1'] })
    for (const verdict of ['reached', 'unreached', 'busy'] as const) expect(decodeReachAnswer(encodeReachAnswer({ verdict, seen: ADDRESS }))).toEqual({ verdict, seen: ADDRESS })
  })

  test('what is too much is left out by the sender', () => {
    const many = Array.from({ length: 20 }, (_, index) => `${ADDRESS}/${index}`)
    expect(decodeReachRequest(encodeReachRequest({ addresses: [`/${'x'.repeat(MAX_REACH_ADDRESS)}`, ...many] })).addresses).toEqual(many.slice(0, MAX_REACH_ADDRESSES))
  })

  test.each([
    ['too many addresses', () => decodeReachRequest(encodeCbor({ addresses: Array.from({ length: 9 }, () => ADDRESS) })), 'addresses'],
    ['an address too long', () => decodeReachRequest(encodeCbor({ addresses: ['x'.repeat(257)] })), 'addresses'],
    ['no addresses', () => decodeReachRequest(encodeCbor({})), 'addresses'],
    ['an unknown verdict', () => decodeReachAnswer(encodeCbor({ verdict: 'perhaps', seen: '' })), 'verdict'],
    ['more bytes than any message', () => decodeReachAnswer(new Uint8Array(MAX_REACH_MESSAGE + 1)), 'the reach answer']
  ])('%s: refused, and the error names the place', (_, work, place) => {
    expect(thrownBy(work)).toEqual(failing('SKEIN_PROTOCOL', place))
  })
})
