const WITH_PORT = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]{1,253})\/tcp\/\d{1,5}(?:\/|$)/
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * The host of a multiaddr with a TCP port, in one spelling (an IPv4 address inside an IPv6 one as IPv4, as sockets that listen
 * on both show it), or undefined for any other text and for addresses through a relay: there the host is the relay's.
 */
export function hostOf(address: string): string | undefined {
  const [, kind, host] = WITH_PORT.exec(address) ?? []
  if (kind === undefined || host === undefined || address.includes('/p2p-circuit')) return undefined
  if (kind !== 'ip6') return host.toLowerCase()
  return MAPPED.exec(host)?.[1] ?? canonicalIp6(host)
}

/** The address without the peer's own id at its end. */
export function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '')
}

function canonicalIp6(host: string): string | undefined {
  const url = `http://[${host}]/`
  return URL.canParse(url) ? new URL(url).hostname : undefined
}
