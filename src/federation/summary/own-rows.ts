import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { SummaryRow } from '../../wire/summary-row.ts'
import { createClaims } from './claims.ts'
import { mergeParts, type Part } from './merge.ts'
import type { Source } from './sources.ts'

/** In no pool: nobody is left out. */
const NOBODY = ''

/** Everything that a node knows of servers, near and far, each once. Made for one search: most nodes never need it. */
export function ownRows(records: Iterable<NodeRecord>, sources: Iterable<Source>): SummaryRow[] {
  const claims = createClaims()
  const dirty = new Set<string>()
  const own = [...records]
  claims.update(['own'], () => own, dirty)
  const tables = [...sources].map(({ table }) => table)
  const keys = new Set(dirty)
  for (const { rows } of tables) for (const key of rows.keys()) keys.add(key)
  return [...keys].flatMap((key) => {
    const parts: Part[] = [...claims.parts(key, NOBODY), ...tables.flatMap((table) => table.get(key) ?? [])]
    return mergeParts(parts, 0) ?? []
  })
}
