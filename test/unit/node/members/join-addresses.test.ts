import { expect, test } from 'vitest'
import { joinAddresses } from '../../../../src/node/members/join-addresses.ts'

const SELF = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const RELAY = '12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK'
const relay = `/ip4/192.0.2.1/tcp/4001/p2p/${RELAY}`

test('a stranger is told the relay itself, for relays carry members only, and the own addresses', () => {
  expect(joinAddresses(['/ip4/10.0.0.1/tcp/4001', `${relay}/p2p-circuit`, `${relay}/p2p-circuit`], SELF)).toEqual([relay, `/ip4/10.0.0.1/tcp/4001/p2p/${SELF}`])
  expect(joinAddresses(['/ip4/192.0.2.7/tcp/1', '/ip6/2001:db8::1/tcp/1'], SELF)).toEqual([`/ip4/192.0.2.7/tcp/1/p2p/${SELF}`, `/ip6/2001:db8::1/tcp/1/p2p/${SELF}`])
})
