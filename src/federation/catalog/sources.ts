import type { DistantServer } from '../../wire/summary-types.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { OfferedServer } from './offer-types.ts'
import type { CatalogDeps } from './ports.ts'

/** Of all that is offered and not local: digest -> whom to ask for it, nodes that have it before hubs that told of it. */
export function wantedDefinitions(
  servers: readonly OfferedServer[], local: ReadonlyMap<string, unknown>, distant: readonly DistantServer[]
): ReadonlyMap<string, readonly string[]> {
  const hubs = new Map(distant.map(({ key, from }) => [key, from]))
  const wanted = new Map<string, readonly string[]>()
  const want = (digest: string, providers: readonly string[], key: string | undefined) => {
    if (local.has(digest)) return
    const far = key === undefined ? undefined : hubs.get(key)
    const able = far === undefined ? providers : [...providers, ...far]
    // Two servers may share a definition; any provider of either has it.
    const known = wanted.get(digest)
    wanted.set(digest, known === undefined ? able : [...new Set([...known, ...able])])
  }
  for (const { about, providers, distant: key, tools } of servers) {
    // First, for it is small and a whole view waits for it.
    if (about !== undefined) want(about, providers, key)
    for (const tool of tools) want(tool.digest, tool.providers, tool.distant)
  }
  return wanted
}

/** Of all that records and hubs tell, offered here or not: digest -> whom to ask for it, the best first. One pass for all of them. */
export function sourcesOf(
  digests: ReadonlySet<string>, { records, live, distant, holders, up }: SourceFacts
): ReadonlyMap<string, readonly string[]> {
  const sources = new Map<string, Set<string>>()
  for (const digest of digests) sources.set(digest, new Set())
  const add = (digest: string | undefined, peers: readonly string[]) => {
    if (digest === undefined) return
    const found = sources.get(digest)
    if (found !== undefined) for (const peer of peers) found.add(peer)
  }
  for (const { peer, servers } of records) {
    if (!live.has(peer)) continue
    for (const { about, tools } of servers) {
      add(about, [peer])
      for (const tool of tools) add(tool.digest, [peer])
    }
  }
  for (const [digest, peers] of holders?.(digests) ?? []) add(digest, peers)
  for (const { about, tools, from } of distant) {
    add(about, from)
    for (const tool of tools) add(tool.digest, from)
  }
  for (const digest of digests) add(digest, up)
  return new Map([...sources].map(([digest, peers]) => [digest, [...peers]]))
}

export interface SourceFacts {
  records: readonly NodeRecord[]
  live: ReadonlySet<string>
  distant: readonly DistantServer[]
  /** As of CatalogDeps. */
  holders: CatalogDeps['holders']
  /** The hub above, which knows more. */
  up: readonly string[]
}
