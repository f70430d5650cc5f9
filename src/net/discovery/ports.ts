/** A place to try: a multiaddr, with the peer id if it is known. */
export interface Candidate {
  address: string
  peer: string | undefined
}

/** One way of finding peers. Sources run side by side; one that fails or hangs does not hold up the others. */
export interface DiscoverySource {
  readonly name: 'ipfs_nodes' | 'file_based' | 'environment' | 'token' | 'known_peers'
  find(options: { signal: AbortSignal }): Promise<Candidate[]>
}
