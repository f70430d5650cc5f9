import { describe, expect, test } from 'vitest'
import { addressesFor } from '../../../src/net/addresses.ts'

const SELF = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const OTHER = '12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK'

describe('addresses that a peer publishes', () => {
  test('only those that lead to itself are kept: one bad text must not spoil a dial or the list of known peers', () => {
    const bare = '/ip4/192.0.2.1/tcp/4001'
    expect(addressesFor(SELF, [bare, `${bare}/p2p/${SELF}`, `${bare}/p2p/${OTHER}`, '/nonsense', '/ip4/999.0.0.1/tcp/1'])).toEqual([bare, `${bare}/p2p/${SELF}`])
  })
})
