import type { DistantServer } from '../../wire/summary-types.ts'
import type { ToolEntry } from '../../wire/catalog-types.ts'
import type { ClaimEntry } from './claims.ts'
import type { OfferedServer, OfferedTool } from './offer-types.ts'

/** One provider in a pool of this node. */
export interface NearProvider {
  peer: string
  entry: ClaimEntry
}

/** The document that is shown, and who has it: the local one, else the lowest digest of the near ones, else the distant one. */
export function mergeAbout(near: readonly NearProvider[], far: DistantServer | undefined, self: string): Pick<OfferedServer, 'about' | 'providers' | 'distant'> {
  const telling = near.filter(({ entry }) => entry.about !== undefined)
  const shown = telling.find(({ peer }) => peer === self) ?? telling.toSorted((a, b) => ((a.entry.about as string) < (b.entry.about as string) ? -1 : 1))[0]
  // Of near ones that do not tell nothing is known; one of a distant pool may tell.
  const about = shown?.entry.about ?? (near.length === 0 ? far?.about : undefined)
  const distant = far !== undefined && (about === undefined || far.about === about) ? { distant: far.key } : {}
  if (about === undefined) return { providers: localFirst(near, self), ...distant }
  return { about, providers: localFirst(near.filter(({ entry }) => entry.about === about), self), ...distant }
}

interface Instance {
  entry: ToolEntry
  /** Of a distant one none. */
  peer: string | undefined
  /** How many nodes have it. */
  count: number
}

/** The tools of one server: of each the definition that is listed, and who has it. */
export function mergeTools(near: readonly NearProvider[], far: DistantServer | undefined, self: string): OfferedTool[] {
  const byName = new Map<string, Instance[]>()
  const add = (instance: Instance) => {
    const found = byName.get(instance.entry.name)
    if (found === undefined) byName.set(instance.entry.name, [instance])
    else found.push(instance)
  }
  for (const { peer, entry } of near) for (const tool of entry.tools) add({ entry: tool, peer, count: 1 })
  for (const tool of far?.tools ?? []) add({ entry: tool, peer: undefined, count: tool.providers })
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([tool, instances]) => {
    const digest = listedDigest(instances, self)
    const group = instances.filter(({ entry }) => entry.digest === digest)
    const providers = localFirst(group.flatMap(({ peer }) => (peer === undefined ? [] : [{ peer }])), self)
    const distant = far !== undefined && group.some(({ peer }) => peer === undefined) ? { distant: far.key } : {}
    return { tool, digest, repeatable: group.every(({ entry }) => entry.repeatable), providers, ...distant }
  })
}

/** The local definition, else that of the largest group, else the lowest digest. */
function listedDigest(instances: readonly Instance[], self: string): string {
  const local = instances.find(({ peer }) => peer === self)
  if (local !== undefined) return local.entry.digest
  const sizes = new Map<string, number>()
  for (const { entry, count } of instances) sizes.set(entry.digest, (sizes.get(entry.digest) ?? 0) + count)
  const ranked = [...sizes].sort(([a, sizeA], [b, sizeB]) => sizeB - sizeA || (a < b ? -1 : 1))
  return (ranked[0] as [string, number])[0]
}

function localFirst(near: readonly { peer: string }[], self: string): string[] {
  return near.map(({ peer }) => peer).sort((a, b) => (a === self ? -1 : b === self ? 1 : a < b ? -1 : 1))
}
