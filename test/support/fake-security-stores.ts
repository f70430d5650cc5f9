import type { FederationState, FederationStore, StoredToken, TokenStore } from '../../src/security/ports.ts'

/** In memory, with the same rules as the real one (test/contract/store/token-store.test.ts runs against both). */
export function createFakeTokenStore(): TokenStore {
  const tokens = new Map<string, { token: StoredToken; peers: Set<string> }>()
  return {
    create(token) {
      tokens.set(token.id, { token, peers: new Set() })
    },
    list: () => [...tokens.values()].map(({ token, peers }) => ({ ...token, used: peers.size })).toSorted((a, b) => b.created - a.created || (a.id < b.id ? -1 : 1)),
    redeem(id, peer) {
      const entry = tokens.get(id)
      if (entry === undefined) return 'unknown'
      if (entry.peers.has(peer)) return 'again'
      if (entry.peers.size >= entry.token.uses) return 'used'
      entry.peers.add(peer)
      return 'admitted'
    }
  }
}

export function createFakeFederationStore(): FederationStore {
  let state: FederationState | undefined
  return {
    load: () => state,
    save(next) {
      state = next
    }
  }
}
