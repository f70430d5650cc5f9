import { describe, expect, test } from 'vitest'
import { addressesFor, hostOfAddress, isPublicHost, isRelayed, networkOf, parseAddress, publicHostOf, relayOf, toldAddresses } from '../../../src/net/addresses.ts'

const SELF = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const OTHER = '12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK'

describe('addresses that a peer publishes', () => {
  test('only those that lead to itself are kept: one bad text must not spoil a dial or the list of known peers', () => {
    const bare = '/ip4/192.0.2.1/tcp/4001'
    expect(addressesFor(SELF, [bare, `${bare}/p2p/${SELF}`, `${bare}/p2p/${OTHER}`, '/nonsense', '/ip4/999.0.0.1/tcp/1'])).toEqual([bare, `${bare}/p2p/${SELF}`])
  })
})

describe('relayed addresses', () => {
  const relay = `/ip4/192.0.2.1/tcp/4001/p2p/${OTHER}`

  test('are those of the peer behind the relay, not of the relay', () => {
    expect(parseAddress(`${relay}/p2p-circuit/p2p/${SELF}`).peer).toBe(SELF)
    expect(parseAddress(`${relay}/p2p-circuit`).peer).toBeUndefined()
    expect(addressesFor(SELF, [`${relay}/p2p-circuit`, `${relay}/p2p-circuit/p2p/${OTHER}`])).toEqual([`${relay}/p2p-circuit`])
  })

  test('name their relay', () => {
    expect(relayOf(`${relay}/p2p-circuit/p2p/${SELF}`)).toEqual({ peer: OTHER, address: relay })
    expect(relayOf(`${relay}/p2p-circuit`)).toEqual({ peer: OTHER, address: relay })
    expect(relayOf('/ip4/192.0.2.1/tcp/4001/p2p-circuit')).toBeUndefined()
    expect(relayOf(relay)).toBeUndefined()
    expect([isRelayed(relay), isRelayed(`${relay}/p2p-circuit`)]).toEqual([false, true])
  })

  test('what is told leaves room for them, and is never more than a statement takes', () => {
    const own = Array.from({ length: 9 }, (_, index) => `/ip4/10.0.0.${index}/tcp/1`)
    const through = Array.from({ length: 6 }, (_, index) => `/ip4/192.0.2.${index}/tcp/1/p2p/${OTHER}/p2p-circuit`)
    expect(toldAddresses(own, [])).toHaveLength(8)
    const told = toldAddresses(own, through)
    expect(told).toHaveLength(8)
    expect(told.filter(isRelayed)).toEqual(through.slice(0, 4))
    expect(toldAddresses(['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1'], [])).toEqual(['/ip4/10.0.0.1/tcp/1'])
  })
})

test.each([
  ['10.1.2.3', false, '10.1'], ['172.16.0.1', false, '172.16'], ['172.32.0.1', true, 'public'], ['192.168.7.1', false, '192.168'], ['100.64.0.1', false, '100.64'],
  ['127.0.0.1', false, 'loopback'], ['::1', false, 'loopback'], ['8.8.8.8', true, 'public'], ['2001:db8::1', true, 'public'], ['fd00:1:2::1', false, 'fd00:1:2'], ['fe80::1', false, 'fe80::1'],
  ['224.0.0.1', false, '224.0'], ['255.255.255.255', false, '255.255'], ['223.1.1.1', true, 'public'], ['::ffff:a00:1', false, '::ffff']
])('%s: public %s, network %s', (host, isPublic, network) => {
  expect([isPublicHost(host), networkOf(host)]).toEqual([isPublic, network])
})

test('the host of an address, an IPv4 one inside IPv6 as such', () => {
  expect(hostOfAddress('/ip4/10.0.0.1/tcp/1')).toBe('10.0.0.1')
  expect(hostOfAddress('/ip6/::ffff:10.0.0.1/tcp/1')).toBe('10.0.0.1')
  expect(hostOfAddress('/dns4/example.org/tcp/1')).toBeUndefined()
})

test('where a member says that it sees this node, only a public IP address counts', () => {
  expect(publicHostOf('/ip4/8.8.8.8/tcp/1')).toBe('8.8.8.8')
  expect(publicHostOf('/ip6/::ffff:8.8.8.8/tcp/1')).toBe('8.8.8.8')
  expect(publicHostOf('/ip6/2606:4700::1/tcp/1')).toBe('2606:4700::1')
  for (const text of ['/ip4/8.8.8.8.evil.example/tcp/1', '/ip4/evil.example/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip6/fd00::1/tcp/1', '/ip4/8.8.8.8/tcp/1/p2p-circuit', '/dns4/8.8.8.8/tcp/1', '']) {
    expect(publicHostOf(text), text).toBeUndefined()
  }
})
