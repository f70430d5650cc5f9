import type { Clock, Timer } from '../../base/clock.ts'
import { METHOD } from '../../wire/protocols.ts'
import { encodeChanged, ROWS_BUDGET, type Direction } from '../../wire/summary.ts'
import { numbersBytes, rowBytes, sameBody, type RowNumbers, type SummaryRow } from '../../wire/summary-row.ts'
import type { Audience, Audiences } from './audiences.ts'
import type { SummaryMetrics } from './metrics.ts'
import type { SummaryCall } from './ports.ts'

/** The first change waits for others that come with it, ms. */
export const FIRST_AFTER = 200
/** Under steady change, a table is told this often, ms. */
export const TELL_EVERY = 500
/** A reader that does not take it is reminded after this time, ms; doubled up to REMIND_CAP, as long as it may read. */
const REMIND_AFTER = 1_000
const REMIND_CAP = 4_000
/** Whoever may read and has not compared by then is told the hash, ms: this node may have been restarted, or have missed it for a moment. */
const UNHEARD_AFTER = 15_000
/** At most 1 MiB between neighbours of the tree, ms. Whoever needs longer compares, in pages. */
const TELL_TIMEOUT = 3_000

interface ReaderState {
  direction: Direction
  pool: string
  peer: string
  /** What it reads. */
  audience: Audience | undefined
  /** It has compared, or was told the hash. */
  heard: boolean
  inFlight: boolean
  /** Something changed while the last change was under way, or it did not arrive. */
  behind: boolean
  failures: number
  timer: Timer | undefined
}

/** Tells readers what changed. Whoever misses one compares. */
export interface Teller {
  /** It compares with this node: from now on it is told. */
  reads(direction: Direction, pool: string, peer: string): void
  /** What changed since the last time, to all that read it. */
  tell(): void
  /** The tables are others now: forgets readers that may not read any more, and lets those compare who have another table. */
  tidy(): void
  /** Again with whoever compares. Before the first time, and after `stop`, nobody is told. */
  start(): void
  stop(): void
}

export interface TellerDeps {
  clock: Clock
  metrics: SummaryMetrics
  audiences: Audiences
  call: SummaryCall
  /** False: the table is not complete yet, nobody follows it. */
  ready(audience: Audience): boolean
}

