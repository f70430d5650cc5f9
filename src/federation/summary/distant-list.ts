import { serverOf, type SummaryRow } from '../../wire/summary-row.ts'
import type { DistantServer } from '../../wire/summary-types.ts'
import type { Sources } from './sources.ts'
import type { Table } from './table.ts'

/** The rows of a table as whole servers, each with those who tell of it; what has not changed stays the same object. */
export interface DistantList {
  /** The same list until `changed`. */
  servers(): readonly DistantServer[]
  changed(): void
}

export function createDistantList(table: Pick<Table, 'rows'>, sources: Pick<Sources, 'all'>): DistantList {
  let shown = new Map<string, { row: SummaryRow; server: DistantServer }>()
  let list: readonly DistantServer[] | undefined

  function tellersOf(key: string): string[] {
    const peers: string[] = []
    for (const source of sources.all()) {
      const who = source.peer ?? source.last
      if (who !== undefined && source.table.get(key) !== undefined) peers.push(who)
    }
    return peers
  }

  return {
    servers() {
      if (list !== undefined) return list
      const now = new Map<string, { row: SummaryRow; server: DistantServer }>()
      for (const [key, row] of table.rows) {
        const known = shown.get(key)
        const from = tellersOf(key)
        const same = known?.row === row && known.server.from.join() === from.join()
        now.set(key, same ? known : { row, server: { ...serverOf(row), key, from } })
      }
      shown = now
      list = [...now.values()].map(({ server }) => server)
      return list
    },
    changed() {
      list = undefined
    }
  }
}
