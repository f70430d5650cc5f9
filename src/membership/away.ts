import type { Clock } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { encodeSwimFrame } from '../wire/swim.ts'
import type { PeerKeys } from '../wire/swim-peers.ts'
import type { MemberNetwork, StatementSeal } from './ports.ts'

/** A node that has just started may yet enter the pool that others remember it in: so long it does not say that it is no member there, ms. */
export const AWAY_AFTER = 10_000
/** One peer is told so this often at most, ms: who pings somebody that is gone does it each second. */
const AWAY_EVERY = 1_000
/** Peers told, and pools left, that are remembered; the oldest is forgotten. A node is in three pools at most and changes them rarely. */
const MAX_TOLD = 256
const MAX_POOLS_LEFT = 64

export interface AwayDeps {
  clock: Clock
  logger: Logger
  seal(pool: string): StatementSeal
  network: Pick<MemberNetwork, 'send'>
  peers: PeerKeys
}

/**
 * Others may count on this node in a pool that it is not in, as after a restart in another one: they hear that it has left, or they would dial it for a
 * day. Whoever counts on it names it in what it sends; who only meets it does not.
 */
export interface Away {
  /** @param boot of this life */
  started(boot: number): void
  /** This node has left a pool, with this incarnation. */
  left(pool: string, incarnation: number): void
  /** The incarnation with which it left this pool: who enters again has to be louder. */
  lastWord(pool: string): number | undefined
  /** A message for a pool that this node is not in. Never throws. */
  heard(peer: string, pool: string, message: Uint8Array): void
}

export function createAway({ clock, logger, seal, network, peers }: AwayDeps, { self, federation }: { self: string; federation: string }): Away {
  const ownKey = Buffer.from(peers.keyOf(self) ?? [])
  const lastWords = new Map<string, number>()
  const toldAt = new Map<string, number>()
  let life: { boot: number; startedAt: number } | undefined

  function isNamed(message: Uint8Array): boolean {
    return ownKey.length > 0 && Buffer.from(message.buffer, message.byteOffset, message.byteLength).includes(ownKey)
  }

  function tell(peer: string, pool: string, boot: number): void {
    try {
      // Below the first word of this life in that pool, should there be one yet.
      const sealed = seal(pool).seal({ kind: 'leave', subject: self, incarnation: lastWords.get(pool) ?? boot - 1 })
      network.send(peer, encodeSwimFrame({ federation, pool }, { kind: 'gossip', updates: [sealed] }, { peers }))
    } catch (error) {
      logger.debug('a peer could not be told that this node is not in a pool', { peer, pool, error: errorMessage(error) })
    }
  }

  return {
    started(boot) {
      life = { boot, startedAt: clock.now() }
    },
    left(pool, incarnation) {
      lastWords.delete(pool)
      lastWords.set(pool, incarnation)
      if (lastWords.size > MAX_POOLS_LEFT) lastWords.delete(lastWords.keys().next().value as string)
    },
    lastWord: (pool) => lastWords.get(pool),
    heard(peer, pool, message) {
      const now = clock.now()
      if (life === undefined || now < life.startedAt + AWAY_AFTER || now < (toldAt.get(peer) ?? -Infinity) + AWAY_EVERY || !isNamed(message)) return
      toldAt.delete(peer)
      toldAt.set(peer, now)
      if (toldAt.size > MAX_TOLD) toldAt.delete(toldAt.keys().next().value as string)
      tell(peer, pool, life.boot)
    }
  }
}
