import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { SkeinError } from '../base/errors.ts'

/** Splits `/…/p2p/<id>` into the dialable part and the peer id, which may be missing. Throws SKEIN_CONFIG on bad text. */
export function parseAddress(text: string): { address: Multiaddr; peer: string | undefined } {
  let parsed: Multiaddr
  try {
    parsed = multiaddr(text)
  } catch (cause) {
    throw new SkeinError('SKEIN_CONFIG', `"${text}" is not a multiaddr: write it like /ip4/192.0.2.1/tcp/4001`, { cause })
  }
  const peer = parsed.getComponents().findLast((component) => component.name === 'p2p')?.value
  return { address: parsed, peer }
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
