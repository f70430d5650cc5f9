import type { Answer, CallOptions, ClientExchange, OpenOptions } from '../types.ts'

/** How calls get to a member now. The same object until the way changes; `rtt` is always that of now. */
export interface ReachPath {
  readonly kind: 'direct' | 'relayed'
  /** The relays in order; none on the direct way. */
  readonly via: readonly string[]
  /** Round trip of the whole way, ms, once measured. */
  readonly rtt?: number | undefined
  /** Nothing comes over it although requests wait, and no other way is known: rather ask another peer. */
  readonly stalled?: boolean
}

/** A way to a node of another pool, as a hub knows it. */
export interface SuggestedWay {
  /** The relays in order; none: there should be a session. */
  via: readonly string[]
  /** Round trip of the whole way, ms. */
  rtt?: number | undefined
}

/** Calls to members over whatever way leads there: their session, or relays. */
export interface Reach {
  /** As of Rpc; over the way of now. */
  open(peer: string, method: number, body: Uint8Array, options: OpenOptions): ClientExchange
  call(peer: string, method: number, body: Uint8Array, options: CallOptions): Promise<Answer>
  /** Undefined: nothing leads there now. Asked for every choice of a provider. */
  path(peer: string): ReachPath | undefined
  /**
   * For a request that provably did not get there over `used`: true as soon as another way is known. Waits only while one is looked
   * for because a relay failed, or a hub is asked for a way to a node of another pool, at most `within` ms.
   */
  other(peer: string, used: ReachPath | undefined, within: number): Promise<boolean>
  /** The path of this peer changed, came, or went. Returns the way to stop listening. */
  onChange(listener: (peer: string) => void): () => void
  /**
   * The member, or whoever has a session with this node, can be called, or no longer: once for each change. While a failed relay is replaced it still counts as up; a peer whose
   * session closed does not.
   */
  onLive(listener: (peer: string, up: boolean) => void): () => void
  /** Those that count as up now. */
  live(): string[]
  /**
   * A way to a node that shares no pool with this one: taken while there is no session, and forgotten when it fails or is not used for a
   * minute. Nothing happens when its first relay cannot be reached.
   */
  suggest(peer: string, way: SuggestedWay): void
  /** Alive or suspect in one of this node's pools: ways to it are looked for. */
  memberUp(peer: string): void
  /** Left or dead in all of them: only a session of its own still leads there, or a way that somebody suggests. */
  memberDown(peer: string): void
  stop(): void
}
