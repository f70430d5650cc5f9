import type { Random } from '../../base/random.ts'
import type { NodeRecord, ServerEntry } from '../../wire/catalog-types.ts'
import { decodeGossip, encodeGossip, MAX_GOSSIP_BYTES, type DigestAnswer, type DigestRequest, type Scope } from '../../wire/catalog.ts'
import { errorMessage } from '../../base/errors.ts'
import type { CatalogEffect, CatalogEvent, Now, UpdateSource } from './events.ts'
import { createExchanges } from './exchanges.ts'
import type { PoolDescriptor, RecordSeal } from './ports.ts'
import { createRecords } from './records.ts'
import { createWaitingRoom } from './waiting-room.ts'

/** How long a record lives unless renewed: a node that vanished without a word is forgotten after that. */
export const RECORD_TTL = 10 * 60_000
/** Renewed at half of it, so that one lost renewal changes nothing. */
export const RENEW_AFTER = RECORD_TTL / 2
/** When only the figures of a hub changed, its record is not published more often, ms: a hundred leaves that come at once are a few records. */
export const HUB_REST = 5_000

export interface CatalogOptions extends Scope, RecordSeal {
  self: string
  random: Random
  /** How often records are compared with a random peer, ms. @default 30 000 */
  syncEvery?: number | undefined
}

export interface Catalog {
  step(event: CatalogEvent, now: Now): CatalogEffect[]
  /** The answer to another node's digest. A digest of another pool gets an empty one. */
  digest(request: DigestRequest): DigestAnswer
  /** All records held, the own one included, by peer id. */
  records(): NodeRecord[]
  record(peer: string): NodeRecord | undefined
  /** The own record as it is published; undefined before the first. */
  own(): Uint8Array | undefined
  /** Members with a session: those whose servers are offered, and with whom digests are compared. */
  live(): ReadonlySet<string>
}

/**
 * The replicated catalog as a pure machine: every node writes one signed record of its own, records travel by gossip and
 * by comparing digests, and the higher sequence wins (protocols/catalog.md). A record proves its key, not that anybody is behind it:
 * only those of members are taken. What a member wrote stays until it expires, so that a name does not move when its node dies.
 */
