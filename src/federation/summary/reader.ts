import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage, isSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import { METHOD } from '../../wire/protocols.ts'
import { decodeSyncAnswer, encodeSyncRequest, type SyncAnswer, type SyncRequest } from '../../wire/summary.ts'
import { BUCKETS, type BodyReader, type SummaryRow } from '../../wire/summary-row.ts'
import { createOnce } from './implausible.ts'
import type { SummaryMetrics, SyncResult } from './metrics.ts'
import type { SummaryCall } from './ports.ts'
import { isUnreadable, type Source, type Sources } from './sources.ts'

/** What changes lost is found after this time at the latest, ms; and interests are renewed. */
export const SYNC_EVERY = 30_000
/** When both agreed at once, and nothing special is wanted: every change since then says what was before it, and is repeated until it arrives, ms. */
export const QUIET_EVERY = 240_000
/** After a failure the first retry, ms; doubles up to RETRY_CAP. */
const RETRY_BASE = 1_000
const RETRY_CAP = 5_000
/** A hub that has just become one collects its tables first, and one that does not know this node yet soon will: so soon it is asked again, ms. */
const LATER = 1_000
/** A hub whose table does not add up is asked again after this time only, whatever it tells meanwhile, ms. */
export const UNREADABLE_EVERY = 60_000
/** A hub with a hundred members is not asked by all of them at once after a change that they missed, ms. */
const SPREAD = 200
/** One exchange is at most 1 MiB, between neighbours of the tree, ms. */
const SYNC_TIMEOUT = 5_000
/** Tables change while they are read: so many times from the start, then a pause. */
const ROUNDS = 3
/** A full table of the largest federation has fewer pages; one that never ends is a fault of the other side. */
const MAX_PAGES = 64

interface State {
  inFlight: boolean
  /** Whom it is asking. */
  peer: string | undefined
  abort: AbortController | undefined
  /** Asked for while one was in flight. */
  again: boolean
  failures: number
  /** Answers in a row that the table is not complete yet, or not to be had. */
  later: number
  /** Monotonic ms. */
  dueAt: number
  /** While it cannot be read: it is not asked before, monotonic ms. */
  rest: number
}

/** Keeps the tables that this node reads equal to those of the hubs that tell them. One exchange a table. */
export interface Reader {
  /** As soon as it can be: it has another hub, missed a change, or this node wants something special. */
  soon(source: Source): void
  /** This node is interested in something: to be said again and again from now on. */
  wants(source: Source): void
  busy(source: Source): boolean
  /** Again with what is there. */
  start(): void
  stop(): void
}

export interface ReaderDeps {
  clock: Clock
  random: Random
  logger: Logger
  metrics: SummaryMetrics
  sources: Sources
  call: SummaryCall
  interest(): string[]
  read: BodyReader | undefined
  /** Rows of these keys changed. */
  onDirty(dirty: ReadonlySet<string>): void
  /** The hub of a table says that it is not, or not for this node. */
  onDenied(source: Source): void
  /** A table is that of its hub now. */
  onSynced(): void
}

