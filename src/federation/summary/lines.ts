import type { Direction } from '../../wire/summary.ts'
import type { Claims } from './claims.ts'
import type { Source, Sources } from './sources.ts'
import type { Table } from './table.ts'
import { lineOf, type Line, type Side } from './turns.ts'

/** What each source of the tables for others tells, sorted once for all tables that are cut at the same time. */
export interface Lines {
  /** Of a table whose readers are in the pool `notIn`, or are the hub of the pool `without`. */
  of(notIn: string, without: string | undefined): Line[]
  /** They are cut: what was sorted goes, for it may be large, and other rows are there the next time. */
  forget(): void
}

export function createLines(claims: Claims, sources: Sources): Lines {
  const ofTables = new Map<Table, Line>()
  const ofRecords = new Map<string, Line[]>()

  return {
    of(notIn, without) {
      const own = ofRecords.get(notIn) ?? claims.lines(notIn)
      ofRecords.set(notIn, own)
      const all = [...own]
      for (const { direction, pool, table } of sources.all()) {
        if (direction === 'up' && pool === without) continue
        const line = ofTables.get(table) ?? lineOf(sideOf(direction), table.rows.values())
        ofTables.set(table, line)
        all.push(line)
      }
      return all
    },
    forget() {
      ofTables.clear()
      ofRecords.clear()
    }
  }
}

/** Of what a node sees itself beyond its pools. */
export function linesOf(sources: Iterable<Source>): Line[] {
  return Array.from(sources, ({ direction, table }) => lineOf(sideOf(direction), table.rows.values()))
}

function sideOf(direction: Direction): Side {
  return direction === 'up' ? 'below' : 'above'
}
