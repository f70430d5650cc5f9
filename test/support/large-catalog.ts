import type { Clock } from '../../src/base/clock.ts'
import type { Random } from '../../src/base/random.ts'
import { createCatalog } from '../../src/federation/catalog/catalog.ts'
import { REQUEST_TIMEOUT } from '../../src/federation/catalog/driver.ts'
import type { CatalogEffect, CatalogEvent } from '../../src/federation/catalog/events.ts'
import type { RecordSeal } from '../../src/federation/catalog/ports.ts'
import { encodeRecord } from '../../src/wire/catalog-record.ts'
import type { NodeRecord } from '../../src/wire/catalog-types.ts'
import { decodeGossip, type DigestAnswer, type DigestRequest } from '../../src/wire/catalog.ts'
import { ENVELOPE_OVERHEAD } from '../../src/wire/envelope.ts'

/** One entry of a digest: peer id, sequence, CBOR heads. */
const ENTRY_BYTES = 64
const SCOPE_BYTES = 100
/** Instead of each second: renewals and comparisons need no better here. */
const TICK = 5_000

/** Records by handle, so that twenty thousand nodes share them: a handle stands for the sealed bytes. */
export interface RecordDesk extends RecordSeal {
  /** Bytes of the sealed record that the handle stands for. */
  size(handle: Uint8Array): number
}

export function createRecordDesk(): RecordDesk {
  const records = new Map<number, { record: NodeRecord; size: number }>()
  let last = 0
  const find = (handle: Uint8Array) => records.get((((handle[0] as number) * 256 + (handle[1] as number)) * 256 + (handle[2] as number)) * 256 + (handle[3] as number)) as { record: NodeRecord; size: number }
  return {
    seal(record) {
      const handle = Buffer.alloc(4)
      handle.writeUInt32BE(++last)
      records.set(last, { record, size: encodeRecord(record).length + ENVELOPE_OVERHEAD })
      return new Uint8Array(handle)
    },
    open: (handle) => find(handle).record,
    size: (handle) => find(handle).size
  }
}

/** How a catalog reaches the others of its pool; the world counts what it says. */
export interface CatalogWire {
  gossip(handle: Uint8Array, bytes: number): void
  /** `answer` runs at the peer, `done` here; undefined: nobody answered. */
  exchange<T>(peer: string, kind: 'digest' | 'push', bytes: number, answer: (other: LargeCatalog) => { value: T; bytes: number }, done: (value: T | undefined) => void, timeout: number): void
}

/** The real catalog machine of one pool at one node. Definitions and names of offers are left out: they depend on `catalog.max_tools` and the pool alone. */
export interface LargeCatalog {
  step(event: CatalogEvent): void
  digest(request: DigestRequest): DigestAnswer
  records(): readonly NodeRecord[]
  live(): ReadonlySet<string>
  /** Its monotonic clock goes on from so much later: nodes that started together renew their records at different times from then on. */
  shift(ms: number): void
  close(): void
}

export interface LargeCatalogDeps {
  clock: Clock
  random: Random
  desk: RecordDesk
  wire: CatalogWire
  onChanged(): void
}