export function createTeller({ clock, metrics, audiences, call, ready }: TellerDeps): Teller {
  /** Bounded by the children and the hub above: others may not read. */
  const readers = new Map<string, ReaderState>()
  /** From start to stop. */
  let life: AbortController | undefined

  function readerOf(direction: Direction, pool: string, peer: string): ReaderState {
    const id = `${direction} ${pool} ${peer}`
    const reader = readers.get(id) ?? { direction, pool, peer, audience: undefined, heard: false, inFlight: false, behind: false, failures: 0, timer: undefined }
    readers.set(id, reader)
    return reader
  }

  function send(reader: ReaderState, body: Uint8Array): void {
    if (life === undefined) return
    if (reader.inFlight) {
      reader.behind = true
      return
    }
    reader.inFlight = true
    const { signal } = life
    call(reader.peer, METHOD.SUMMARY_CHANGED, body, { timeout: TELL_TIMEOUT, signal }).then(
      () => ended(reader, true, signal),
      () => ended(reader, false, signal)
    )
  }

  function ended(reader: ReaderState, ok: boolean, signal: AbortSignal): void {
    reader.inFlight = false
    metrics.changes(ok ? 'sent' : 'unsent').inc()
    // A telling that was ended by `stop` is not begun anew.
    if (signal.aborted) return
    reader.failures = ok ? 0 : reader.failures + 1
    if (ok && !reader.behind) return
    reader.timer?.cancel()
    reader.timer = clock.after(ok ? 0 : Math.min(REMIND_CAP, REMIND_AFTER * 2 ** Math.min(reader.failures - 1, 5)), () => remind(reader))
  }

  /** Only the hash: a reader that has it already does nothing, any other compares. */
  function remind(reader: ReaderState): void {
    const audience = audiences.find(reader.direction, reader.pool, reader.peer)
    if (audience === undefined || reader.inFlight) return
    if (!ready(audience)) {
      reader.timer = clock.after(REMIND_AFTER, () => remind(reader))
      return
    }
    reader.behind = false
    reader.heard = true
    send(reader, hashOnly(audience, audience.told))
  }

  /** This node leads that pool no more. Whoever believes it all the same compares, and is told so; else it would believe it until the next comparison. */
  function dismiss({ direction, pool, peer, audience, heard }: ReaderState): void {
    // If it is only this reader that is gone, it knows.
    const leads = [...audiences.all()].some((other) => other.pool === pool && other.direction === direction)
    if (life === undefined || !heard || audience === undefined || leads) return
    const { token, told } = audience
    const other = (told ^ 1) >>> 0
    const body = encodeChanged({ direction, pool, token, before: other, after: other, rows: [], removed: [], numbers: [] })
    call(peer, METHOD.SUMMARY_CHANGED, body, { timeout: TELL_TIMEOUT, signal: life.signal }).then(() => metrics.changes('sent').inc(), () => metrics.changes('unsent').inc())
  }

  function hashOnly({ direction, pool, token }: Audience, hash: number): Uint8Array {
    return encodeChanged({ direction, pool, token, before: hash, after: hash, rows: [], removed: [], numbers: [] })
  }

  function encode(audience: Audience): Uint8Array {
    const { direction, pool, token, table, pending, told } = audience
    const after = table.hash()
    const rows: SummaryRow[] = []
    const numbers: RowNumbers[] = []
    const removed: string[] = []
    let size = 0
    for (const [key, before] of pending) {
      const row = table.get(key)
      if (row === undefined) {
        size += key.length + 3
        removed.push(key)
      } else if (before !== undefined && sameBody(before, row.body)) {
        size += numbersBytes(row)
        numbers.push({ ...row, key })
      } else {
        size += rowBytes(row)
        rows.push(row)
      }
    }
    // Too much for one message: pages come by comparison.
    return size > ROWS_BUDGET ? hashOnly(audience, after) : encodeChanged({ direction, pool, token, before: told, after, rows, removed, numbers })
  }

  /** They compare by themselves, at once; and if not, then they believe that nothing has happened. */
  function expect(): void {
    if (life === undefined) return
    for (const { direction, pool, peer } of audiences.readers()) {
      const reader = readerOf(direction, pool, peer)
      if (!reader.heard) reader.timer ??= clock.after(UNHEARD_AFTER, () => remind(reader))
    }
  }

  return {
    reads(direction, pool, peer) {
      const reader = readerOf(direction, pool, peer)
      reader.audience = audiences.find(direction, pool, peer)
      if (reader.heard) return
      reader.heard = true
      reader.timer?.cancel()
    },
    tell() {
      const bodies = new Map<Audience, Uint8Array>()
      for (const audience of audiences.all()) {
        if (audience.told === audience.table.hash() || !ready(audience)) continue
        bodies.set(audience, encode(audience))
        audience.told = audience.table.hash()
        audience.pending.clear()
      }
      if (bodies.size === 0) return
      for (const reader of readers.values()) {
        if (!reader.heard) continue
        const audience = audiences.find(reader.direction, reader.pool, reader.peer)
        const body = audience && bodies.get(audience)
        if (body !== undefined) send(reader, body)
      }
    },
    tidy() {
      for (const [id, reader] of readers) {
        const audience = audiences.find(reader.direction, reader.pool, reader.peer)
        if (audience === undefined) {
          reader.timer?.cancel()
          readers.delete(id)
          dismiss(reader)
          continue
        }
        if (audience === reader.audience || !reader.heard) continue
        reader.timer?.cancel()
        reader.audience = audience
        if (reader.inFlight) reader.behind = true
        else if (life !== undefined) reader.timer = clock.after(FIRST_AFTER, () => remind(reader))
      }
      expect()
    },
    start() {
      if (life !== undefined) return
      life = new AbortController()
      expect()
    },
    stop() {
      for (const { timer } of readers.values()) timer?.cancel()
      readers.clear()
      life?.abort(new Error('the node is stopping'))
      life = undefined
    }
  }
}
