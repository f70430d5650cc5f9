import type { Config } from '../../config/types.ts'
import type { MeshOptions } from '../../net/discovery/mesh.ts'
import type { DiscoverySource } from '../../net/discovery/ports.ts'
import { fileSource, listSource } from '../../net/discovery/sources.ts'
import type { Store } from '../../store/store.ts'

/** Where peers come from: the configured bootstrap methods in their order, and side by side with them everything remembered. */
export function meshOptions(network: Config['network'], store: Store, tokenAddresses: readonly string[]): MeshOptions {
  const { meshSize, maxPeers, discoveryTimeout, refreshInterval, staleAfter, dialTimeout, bootstrapRetries, bootstrapTimeout } = network
  const methods: Record<Config['network']['bootstrapMethods'][number], DiscoverySource | undefined> = {
    ipfs_nodes: network.bootstrap.length > 0 ? listSource('ipfs_nodes', () => network.bootstrap) : undefined,
    file_based: network.bootstrapFile === undefined ? undefined : fileSource(network.bootstrapFile),
    environment: network.bootstrapEnvironment.length > 0 ? listSource('environment', () => network.bootstrapEnvironment) : undefined
  }
  const known = listSource('known_peers', () => store.peers.list().flatMap(({ peer, addresses }) => addresses.map((address) => `${address}/p2p/${peer}`)))
  const bootstrap = network.bootstrapMethods.map((method) => methods[method]).filter((source) => source !== undefined)
  const token = tokenAddresses.length > 0 ? [listSource('token', () => tokenAddresses)] : []
  return {
    meshSize, maxPeers, discoveryTimeout, refreshInterval, staleAfter, dialTimeout, bootstrapRetries, bootstrapTimeout,
    bootstrap,
    // Bootstrap sources are read again later too: a list of seeds is worth a look when half the federation has moved.
    sources: [...token, known, ...bootstrap]
  }
}
