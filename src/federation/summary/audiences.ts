import type { Direction } from '../../wire/summary.ts'
import { sameBody, type SummaryBody, type SummaryRow } from '../../wire/summary-row.ts'
import type { Claims } from './claims.ts'
import type { Interest } from './interest.ts'
import type { Left } from './later.ts'
import { createLines } from './lines.ts'
import { mergeParts, type Part } from './merge.ts'
import { createOverlay, viewOf, type Overlay, type TableView } from './overlay.ts'
import type { Edges } from './ports.ts'
import { createDerivedShelf, createShelf, type Shelf } from './shelf.ts'
import type { Changes } from './shelf-cut.ts'
import type { Sources } from './sources.ts'

/** One table for others, and who reads it. */
export interface Audience {
  readonly direction: Direction
  readonly pool: string
  token: number
  /** Nodes of this pool are left out: the readers have their records. */
  notIn: string
  /** The table of the pool whose hub the reader is: a child does not get back what came from it. */
  readonly without: string | undefined
  /** What the readers get. */
  readonly table: TableView
  /** Shown rows that changed since the last telling, with the body that readers have, and the hash before. */
  pending: Map<string, SummaryBody | undefined>
  told: number
}

/** The tables that a hub tells: everything below it to the hub above, and to its members what they cannot see in their pools. */
export interface Audiences {
  edges(edges: Edges): void
  /**
   * Makes the tables right for these keys. Without `whole` only for what calls depend on: servers that came or went, other tools. The rest is returned.
   */
  refresh(dirty: ReadonlySet<string>, whole: boolean): Left
  /** Another number of tools in the tables for members. */
  setLimit(limit: number): void
  /** A child said what it is interested in. */
  interested(pool: string, peer: string): void
  /** What `reader` may read; undefined: nothing. */
  find(direction: Direction, pool: string, reader: string): Audience | undefined
  all(): Iterable<Audience>
  /** Everybody who may read something here. */
  readers(): Iterable<{ direction: Direction; pool: string; peer: string }>
}

/** Either with a shelf of its own, or with a few rows beside that of all others in the pool. */
type Kept = Audience & ({ readonly shelf: Shelf; readonly overlay?: undefined } | { readonly shelf?: undefined; readonly overlay: Overlay })
type Facts = Pick<Audience, 'direction' | 'pool' | 'token' | 'notIn' | 'without'>

interface Place {
  pool: string
  /** Pool below by child hub. */
  hubs: ReadonlyMap<string, string>
  members: ReadonlySet<string>
}

const UP = 'up'
const NONE: Changes = new Map()

/**
 * Members that are no hubs share one table, to which those who asked for something special have their rows beside it; child hubs have one each,
 * with the same rows wherever they agree.
 * @param first tools in a table for members; the table for the hub above is complete
 */
