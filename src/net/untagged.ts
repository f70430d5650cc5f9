import type { PeerStore } from '@libp2p/interface'

/**
 * A peer store that takes no tags. Services mark the peers they like with `keep-alive`, and libp2p then dials these by itself, at
 * once and without admission, at every start and loss; whom to dial is for the mesh and membership to decide.
 */
export function untaggedPeerStore(store: PeerStore): PeerStore {
  const untagged = <T extends { tags?: unknown }>({ tags: _tags, ...data }: T) => data
  return {
    forEach: (...args) => store.forEach(...args),
    all: (...args) => store.all(...args),
    delete: (...args) => store.delete(...args),
    has: (...args) => store.has(...args),
    get: (...args) => store.get(...args),
    getInfo: (...args) => store.getInfo(...args),
    save: (peer, data, options) => store.save(peer, untagged(data), options),
    patch: (peer, data, options) => store.patch(peer, untagged(data), options),
    merge: (peer, data, options) => store.merge(peer, untagged(data), options),
    consumePeerRecord: (...args) => store.consumePeerRecord(...args)
  }
}
