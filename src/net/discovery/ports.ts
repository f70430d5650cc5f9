/** A place to try: a multiaddr, with the peer id if it is known. */
export interface Candidate {
  address: string
  peer: string | undefined
}

/** One way of finding peers. Sources run side by side; one that fails or hangs does not hold up the others. */
export interface DiscoverySource {
  readonly name: 'ipfs_nodes' | 'file_based' | 'environment' | 'token' | 'known_peers' | 'dht' | 'mdns'
  find(options: { signal: AbortSignal }): Promise<Candidate[]>
  /** Sources that hear of peers by themselves tell at once; without it they are only asked. */
  onFound?(listener: (candidates: Candidate[]) => void): void
}