export function createLargeCatalog({ clock, random, desk, wire, onChanged }: LargeCatalogDeps, options: { federation: string; pool: string; self: string }): LargeCatalog {
  const { federation, pool } = options
  const catalog = createCatalog({ ...options, random, seal: desk.seal, open: desk.open })
  let shifted = 0
  let closed = false
  let list: readonly NodeRecord[] | undefined

  function step(event: CatalogEvent): void {
    if (closed) return
    const effects = catalog.step(event, { mono: clock.now() + shifted, wall: clock.wall() })
    if (event.type !== 'tick' || effects.length > 0) list = undefined
    let changed = false
    for (const effect of effects) {
      if (effect.type === 'changed') changed = true
      else if (effect.type !== 'counted') run(effect)
    }
    if (changed) onChanged()
  }

  function run(effect: Exclude<CatalogEffect, { type: 'changed' | 'counted' }>): void {
    if (effect.type === 'publish') {
      const message = decodeGossip(effect.bytes)
      if ('record' in message) wire.gossip(message.record, SCOPE_BYTES + desk.size(message.record))
    } else if (effect.type === 'push') {
      const { records } = effect.push
      const push = { federation, pool, records }
      wire.exchange(effect.peer, 'push', SCOPE_BYTES + sizeOf(records), (other) => (other.step({ type: 'push', push, from: options.self }), { value: true, bytes: 1 }), () => {}, REQUEST_TIMEOUT)
    } else {
      const { peer, request } = effect
      wire.exchange(
        peer, 'digest', SCOPE_BYTES + ENTRY_BYTES * request.entries.length,
        (other) => {
          const value = other.digest(request)
          return { value, bytes: SCOPE_BYTES + sizeOf(value.records) + ENTRY_BYTES * value.wanted.length }
        },
        (answer) => step(answer === undefined ? { type: 'digest-failed', peer } : { type: 'answer', answer, from: peer }),
        REQUEST_TIMEOUT
      )
    }
  }

  const sizeOf = (records: readonly Uint8Array[]) => records.reduce((sum, handle) => sum + desk.size(handle) + 4, 0)

  function tick(): void {
    if (closed) return
    clock.after(TICK, tick)
    step({ type: 'tick' })
  }

  clock.after(random.float() * TICK, tick)
  return {
    step,
    digest: (request) => catalog.digest(request),
    records: () => (list ??= catalog.records()),
    live: () => catalog.live(),
    shift: (ms) => void (shifted += ms),
    close: () => void (closed = true)
  }
}

/** The records of one pool, as all its members see them after the time that gossip takes: instead of the machine, where it runs in other pools of the same size. */
export interface RecordBoard {
  readonly records: Map<string, NodeRecord>
  readonly readers: Set<() => void>
  sorted: readonly NodeRecord[] | undefined
}

export function createRecordBoard(): RecordBoard {
  return { records: new Map(), readers: new Set(), sorted: undefined }
}

export function putOnBoard(board: RecordBoard, record: NodeRecord): void {
  board.records.set(record.peer, record)
  board.sorted = undefined
  for (const each of board.readers) each()
}

/** How long gossip takes to all of a pool, ms. */
const BOARD_AFTER = 200

export function createBoardCatalog({ clock, onChanged }: Pick<LargeCatalogDeps, 'clock' | 'onChanged'>, board: RecordBoard, { federation, pool, self }: { federation: string; pool: string; self: string }): LargeCatalog {
  const sessions = new Set<string>()
  const members = new Set<string>()
  const live = new Set<string>()
  let said = ''
  let servers: unknown
  let closed = false
  let sequence = 0
  const reader = () => {
    if (!closed) onChanged()
  }
  board.readers.add(reader)

  function settle(peer: string): void {
    const is = sessions.has(peer) && members.has(peer)
    if (is === live.has(peer)) return
    if (is) live.add(peer)
    else live.delete(peer)
    onChanged()
  }

  return {
    step(event) {
      if (closed) return
      if (event.type === 'local') {
        const next = JSON.stringify(event.descriptor)
        if (next === said && servers === event.servers) return
        said = next
        servers = event.servers
        sequence = Math.max(sequence + 1, clock.wall())
        const record = { federation, pool, peer: self, sequence, expires: sequence + 600_000, ...event.descriptor, servers: event.servers }
        clock.after(BOARD_AFTER, () => {
          putOnBoard(board, record)
        })
      } else if (event.type === 'session-up') {
        sessions.add(event.peer)
        settle(event.peer)
      } else if (event.type === 'session-down') {
        sessions.delete(event.peer)
        settle(event.peer)
      } else if (event.type === 'member-up') {
        members.add(event.peer)
        settle(event.peer)
      } else if (event.type === 'member-down') {
        members.delete(event.peer)
        settle(event.peer)
      }
    },
    digest: () => ({ records: [], wanted: [], more: false }),
    records: () => (board.sorted ??= [...board.records.values()].sort((a, b) => (a.peer < b.peer ? -1 : 1))),
    live: () => live,
    shift() {},
    close() {
      closed = true
      board.readers.delete(reader)
    }
  }
}
