import type { Clock } from '../../base/clock.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { RecordInfo, RegistryStatus } from './overview.ts'

/** Digests that are named; how many there are is told in full. */
const MAX_NAMED = 100

export interface RegistryViewDeps {
  catalog: Pick<CatalogDriver, 'records' | 'offers' | 'definition' | 'lastSync'>
  clock: Clock
  self: string
  federation: string
  pool: string
  /** How this node reaches another one; undefined: not now. */
  path(peer: string): 'direct' | 'relayed' | undefined
  nameOf(peer: string): string
}

/** Digests of what is offered here and could not be shown yet. */
export function missingDigests({ offers, definition }: Pick<CatalogDriver, 'offers' | 'definition'>): string[] {
  const missing = new Set<string>()
  for (const { about, tools } of offers().servers) {
    if (about !== undefined && definition(about) === undefined) missing.add(about)
    for (const { digest } of tools) if (definition(digest) === undefined) missing.add(digest)
  }
  return [...missing].sort()
}

/** What this node holds of the catalog. */
export function registryView({ catalog, clock, self, federation, pool, path, nameOf }: RegistryViewDeps): RegistryStatus {
  const now = clock.wall()
  const infoOf = ({ peer, name, sequence, expires, draining, servers }: NodeRecord): RecordInfo => ({
    peer, name, self: peer === self, sequence,
    // A sequence is the time of writing (protocols/catalog.md); the writer's clock may be ahead of ours.
    ageSeconds: Math.max(0, Math.round((now - sequence) / 1_000)),
    expires, draining,
    path: peer === self ? 'self' : (path(peer) ?? 'none'),
    servers: servers.map((server) => server.name),
    tools: servers.reduce((sum, server) => sum + server.tools.length, 0)
  })
  const missing = missingDigests(catalog)
  const last = catalog.lastSync()
  return {
    peer: self, federation, pool,
    records: catalog.records().map(infoOf).sort((a, b) => (a.name === b.name ? (a.peer < b.peer ? -1 : 1) : a.name < b.name ? -1 : 1)),
    missing: { total: missing.length, digests: missing.slice(0, MAX_NAMED) },
    lastSync: last === undefined ? null : { peer: last.peer, at: last.at, name: nameOf(last.peer) }
  }
}
