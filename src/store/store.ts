import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Logger } from '../base/logger.ts'
import { SkeinError } from '../base/errors.ts'
import type { QuorumStore } from '../federation/quorum/ports.ts'
import type { HomeStore, KnownHubs } from '../federation/tiers/ports.ts'
import type { FederationStore, TokenStore } from '../security/ports.ts'
import { openDatabase } from './database.ts'
import { createFederationStore } from './federation-store.ts'
import { createHomeStore, createKnownHubs } from './known-hubs.ts'
import { createKnownPeers, type KnownPeers } from './known-peers.ts'
import { createQuorumStore } from './quorum-store.ts'
import { createTokenStore } from './token-store.ts'

/** What a node remembers across restarts, in `<data-dir>/skein.db`. Every call is synchronous. */
export interface Store {
  tokens: TokenStore
  federation: FederationStore
  peers: KnownPeers
  hubs: KnownHubs
  home: HomeStore
  claims: NameClaims
  /** What this node has promised and voted, and who votes. */
  quorum: QuorumStore
  meta: Meta
  /** Idempotent. Later calls of `tokens`, `federation` and `quorum` throw SKEIN_GOAWAY; the others read nothing and write nothing. */
  close(): void
}

export interface NameClaims {
  /** When this node first claimed the server name, unix ms; `now` if it never did. */
  claim(server: string, now: number): number
}

export interface Meta {
  get(key: string): string | undefined
  set(key: string, value: string): void
}

/** In the data directory. */
export const STORE_FILE = 'skein.db'
/** Names come from one node's configurations over time; the oldest claims go when there are more. */
const MAX_CLAIMS = 4096

const MIGRATIONS = [
  `CREATE TABLE tokens (
     id TEXT PRIMARY KEY, created INTEGER NOT NULL, expires INTEGER NOT NULL, uses INTEGER NOT NULL,
     tier TEXT NOT NULL, region TEXT NOT NULL, roles TEXT NOT NULL
   ) STRICT;
   CREATE TABLE redemptions (
     token TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE, peer TEXT NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (token, peer)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE federation (
     only_one INTEGER PRIMARY KEY CHECK (only_one = 1), id TEXT NOT NULL, name TEXT NOT NULL, authority BLOB NOT NULL,
     issuer_certificate BLOB NOT NULL, credential BLOB NOT NULL, own_certificate BLOB, authority_seed BLOB
   ) STRICT;
   CREATE TABLE peers (peer TEXT PRIMARY KEY, name TEXT NOT NULL, addresses TEXT NOT NULL, last_seen INTEGER NOT NULL) STRICT;
   CREATE INDEX peers_by_age ON peers (last_seen);
   CREATE TABLE claims (server TEXT PRIMARY KEY, claimed INTEGER NOT NULL) STRICT;
   CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  `CREATE TABLE quorum (
     pool TEXT NOT NULL, key TEXT NOT NULL, bytes BLOB NOT NULL, sum BLOB NOT NULL,
     PRIMARY KEY (pool, key)
   ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE hubs (
     peer TEXT PRIMARY KEY, name TEXT NOT NULL, pool TEXT NOT NULL, tier TEXT NOT NULL, region TEXT NOT NULL,
     latitude REAL, longitude REAL, addresses TEXT NOT NULL, last_seen INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX hubs_by_age ON hubs (last_seen);`
]

/** Opens `<data-dir>/skein.db`, creating the folder (0700) and the file (0600). Throws SKEIN_DATA_DIR or SKEIN_KEY_FILE. */
export function openStore(dataDir: string, { logger }: { logger: Logger }): Store {
  const open = openDatabase({ path: join(dataDir, STORE_FILE), migrations: MIGRATIONS, synchronous: 'full' })
  let closed = false
  /** For what must not be lost silently. */
  const required = (): DatabaseSync => {
    if (closed) throw new SkeinError('SKEIN_GOAWAY', 'this node is stopping: ask another one, or this one after its restart')
    return open
  }
  /** For what a stopping node may forget: events still arrive while its parts stop one by one. */
  const optional = (): DatabaseSync | undefined => {
    if (closed) logger.debug('a late use of the closed store is ignored')
    return closed ? undefined : open
  }
  const meta: Meta = {
    get: (key) => optional()?.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'] as string | undefined,
    set(key, value) {
      optional()?.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value').run(key, value)
    }
  }
  return {
    tokens: createTokenStore(required),
    federation: createFederationStore(required),
    peers: createKnownPeers(optional),
    hubs: createKnownHubs(optional),
    home: createHomeStore(meta),
    claims: createClaims(optional),
    quorum: createQuorumStore(required),
    meta,
    close() {
      if (closed) return
      closed = true
      open.close()
    }
  }
}

function createClaims(db: () => DatabaseSync | undefined): NameClaims {
  return {
    claim(server, now) {
      const database = db()
      if (database === undefined) return now
      const known = database.prepare('SELECT claimed FROM claims WHERE server = ?').get(server)
      if (known !== undefined) return Number(known['claimed'])
      database.prepare('INSERT INTO claims VALUES (?, ?)').run(server, now)
      database.prepare('DELETE FROM claims WHERE server IN (SELECT server FROM claims ORDER BY claimed DESC, server LIMIT -1 OFFSET ?)').run(MAX_CLAIMS)
      return now
    }
  }
}
