import { randomInt, type Random } from '../../base/random.ts'
import { fitBody, ITEM_OVERHEAD, MAX_RECORDS_PER_BODY, type DigestAnswer, type DigestRequest, type Scope } from '../../wire/catalog.ts'
import type { CatalogEffect, Now } from './events.ts'
import type { Records } from './records.ts'

/** Each node compares with one random other this often, ms: what gossip lost is found after a few rounds at most. */
export const SYNC_EVERY = 30_000
/** After a failed exchange the first retry, ms; doubles up to RETRY_CAP. */
export const RETRY_BASE = 1_000
/** Rarer than this a session that works again would wait too long for its catalog, ms. */
export const RETRY_CAP = 30_000
/** A new member's record is asked for after this time, ms: together with those of others that join now, and when its session had time to bring it. */
export const SYNC_SOON = 1_000
/** Peers asked for in one answer: their records fill the next pushes anyway. */
export const MAX_WANTED = 1_000

export interface ExchangeState {
  scope: Scope
  random: Random
  records: Records
  /** Members with a session; owned by the catalog. */
  live: ReadonlySet<string>
  /** Members, without this node; owned by the catalog. */
  members: ReadonlySet<string>
  /** Between two comparisons with a random peer, ms. @default SYNC_EVERY */
  syncEvery?: number | undefined
}

interface PeerState {
  inFlight: boolean
  /** Asked for while one was in flight. */
  again: boolean
  failures: number
  /** Monotonic ms of the retry. */
  retryAt: number
}

/** Who is asked when: anti-entropy on connect, now and then, after announcements and after failures. One exchange a peer. */
export interface Exchanges {
  start(peer: string): CatalogEffect[]
  /** A record too large for gossip was announced: its writer has it, else whoever passed the news on, else anyone. */
  fetchAnnounced(peer: string, from: string): CatalogEffect[]
  answered(peer: string, answer: DigestAnswer, progress: boolean): CatalogEffect[]
  failed(peer: string, now: Now): CatalogEffect[]
  forget(peer: string): void
  /** Compares with somebody within SYNC_SOON. */
  soon(now: Now): void
  tick(now: Now): CatalogEffect[]
  answer(request: DigestRequest): DigestAnswer
}

export function createExchanges({ scope, random, records, live, members, syncEvery = SYNC_EVERY }: ExchangeState): Exchanges {
  /** Bounded by `live`: forgotten with the session. */
  const peers = new Map<string, PeerState>()
  let syncAt = 0

  function start(peer: string): CatalogEffect[] {
    if (!live.has(peer)) return []
    const state = peers.get(peer) ?? { inFlight: false, again: false, failures: 0, retryAt: Infinity }
    peers.set(peer, state)
    if (state.inFlight) {
      state.again = true
      return []
    }
    state.inFlight = true
    state.again = false
    state.retryAt = Infinity
    const entries = records.list().map(({ peer: writer, sequence }) => ({ peer: writer, sequence }))
    return [{ type: 'digest', peer, request: { ...scope, entries } }]
  }

  function randomPeer(): string | undefined {
    const all = [...live].sort()
    return all[randomInt(random, all.length)]
  }

  /** As few pushes as the wanted records need. */
  function pushes(peer: string, wanted: readonly string[]): CatalogEffect[] {
    const effects: CatalogEffect[] = []
    let list = [...new Set(wanted)].map((writer) => records.bytes(writer)).filter((bytes) => bytes !== undefined)
    while (list.length > 0) {
      const count = Math.min(MAX_RECORDS_PER_BODY, Math.max(1, fitBody(list.map((bytes) => bytes.length))))
      effects.push({ type: 'push', peer, push: { ...scope, records: list.slice(0, count) } })
      list = list.slice(count)
    }
    return effects
  }

  return {
    start,
    fetchAnnounced(peer, from) {
      const target = live.has(peer) ? peer : live.has(from) ? from : randomPeer()
      return target === undefined ? [] : start(target)
    },
    answered(peer, answer, progress) {
      const state = peers.get(peer)
      if (state === undefined) return []
      // A peer that says `more` and gives nothing new would keep us asking for ever.
      const again = state.again || (answer.more && progress)
      state.inFlight = false
      state.failures = 0
      return [...pushes(peer, answer.wanted), ...(again ? start(peer) : [])]
    },
    failed(peer, now) {
      const state = peers.get(peer)
      if (state === undefined) return []
      state.inFlight = false
      state.retryAt = now.mono + Math.min(RETRY_CAP, RETRY_BASE * 2 ** Math.min(state.failures, 5))
      state.failures++
      return []
    },
    forget(peer) {
      peers.delete(peer)
    },
    soon(now) {
      const at = now.mono + SYNC_SOON
      syncAt = syncAt === 0 ? at : Math.min(syncAt, at)
    },
    tick(now) {
      const effects = [...peers].flatMap(([peer, state]) => (!state.inFlight && state.retryAt <= now.mono ? start(peer) : []))
      if (now.mono < syncAt) return effects
      // Spread over half a period more or less, so that nodes started together do not all sync together.
      const first = syncAt === 0
      syncAt = now.mono + syncEvery * (0.75 + random.float() / 2)
      const peer = first ? undefined : randomPeer()
      return peer === undefined ? effects : [...effects, ...start(peer)]
    },
    answer(request) {
      if (request.federation !== scope.federation || request.pool !== scope.pool) return { records: [], wanted: [], more: false }
      const theirs = new Map(request.entries.map(({ peer, sequence }) => [peer, sequence]))
      const newer = records.list().filter(({ peer, sequence }) => sequence > (theirs.get(peer) ?? -1))
      // Of others nothing would be kept.
      const wanted = request.entries.filter(({ peer, sequence }) => members.has(peer) && sequence > (records.get(peer)?.sequence ?? -1)).map(({ peer }) => peer)
      const asked = [...new Set(wanted)].slice(0, MAX_WANTED)
      const bytes = newer.map(({ peer }) => records.bytes(peer) as Uint8Array)
      // The wanted ids take their room first.
      const reserved = asked.length * ITEM_OVERHEAD * 2
      const count = Math.min(MAX_RECORDS_PER_BODY, fitBody([reserved, ...bytes.map((one) => one.length)]) - 1)
      return { records: bytes.slice(0, count), wanted: asked, more: count < bytes.length || wanted.length > asked.length }
    }
  }
}
