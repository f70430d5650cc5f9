import { isIP } from 'node:net'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { SkeinError } from '../base/errors.ts'

/**
 * A multiaddr and the id of the peer that is there, which may be missing; of a relayed address that is the one behind the relay.
 * Throws SKEIN_CONFIG on bad text.
 */
export function parseAddress(text: string): { address: Multiaddr; peer: string | undefined } {
  let parsed: Multiaddr
  try {
    parsed = multiaddr(text)
  } catch (cause) {
    throw new SkeinError('SKEIN_CONFIG', `"${text}" is not a multiaddr: write it like /ip4/192.0.2.1/tcp/4001`, { cause })
  }
  const components = parsed.getComponents()
  const behind = components.slice(components.findLastIndex((component) => component.name === 'p2p-circuit') + 1)
  return { address: parsed, peer: behind.findLast((component) => component.name === 'p2p')?.value }
}

/** Whether it leads through a circuit relay. */
export function isRelayed(address: string): boolean {
  return /\/p2p-circuit(\/|$)/.test(address)
}

/** libp2p asks for the relay's id in the address, which one that was dialled by its relay does not have. */
export function isDirect(connection: { remoteAddr: Multiaddr }): boolean {
  return !isRelayed(connection.remoteAddr.toString())
}

/** The relay of a relayed address: its peer id and its own address; undefined for another address, and when the relay has no id. */
export function relayOf(address: string): { peer: string; address: string } | undefined {
  const [, before = '', peer = ''] = /^(.+\/p2p\/([^/]+))\/p2p-circuit(?:\/|$)/.exec(address) ?? []
  return peer === '' ? undefined : { peer, address: before }
}

/** Those of other members at most (wire/swim-statements.ts), and of them at most so many through relays: two for each of two relays. */
const MAX_TOLD = 8
const MAX_TOLD_RELAYED = 4

/** What this node tells others: its own addresses, and room left for those through relays. */
export function toldAddresses(own: readonly string[], relayed: readonly string[]): string[] {
  const through = reachableAddresses(relayed).slice(0, MAX_TOLD_RELAYED)
  return [...reachableAddresses(own).slice(0, MAX_TOLD - through.length), ...through]
}

const PRIVATE4 = /^(10\.|172\.(1[6-9]|2\d|3[01])\.|192\.168\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/

/**
 * Whether the whole Internet could mean the same machine by it: RFC 1918, 6598, 3927, loopback, multicast and reserved addresses are not
 * such, and of IPv6 only 2000::/3 is.
 */
export function isPublicHost(host: string): boolean {
  if (host.includes(':')) return /^[23][0-9a-f]{3}:/i.test(host)
  return !PRIVATE4.test(host) && !/^(0|127|22[4-9]|2[3-5]\d)\./.test(host)
}

/** The host of the first hop of a multiaddr, an IPv4 address inside an IPv6 one as IPv4; undefined if it begins otherwise. */
export function hostOfAddress(address: string): string | undefined {
  const host = /^\/(?:ip4|ip6)\/([^/]+)/.exec(address)?.[1]
  return host?.replace(/^::ffff:(?=\d+\.)/i, '')
}

/** The host of an address that another node tells, if it is a public IP address; undefined for any other text. */
export function publicHostOf(address: string): string | undefined {
  const host = hostOfAddress(address)
  return host !== undefined && !isRelayed(address) && isIP(host) !== 0 && isPublicHost(host) ? host : undefined
}

/**
 * Which network a host belongs to, roughly: members of one can often reach each other where others cannot. Public hosts are one
 * network, private ones are told apart by their first two bytes (IPv6: three groups).
 */
export function networkOf(host: string): string {
  if (isPublicHost(host)) return 'public'
  if (/^127\.|^::1$/.test(host)) return 'loopback'
  return host.includes(':') ? host.split(':').slice(0, 3).join(':') : host.split('.').slice(0, 2).join('.')
}

/** Those of another node's addresses that can be dialled as that node's: it may publish any text. */
export function addressesFor(peer: string, addresses: readonly string[]): string[] {
  return addresses.filter((text) => {
    try {
      return (parseAddress(text).peer ?? peer) === peer
    } catch {
      return false
    }
  })
}

const isLoopback = (text: string) => /^\/ip4\/127\.|^\/ip6\/::1\//.test(text)
/** Link-local addresses need a zone that only this machine knows. */
const isLinkLocal = (text: string) => /^\/ip6\/fe80:|^\/ip4\/169\.254\./i.test(text)

/**
 * The addresses to give to others, without the /p2p part: loopback only when there is nothing else, for on any other
 * machine it would reach the wrong node.
 */
export function reachableAddresses(addresses: readonly string[]): string[] {
  const bare = [...new Set(addresses.map((address) => address.replace(/\/p2p\/[^/]+$/, '')))].filter((address) => !isLinkLocal(address))
  const others = bare.filter((address) => !isLoopback(address))
  return others.length > 0 ? others : bare
}
