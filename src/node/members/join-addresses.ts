import { isRelayed, relayOf } from '../../net/addresses.ts'

/**
 * Multiaddrs with peer ids through which a stranger joins. Relays carry members only, but each is a member and passes a join on to the
 * issuer, so that its own address stands for those through it; first, because a node with relays can seldom be dialled itself.
 * @param addresses what this node tells others, without its id
 */
export function joinAddresses(addresses: readonly string[], self: string): string[] {
  const relays = addresses.flatMap((address) => relayOf(address)?.address ?? [])
  const own = addresses.filter((address) => !isRelayed(address)).map((address) => `${address}/p2p/${self}`)
  return [...new Set([...relays, ...own])]
}