export function createAudiences({ claims, sources, interest, self }: { claims: Claims; sources: Sources; interest: Interest; self: string }, first: number): Audiences {
  let limit = first
  /** By `up`, pool, or pool and member. Bounded by the hub's children. */
  const audiences = new Map<string, Kept>()
  let places = new Map<string, Place>()
  let upReader: string | undefined
  /** Pools that this node is hub of. */
  let below: ReadonlySet<string> = new Set()

  const lines = createLines(claims, sources)

  const idOf = (pool: string, peer?: string) => (peer === undefined ? `down ${pool}` : `down ${pool} ${peer}`)

  function compute(audience: Audience, key: string): SummaryRow | undefined {
    const parts: Part[] = claims.parts(key, audience.notIn, audience.direction === 'up' ? { pools: below, self } : undefined)
    for (const source of sources.below()) {
      const isTold = source.pool !== audience.without && (audience.direction === 'down' || source.share.has(key))
      const row = isTold ? source.table.get(key) : undefined
      if (row !== undefined) parts.push(row)
    }
    const above = audience.direction === 'down' ? sources.down()?.table.get(key) : undefined
    if (above !== undefined) parts.push(above)
    return mergeParts(parts, 1)
  }

  /** The row for one of several readers in a pool: that of all, unless some of it comes from the reader. */
  function rowFor(audience: Audience, key: string, common: SummaryRow | undefined): SummaryRow | undefined {
    if (audience.without === undefined || !sourceHas(audience.without, key)) return common
    return compute(audience, key)
  }

  function sourceHas(pool: string, key: string): boolean {
    for (const source of sources.below()) if (source.pool === pool) return source.table.get(key) !== undefined
    return false
  }

  function settle(whole: boolean): boolean {
    /** By pool: what changed for all in it. Their audience comes first, for it was opened first. */
    const common = new Map<string, Changes>()
    let cuts = false
    for (const [id, { shelf, overlay, pool, pending }] of audiences) {
      const changed = shelf === undefined ? overlay.follow(common.get(pool) ?? NONE) : shelf.settle(whole)
      if (id === idOf(pool)) common.set(pool, changed)
      for (const [key, before] of changed) if (!pending.has(key)) pending.set(key, before)
      cuts ||= shelf?.waiting === true
    }
    lines.forget()
    return cuts
  }

  /** Whoever reads it begins by comparing. */
  function begin(audience: Audience): void {
    audience.pending.clear()
    audience.told = audience.table.hash()
  }

  function allKeys(): Set<string> {
    const keys = new Set(claims.keys())
    for (const source of sources.all()) for (const key of source.table.rows.keys()) keys.add(key)
    return keys
  }

  function openShelf(id: string, facts: Facts): Kept {
    const common = facts.without === undefined ? undefined : audiences.get(idOf(facts.pool))?.shelf
    const ofSources = () => lines.of(facts.notIn, facts.without)
    const shelf = common === undefined ? createShelf(facts.direction === 'up' ? Infinity : limit, ofSources) : createDerivedShelf(common, limit, ofSources)
    const audience: Kept = { ...facts, shelf, table: viewOf(shelf), pending: new Map(), told: 0 }
    audiences.set(id, audience)
    for (const key of allKeys()) {
      const below = common?.get(key)
      shelf.put(key, common === undefined ? compute(audience, key) : rowFor(audience, key, below), below)
    }
    shelf.settle()
    return audience
  }

  function openOverlay(id: string, facts: Facts, common: Shelf): Kept {
    const overlay = createOverlay(common)
    const audience: Kept = { ...facts, overlay, table: overlay.table, pending: new Map(), told: 0 }
    // Behind that of all others.
    audiences.delete(id)
    audiences.set(id, audience)
    return audience
  }

  /** Opens what is needed and not there; returns the id. */
  function need(id: string, facts: Facts, asked?: ReadonlySet<string>): string {
    let audience = audiences.get(id)
    if (audience === undefined || audience.pool !== facts.pool || audience.without !== facts.without || audience.notIn !== facts.notIn) {
      const common = asked === undefined || facts.without !== undefined ? undefined : audiences.get(idOf(facts.pool))?.shelf
      audience = common === undefined ? openShelf(id, facts) : openOverlay(id, facts, common)
      if (asked !== undefined) ask(audience, asked)
      begin(audience)
    }
    audience.token = facts.token
    return id
  }

  function ask({ shelf, overlay }: Kept, asked: ReadonlySet<string>): void {
    if (shelf === undefined) return void overlay.ask(asked)
    shelf.ask(asked)
    shelf.settle()
  }

  function needMember(pool: string, token: number, peer: string, without: string | undefined): string | undefined {
    const asked = interest.child(peer)
    if (without === undefined && asked.size === 0) return undefined
    return need(idOf(pool, peer), { direction: 'down', pool, token, notIn: pool, without }, asked)
  }

  return {
    edges({ up, hubOf }) {
      const keep = new Set<string>()
      places = new Map()
      upReader = up?.peer
      below = new Set(hubOf.map(({ pool }) => pool))
      for (const { pool, token, children } of hubOf) {
        keep.add(need(idOf(pool), { direction: 'down', pool, token, notIn: pool, without: undefined }))
        const hubs = new Map<string, string>()
        for (const { peer, hub } of children) {
          if (peer === self) continue
          if (hub !== undefined) hubs.set(peer, hub.pool)
          const id = needMember(pool, token, peer, hub?.pool)
          if (id !== undefined) keep.add(id)
        }
        places.set(pool, { pool, hubs, members: new Set(children.map(({ peer }) => peer)) })
      }
      const top = hubOf.at(-1)
      if (up !== undefined && top !== undefined) keep.add(need(UP, { direction: 'up', pool: top.pool, token: top.token, notIn: up.pool, without: undefined }))
      for (const id of audiences.keys()) if (!keep.has(id)) audiences.delete(id)
      lines.forget()
    },
    refresh(dirty, whole) {
      const keys = new Set<string>()
      for (const key of dirty) {
        // The one of all comes first, for it was opened first.
        const common = new Map<string, { row: SummaryRow | undefined; put: boolean; before: SummaryRow | undefined }>()
        for (const audience of audiences.values()) {
          const { pool, shelf, without } = audience
          if (shelf === undefined) continue
          const ofAll = without === undefined ? undefined : common.get(pool)
          const row = ofAll === undefined ? compute(audience, key) : rowFor(audience, key, ofAll.row)
          // As the others in the pool get it, when they do.
          const before = shelf.get(key)
          const likeAll = ofAll !== undefined && ofAll.row === row
          const put = whole || ofAll?.put === true || (!likeAll && !onlyNumbers(before, row))
          if (put) shelf.put(key, row, ofAll?.before)
          else if (before?.hash !== row?.hash) keys.add(key)
          if (audience.direction === 'down' && without === undefined) common.set(pool, { row, put, before })
        }
      }
      return { keys, cuts: settle(whole) }
    },
    setLimit(next) {
      limit = next
      for (const { direction, shelf } of audiences.values()) if (direction === 'down') shelf?.setLimit(next)
    },
    interested(pool, peer) {
      const place = places.get(pool)
      const common = audiences.get(idOf(pool))
      if (place === undefined || common === undefined || !place.members.has(peer)) return
      const without = place.hubs.get(peer)
      const id = needMember(pool, common.token, peer, without)
      if (id === undefined) {
        audiences.delete(idOf(pool, peer))
        return
      }
      const audience = audiences.get(id) as Kept
      ask(audience, interest.child(peer))
      lines.forget()
      // Its only reader is comparing just now.
      begin(audience)
    },
    find(direction, pool, reader) {
      if (direction === 'up') {
        const audience = audiences.get(UP)
        return audience !== undefined && audience.pool === pool && reader === upReader ? audience : undefined
      }
      if (places.get(pool)?.members.has(reader) !== true) return undefined
      return audiences.get(idOf(pool, reader)) ?? audiences.get(idOf(pool))
    },
    all: () => audiences.values(),
    *readers() {
      const above = audiences.get(UP)
      if (above !== undefined && upReader !== undefined) yield { direction: 'up', pool: above.pool, peer: upReader }
      for (const { pool, members } of places.values()) for (const peer of members) if (peer !== self) yield { direction: 'down', pool, peer }
    }
  }
}

/** How many provide it, and how far away the nearest is: nobody waits for that. The earliest claim decides who has a name. */
function onlyNumbers(before: SummaryRow | undefined, after: SummaryRow | undefined): boolean {
  return before !== undefined && after !== undefined && before.claimed === after.claimed && sameBody(before.body, after.body)
}
