import type { Clock } from '../../base/clock.ts'
import type { Lifecycle } from '../../base/lifecycle.ts'
import type { Logger } from '../../base/logger.ts'
import type { Config } from '../../config/types.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { Member } from '../../membership/types.ts'
import { addressesFor } from '../../net/addresses.ts'
import type { FoundProvider, ProvidedName } from '../../net/dht/dht.ts'
import type { ProvidedKind } from '../../net/dht/keys.ts'
import { dhtSource } from '../../net/discovery/dht-source.ts'
import { createMdns } from '../../net/discovery/mdns.ts'
import type { DiscoverySource } from '../../net/discovery/ports.ts'
import type { Host, HostOptions } from '../../net/host.ts'
import { createDhtDatastore } from '../../store/dht-datastore.ts'

/** How the host finds ways to members that it cannot dial. @param member undefined for peers that are no members */
export function pathOptions(network: Config['network'], member: (peer: string) => Member | undefined): Pick<HostOptions, 'relay' | 'dht' | 'memberAddresses'> {
  return {
    // Told addresses are the operator's word: they need no relay.
    relay: { serve: network.relay.serve, use: network.announce.length > 0 && network.relay.use === 'auto' ? 'off' : network.relay.use },
    ...(network.dht ? { dht: { datastore: createDhtDatastore() } } : {}),
    memberAddresses(peer) {
      const known = member(peer)
      return known === undefined ? [] : addressesFor(peer, known.addresses)
    }
  }
}

/**
 * Who says that it offers a server, or a tool by its digest: from the DHT, as they are found. Hints only: dial, admit, and see what it
 * answers itself. Without a DHT there are none. Throws the reason of `signal`.
 */
export type FindProviders = (kind: ProvidedKind, name: string, options: { signal: AbortSignal }) => AsyncIterable<FoundProvider>

export interface WideDiscovery {
  /** For the mesh, beside those it has. */
  sources: DiscoverySource[]
  /** What this node offers has changed, perhaps. */
  offer(): void
  findProviders: FindProviders
}

/** Finding nodes and providers beyond lists: the DHT, and multicast in the local network where it is wanted. */
export async function startWideDiscovery(
  deps: { host: Host; catalog: Pick<CatalogDriver, 'record'>; clock: Clock; logger: Logger; lifecycle: Lifecycle },
  options: { self: string; federation: string; network: Config['network'] }
): Promise<WideDiscovery> {
  const { host, catalog, clock, logger } = deps
  const { self, federation, network } = options
  const sources: DiscoverySource[] = host.dht === undefined ? [] : [dhtSource(host.dht)]
  if (network.mdns) {
    const mdns = createMdns({ clock, logger, self, addresses: () => host.addresses() }, { federation })
    await deps.lifecycle.start({ name: 'mdns', start: () => mdns.start(), stop: () => mdns.stop() })
    sources.push(mdns)
  }
  return {
    sources,
    offer: () => host.dht?.publish(federation, namesOf(catalog.record(self))),
    async *findProviders(kind, name, { signal }) {
      if (host.dht !== undefined) yield* host.dht.findProviders(federation, kind, name, { signal })
    }
  }
}

/** Servers first: when there are too many names, the tools of the last ones are left out. */
function namesOf(record: ReturnType<CatalogDriver['record']>): ProvidedName[] {
  const servers = record?.servers ?? []
  return [
    ...servers.map(({ name }): ProvidedName => ({ kind: 'server', name })),
    ...new Map(servers.flatMap(({ tools }) => tools.map(({ digest }): [string, ProvidedName] => [digest, { kind: 'tool', name: digest }]))).values()
  ]
}
