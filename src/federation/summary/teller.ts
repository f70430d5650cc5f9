import type { Clock, Timer } from '../../base/clock.ts'
import { METHOD } from '../../wire/protocols.ts'
import { encodeChanged, ROWS_BUDGET, type Direction } from '../../wire/summary.ts'
import { rowBytes, type SummaryRow } from '../../wire/summary-row.ts'
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
/** At most 1 MiB between neighbours of the tree, ms. Whoever needs longer compares, in pages. */
const TELL_TIMEOUT = 3_000

interface ReaderState {
  direction: Direction
  pool: string
  peer: string
  /** What it reads. */
  audience: Audience | undefined
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
    send(reader, news(audience, audience.told, audience.told, [], []))
  }

  function news({ direction, pool, token }: Audience, before: number, after: number, rows: readonly SummaryRow[], removed: readonly string[]): Uint8Array {
    return encodeChanged({ direction, pool, token, before, after, rows, removed })
  }

  function encode(audience: Audience): Uint8Array {
    const { table, pending, told } = audience
    const after = table.hash()
    const rows: SummaryRow[] = []
    const removed: string[] = []
    let size = 0
    for (const key of pending) {
      const row = table.get(key)
      size += row === undefined ? key.length + 3 : rowBytes(row)
      if (row === undefined) removed.push(key)
      else rows.push(row)
    }
    // Too much for one message: pages come by comparison.
    return size > ROWS_BUDGET ? news(audience, after, after, [], []) : news(audience, told, after, rows, removed)
  }

  return {
    reads(direction, pool, peer) {
      const id = `${direction} ${pool} ${peer}`
      const reader = readers.get(id) ?? { direction, pool, peer, audience: undefined, inFlight: false, behind: false, failures: 0, timer: undefined }
      reader.audience = audiences.find(direction, pool, peer)
      readers.set(id, reader)
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
        const audience = audiences.find(reader.direction, reader.pool, reader.peer)
        const body = audience && bodies.get(audience)
        if (body !== undefined) send(reader, body)
      }
    },
    tidy() {
      for (const [id, reader] of readers) {
        const audience = audiences.find(reader.direction, reader.pool, reader.peer)
        if (audience === reader.audience) continue
        reader.timer?.cancel()
        reader.audience = audience
        if (audience === undefined) readers.delete(id)
        else if (reader.inFlight) reader.behind = true
        else if (life !== undefined) reader.timer = clock.after(FIRST_AFTER, () => remind(reader))
      }
    },
    start() {
      life ??= new AbortController()
    },
    stop() {
      for (const { timer } of readers.values()) timer?.cancel()
      readers.clear()
      life?.abort(new Error('the node is stopping'))
      life = undefined
    }
  }
}