export function createCatalog(options: CatalogOptions): Catalog {
  const { federation, pool, self, random } = options
  const scope: Scope = { federation, pool }
  const sessions = new Set<string>()
  const members = new Set<string>()
  /** Both: kept as one set, for it is asked for with every change. A session with a node of another pool is of no use to this one. */
  const live = new Set<string>()
  const waiting = createWaitingRoom()
  const records = createRecords({ ...scope, self })
  const exchanges = createExchanges({ scope, random, records, live, members, syncEvery: options.syncEvery })
  let mine: { servers: ServerEntry[]; descriptor: PoolDescriptor } | undefined
  let renewAt = Infinity
  let publishedAt = -Infinity
  /** Figures of a hub wait until then. */
  let figuresAt = Infinity
  /** No record of ours may have this sequence or a lower one. */
  let lastSequence = 0

  function publish(now: Now): CatalogEffect[] {
    if (mine === undefined) return []
    const sequence = Math.max(lastSequence + 1, now.wall)
    const record: NodeRecord = { ...scope, peer: self, sequence, expires: now.wall + RECORD_TTL, ...mine.descriptor, servers: mine.servers }
    const bytes = options.seal(record)
    lastSequence = sequence
    renewAt = now.mono + RENEW_AFTER
    publishedAt = now.mono
    figuresAt = Infinity
    records.putOwn(record, bytes)
    const whole = encodeGossip({ ...scope, record: bytes })
    const small = whole.length <= MAX_GOSSIP_BYTES ? whole : encodeGossip({ ...scope, peer: self, sequence })
    return [{ type: 'publish', bytes: small }]
  }

  function receive(bytes: Uint8Array, source: UpdateSource, from: string, now: Now): CatalogEffect[] {
    let record
    try {
      record = options.open(bytes)
    } catch (error) {
      return [{ type: 'counted', source, result: 'bad', from, message: errorMessage(error) }]
    }
    if (record.peer === self) return receiveOwn(record, source, from, now)
    if (!members.has(record.peer) && record.federation === federation && record.pool === pool) {
      waiting.put(record.peer, record.sequence, bytes, now.mono)
      return [{ type: 'counted', source, result: 'waiting', from }]
    }
    const before = records.get(record.peer)
    const result = records.put(record, bytes, live, now.wall)
    const counted: CatalogEffect = { type: 'counted', source, result, from, ...(result === 'foreign' && { message: 'the record belongs to another federation or pool' }) }
    if (result !== 'new') return [counted]
    // A renewal changes nothing that is offered.
    return before !== undefined && sameContent(before, record) ? [counted] : [counted, { type: 'changed' }]
  }

  /** Sessions and members come and go independently; what is offered depends on both. */
  function settle(peer: string): CatalogEffect[] {
    const is = sessions.has(peer) && members.has(peer)
    if (is === live.has(peer)) return []
    if (is) {
      live.add(peer)
      return [{ type: 'changed' }, ...exchanges.start(peer)]
    }
    live.delete(peer)
    exchanges.forget(peer)
    return [{ type: 'changed' }]
  }

  function memberUp(peer: string, now: Now): CatalogEffect[] {
    members.add(peer)
    const early = waiting.take(peer)
    const received = early === undefined ? [] : receive(early, 'waiting', peer, now)
    // Its record, or a newer one, may have been offered by others before, and was not asked for.
    if (early === undefined) exchanges.soon(now)
    return [...received, ...settle(peer)]
  }

  /** Others hold a record of ours from before we lost our memory: rise above it. */
  function receiveOwn(record: NodeRecord, source: UpdateSource, from: string, now: Now): CatalogEffect[] {
    const counted: CatalogEffect = { type: 'counted', source, result: 'own', from }
    if (record.sequence <= lastSequence || record.federation !== federation || record.pool !== pool) return [counted]
    lastSequence = record.sequence
    return [counted, ...publish(now)]
  }

  function receiveAll(list: readonly Uint8Array[], source: UpdateSource, from: string, now: Now): CatalogEffect[] {
    return list.flatMap((bytes) => receive(bytes, source, from, now))
  }

  function onGossip(bytes: Uint8Array, from: string, now: Now): CatalogEffect[] {
    let message
    try {
      message = decodeGossip(bytes)
    } catch (error) {
      return [{ type: 'counted', source: 'gossip', result: 'bad', from, message: errorMessage(error) }]
    }
    if (message.federation !== federation || message.pool !== pool) return [{ type: 'counted', source: 'gossip', result: 'foreign', from }]
    if ('record' in message) return receive(message.record, 'gossip', from, now)
    if (!members.has(message.peer) || (records.get(message.peer)?.sequence ?? 0) >= message.sequence) return []
    return exchanges.fetchAnnounced(message.peer, from)
  }

  function step(event: CatalogEvent, now: Now): CatalogEffect[] {
    switch (event.type) {
      case 'local': {
        const before = mine
        mine = { servers: event.servers, descriptor: event.descriptor }
        if (before !== undefined && JSON.stringify(before) === JSON.stringify(mine)) return []
        if (before !== undefined && now.mono < publishedAt + HUB_REST && JSON.stringify(withoutFigures(before)) === JSON.stringify(withoutFigures(mine))) {
          figuresAt = publishedAt + HUB_REST
          return []
        }
        return [...publish(now), { type: 'changed' }]
      }
      case 'gossip':
        return onGossip(event.bytes, event.from, now)
      case 'push':
        if (event.push.federation !== federation || event.push.pool !== pool) return [{ type: 'counted', source: 'push', result: 'foreign', from: event.from }]
        return receiveAll(event.push.records, 'push', event.from, now)
      case 'answer': {
        const effects = receiveAll(event.answer.records, 'answer', event.from, now)
        const progress = effects.some((effect) => effect.type === 'counted' && effect.result === 'new')
        return [...effects, ...exchanges.answered(event.from, event.answer, progress)]
      }
      case 'digest-failed':
        return exchanges.failed(event.peer, now)
      case 'session-up':
        if (sessions.has(event.peer) || event.peer === self) return []
        sessions.add(event.peer)
        return settle(event.peer)
      case 'session-down':
        return sessions.delete(event.peer) ? settle(event.peer) : []
      case 'member-up':
        return members.has(event.peer) || event.peer === self ? [] : memberUp(event.peer, now)
      case 'member-down':
        members.delete(event.peer)
        return settle(event.peer)
      case 'tick': {
        waiting.expire(now.mono)
        const effects: CatalogEffect[] = records.expire(now.wall) ? [{ type: 'changed' }] : []
        if (now.mono >= renewAt || now.mono >= figuresAt) effects.push(...publish(now))
        return [...effects, ...exchanges.tick(now)]
      }
    }
  }

  return {
    step,
    digest: (request) => exchanges.answer(request),
    records: () => records.list(),
    record: (peer) => records.get(peer),
    own: () => records.bytes(self),
    live: () => live
  }
}

/** Whether a hub takes more nodes is no figure: who looks for one must know at once. */
function withoutFigures({ servers, descriptor }: { servers: ServerEntry[]; descriptor: PoolDescriptor }): unknown {
  const { hub } = descriptor
  return hub === undefined ? { servers, descriptor } : { servers, descriptor: { ...descriptor, hub: [hub.pool, hub.tier, hub.token, hub.hubRoom > 0, hub.leafRoom > 0] } }
}

function sameContent(a: NodeRecord, b: NodeRecord): boolean {
  const content = (record: NodeRecord) => JSON.stringify({ ...record, sequence: 0, expires: 0 })
  return content(a) === content(b)
}
