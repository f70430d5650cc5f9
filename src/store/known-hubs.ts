import type { DatabaseSync } from 'node:sqlite'
import type { Home, HomeStore, KnownHub, KnownHubs } from '../federation/tiers/ports.ts'
import { TIERS, type Tier } from '../wire/admission-documents.ts'
import { transaction } from './database.ts'
import type { Meta } from './store.ts'

/** More than all hubs above the leaves of the largest federation that is planned for (10 x 20). */
const MAX_HUBS = 256
/** As in what nodes tell each other of hubs. */
const MAX_ADDRESSES = 4
const HOME = 'home_pool'

export function createKnownHubs(db: () => DatabaseSync | undefined): KnownHubs {
  return {
    save(...hubs) {
      const database = db()
      if (database === undefined || hubs.length === 0) return
      const insert = database.prepare('INSERT OR REPLACE INTO hubs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
      transaction(database, () => {
        for (const { peer, name, pool, tier, region, coordinates, addresses, lastSeen } of hubs) {
          const { latitude = null, longitude = null } = coordinates ?? {}
          insert.run(peer, name, pool, tier, region, latitude, longitude, JSON.stringify(addresses.slice(0, MAX_ADDRESSES)), Math.floor(lastSeen))
        }
        database.prepare('DELETE FROM hubs WHERE peer IN (SELECT peer FROM hubs ORDER BY last_seen DESC, peer LIMIT -1 OFFSET ?)').run(MAX_HUBS)
      })
    },
    list: () => (db()?.prepare('SELECT * FROM hubs ORDER BY last_seen DESC, peer').all() ?? []).flatMap(readHub)
  }
}

/** One row that is damaged must not cost all others: it is left out until the hub is met again. */
function readHub(row: Record<string, unknown>): KnownHub[] {
  const { latitude, longitude } = row
  const addresses = readAddresses(row['addresses'])
  if (addresses === undefined) return []
  return [{
    peer: String(row['peer']),
    name: String(row['name']),
    pool: String(row['pool']),
    tier: tierOf(row['tier']),
    region: String(row['region']),
    ...(typeof latitude === 'number' && typeof longitude === 'number' ? { coordinates: { latitude, longitude } } : {}),
    addresses,
    lastSeen: Number(row['last_seen'])
  }]
}

function readAddresses(text: unknown): string[] | undefined {
  try {
    const addresses: unknown = JSON.parse(String(text))
    return Array.isArray(addresses) && addresses.every((address) => typeof address === 'string') ? addresses : undefined
  } catch {
    return undefined
  }
}

/** The pool that this node belongs to, over restarts. */
export function createHomeStore(meta: Meta): HomeStore {
  return {
    load() {
      const [tier, ...pool] = (meta.get(HOME) ?? '').split(' ')
      return pool.length === 0 ? undefined : { pool: pool.join(' '), tier: tierOf(tier) }
    },
    save({ pool, tier }: Home) {
      meta.set(HOME, `${tier} ${pool}`)
    }
  }
}

function tierOf(value: unknown): Tier {
  return TIERS.find((tier) => tier === value) ?? 'leaf'
}