export function createReader(deps: ReaderDeps): Reader {
  const { clock, random, metrics, sources } = deps
  /** Those of sources that are gone go when they are looked at. */
  const states = new Map<Source, State>()
  const once = createOnce()
  let timer: Timer | undefined
  let timerAt = Infinity
  let running = false

  function stateOf(source: Source): State {
    const state = states.get(source) ?? { inFlight: false, peer: undefined, abort: undefined, again: false, failures: 0, later: 0, dueAt: Infinity, rest: 0 }
    states.set(source, state)
    return state
  }

  function arm(): void {
    if (!running) return
    let next = Infinity
    for (const state of states.values()) if (!state.inFlight) next = Math.min(next, state.dueAt)
    if (next === timerAt) return
    timer?.cancel()
    timerAt = next
    timer = next === Infinity ? undefined : clock.after(Math.max(0, next - clock.now()), tick)
  }

  function tick(): void {
    timer = undefined
    timerAt = Infinity
    const now = clock.now()
    const living = new Set(sources.all())
    for (const [source, state] of states) {
      if (!living.has(source)) states.delete(source)
      else if (!state.inFlight && state.dueAt <= now) void run(source, state)
    }
    arm()
  }

  async function run(source: Source, state: State): Promise<void> {
    const { peer } = source
    state.dueAt = Infinity
    if (peer === undefined || !running) return
    state.inFlight = true
    state.again = false
    state.peer = peer
    state.abort = new AbortController()
    const { signal } = state.abort
    let wait: number
    try {
      const result = await compare(source, peer, signal)
      metrics.syncs(result).inc()
      if (result === 'same' || result === 'changed') state.failures = 0
      if (result !== 'later' && result !== 'refused') state.later = 0
      if (result === 'unreadable') unread(source, peer)
      // All nodes together would ask together.
      if (result === 'unreadable') wait = backoff(state)
      else if (result === 'later' || result === 'refused') wait = Math.min(RETRY_CAP, LATER * 2 ** Math.min(state.later++, 5)) * (0.75 + random.float() / 2)
      else wait = (result === 'same' && !wantsMore(source) ? QUIET_EVERY : SYNC_EVERY) * (0.75 + random.float() / 2)
    } catch (error) {
      const isMalformed = isSkeinError(error, 'SKEIN_PROTOCOL')
      metrics.syncs(isMalformed ? 'unreadable' : 'failed').inc()
      if (isMalformed) unread(source, peer)
      deps.logger.debug('comparing a table with its hub failed; it is tried again', { peer, pool: source.pool, error: errorMessage(error) })
      wait = backoff(state)
    }
    state.inFlight = false
    state.abort = undefined
    if (!running) return
    if (source.peer !== peer) state.failures = 0
    const now = clock.now()
    state.rest = now + UNREADABLE_EVERY * (0.75 + random.float() / 2)
    state.dueAt = allowed(source, state, now + (state.again || source.peer !== peer ? random.float() * SPREAD : wait))
    arm()
  }

  /** When it is asked, if it is to be at this time. */
  function allowed(source: Source, { rest }: State, at: number): number {
    return isUnreadable(source) ? Math.max(at, rest) : at
  }

  function unread(source: Source, peer: string): void {
    if (source.peer !== peer) return
    source.failures++
    if (!isUnreadable(source) || !once(`${source.pool} ${peer}`)) return
    deps.logger.warn(
      'what a hub tells of the servers of its pool does not add up: searches do without it, and it is asked again every minute only. Look at that node, and shut it out if it lies: skein consensus propose ban/<peer id> "<reason>"',
      { peer, pool: source.pool }
    )
    // Whoever waits for all tables waits for this one no more.
    deps.onSynced()
  }

  function wantsMore({ direction }: Source): boolean {
    return direction === 'down' && deps.interest().length > 0
  }

  function backoff(state: State): number {
    return Math.min(RETRY_CAP, RETRY_BASE * 2 ** Math.min(state.failures++, 5)) * (0.5 + random.float() / 2)
  }

  async function ask(source: Source, peer: string, signal: AbortSignal, more: Partial<SyncRequest>): Promise<SyncAnswer | undefined> {
    const { direction, pool, token } = source
    const request: SyncRequest = { direction, pool, token, hash: source.table.hash(), interest: direction === 'down' ? deps.interest() : [], ...more }
    const answer = await deps.call(peer, METHOD.SUMMARY_SYNC, encodeSyncRequest(request), { timeout: SYNC_TIMEOUT, signal })
    // Another hub meanwhile: what this one said is not believed any more.
    if (source.peer !== peer || source.pool !== pool || signal.aborted) return undefined
    return decodeSyncAnswer(answer, deps.read)
  }

  async function compare(source: Source, peer: string, signal: AbortSignal): Promise<Exclude<SyncResult, 'failed'>> {
    for (let round = 0; round < ROUNDS; round++) {
      const answer = await ask(source, peer, signal, {})
      if (answer?.state === 'later') return 'later'
      if (answer?.state === 'same') {
        synced(source)
        return round === 0 ? 'same' : 'changed'
      }
      if (answer?.state === 'not-mine') deps.onDenied(source)
      if (answer?.state !== 'buckets') return 'refused'
      const mine = source.table.buckets()
      const want = Array.from({ length: BUCKETS }, (_, index) => index).filter((index) => mine[index] !== answer.buckets[index])
      const pages = await fetch(source, peer, signal, want)
      if (pages === 'refused' || pages === 'unreadable') return pages
      const dirty = new Set<string>()
      sources.replace(source, new Set(want), pages.rows, dirty)
      if (dirty.size > 0) deps.onDirty(dirty)
      if (source.table.hash() === pages.hash) {
        synced(source)
        return 'changed'
      }
    }
    return 'unreadable'
  }

  function synced(source: Source): void {
    source.synced = true
    source.failures = 0
    source.denied = false
    deps.onSynced()
  }

  async function fetch(source: Source, peer: string, signal: AbortSignal, want: number[]): Promise<{ rows: SummaryRow[]; hash: number } | 'refused' | 'unreadable'> {
    const rows: SummaryRow[] = []
    let after: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = await ask(source, peer, signal, { want, ...(after === undefined ? {} : { after }) })
      if (answer === undefined) return 'refused'
      if (answer.state !== 'rows') return 'unreadable'
      for (const row of answer.rows) rows.push(row)
      after = answer.next
      if (after === undefined) return { rows, hash: answer.hash }
    }
    return 'unreadable'
  }

  return {
    soon(source) {
      const state = stateOf(source)
      if (state.inFlight) {
        state.again = true
        // A hub that is gone would keep its successor waiting.
        if (state.peer !== source.peer) state.abort?.abort(new Error('the table has another hub now'))
      } else state.dueAt = Math.min(state.dueAt, allowed(source, state, clock.now() + random.float() * SPREAD))
      arm()
    },
    wants(source) {
      const state = stateOf(source)
      if (!state.inFlight) state.dueAt = Math.min(state.dueAt, allowed(source, state, clock.now() + random.float() * SYNC_EVERY))
      arm()
    },
    busy: (source) => states.get(source)?.inFlight === true,
    start() {
      if (running) return
      running = true
      for (const source of sources.all()) stateOf(source).dueAt = clock.now() + random.float() * SPREAD
      arm()
    },
    stop() {
      running = false
      for (const { abort } of states.values()) abort?.abort(new Error('the node is stopping'))
      timer?.cancel()
      timer = undefined
      timerAt = Infinity
    }
  }
}
