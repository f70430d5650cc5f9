import type { DatabaseSync } from 'node:sqlite'
import { transaction } from './database.ts'

/** A member this node has met. */
export interface KnownPeer {
  peer: string
  /** Display name, '' if unknown. */
  name: string
  /** Dialable multiaddrs. */
  addresses: string[]
  /** Unix ms. */
  lastSeen: number
}

export interface KnownPeers {
  /** One disk write for all of them, so hand over many at once. Over 1 000 peers in all, those not seen for longest are dropped. */
  save(...peers: KnownPeer[]): void
  /** Last seen first. */
  list(): KnownPeer[]
  remove(peer: string): void
}

/** Enough to find a way back into any federation of ours after a restart. */
const MAX_PEERS = 1_000
/** As in a node record. */
const MAX_ADDRESSES = 16

export function createKnownPeers(db: () => DatabaseSync | undefined): KnownPeers {
  return {
    save(...peers) {
      const database = db()
      if (database === undefined || peers.length === 0) return
      const insert = database.prepare('INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)')
      transaction(database, () => {
        for (const { peer, name, addresses, lastSeen } of peers) insert.run(peer, name, JSON.stringify(addresses.slice(0, MAX_ADDRESSES)), lastSeen)
        database.prepare('DELETE FROM peers WHERE peer IN (SELECT peer FROM peers ORDER BY last_seen DESC, peer LIMIT -1 OFFSET ?)').run(MAX_PEERS)
      })
    },
    list() {
      const rows = db()?.prepare('SELECT * FROM peers ORDER BY last_seen DESC, peer').all() ?? []
      return rows.map((row) => ({
        peer: String(row['peer']),
        name: String(row['name']),
        addresses: JSON.parse(String(row['addresses'])) as string[],
        lastSeen: Number(row['last_seen'])
      }))
    },
    remove(peer) {
      db()?.prepare('DELETE FROM peers WHERE peer = ?').run(peer)
    }
  }
}
