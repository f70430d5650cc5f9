import { digestOf, isRepeatable, makeBody, makeRow, MAX_TABLE_HOPS, sameBody, type RowFacts, type SummaryRow } from '../../wire/summary-row.ts'

/** What one source says about a server: a node of an own pool (no hops, one provider), or a table. */
export type Part = RowFacts | SummaryRow

/**
 * One server out of what several sources say, as a reader `farther` hubs away sees it. Replicas: providers are summed up, the
 * earliest claim counts; a tool has the digest of the largest group, else the lowest one, as in offers.ts, and of its providers only those of that
 * group. A server with an owner is at one node, however many tell of it: the nearest is right. Undefined: nobody tells, or too far away.
 */
export function mergeParts(parts: readonly Part[], farther: 0 | 1): SummaryRow | undefined {
  const [first, ...others] = parts
  if (first === undefined) return undefined
  if (others.length === 0) return moved(first, farther)
  const near = parts.reduce((best, part) => (part.hops < best.hops ? part : best))
  if (first.body.owner !== undefined) return moved(near, farther)
  const hops = near.hops + farther
  if (hops > MAX_TABLE_HOPS) return undefined
  const claimed = Math.min(...parts.map((part) => part.claimed))
  const providers = parts.reduce((sum, part) => sum + part.providers, 0)
  const head = { claimed, providers, hops }
  if (parts.every(({ body }) => sameBody(body, first.body))) return makeRow({ body: first.body, ...head, ...sumCounts(parts, providers) })
  return mergeBodies(parts, head)
}

function moved(part: Part, farther: 0 | 1): SummaryRow | undefined {
  if (farther === 0 && 'hash' in part) return part
  const hops = part.hops + farther
  if (hops > MAX_TABLE_HOPS) return undefined
  const { body, claimed, providers, counts } = part
  return makeRow({ body, claimed, providers, hops, ...(counts === undefined ? {} : { counts }) })
}

function sumCounts(parts: readonly Part[], providers: number): { counts?: number[] } {
  const [first] = parts
  if (first === undefined || parts.every(({ counts }) => counts === undefined)) return {}
  return told(first.body.tools.map((_, index) => parts.reduce((sum, part) => sum + (part.counts?.[index] ?? part.providers), 0)), providers)
}

/** Only what differs from the number of all providers is worth bytes. */
function told(counts: number[], providers: number): { counts?: number[] } {
  return counts.every((count) => count === providers) ? {} : { counts }
}

interface Group {
  digest: string
  providers: number
  repeatable: boolean
}

function mergeBodies(parts: readonly Part[], head: Pick<RowFacts, 'claimed' | 'providers' | 'hops'>): SummaryRow {
  const groups = new Map<string, Map<string, Group>>()
  for (const part of parts) {
    part.body.tools.forEach((tool, index) => {
      const byDigest = groups.get(tool) ?? new Map<string, Group>()
      groups.set(tool, byDigest)
      const digest = digestOf(part.body, index)
      const group = byDigest.get(digest) ?? { digest, providers: 0, repeatable: true }
      group.providers += part.counts?.[index] ?? part.providers
      group.repeatable &&= isRepeatable(part.body, index)
      byDigest.set(digest, group)
    })
  }
  const tools = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, byDigest]) => ({ name, ...largest(byDigest) }))
  const timeouts = parts.flatMap(({ body }) => (body.timeout === undefined ? [] : [body.timeout]))
  const abouts = parts.flatMap(({ body }) => (body.about === undefined ? [] : [body.about])).sort()
  const body = makeBody({
    name: (parts[0] as Part).body.name,
    ...(timeouts.length === 0 ? {} : { timeout: Math.max(...timeouts) }),
    ...(abouts[0] === undefined ? {} : { about: abouts[0] }),
    tools
  })
  return makeRow({ body, ...head, ...told(tools.map(({ providers }) => providers), head.providers) })
}

function largest(byDigest: ReadonlyMap<string, Group>): Group {
  return [...byDigest.values()].reduce((best, group) =>
    group.providers > best.providers || (group.providers === best.providers && group.digest < best.digest) ? group : best
  )
}
