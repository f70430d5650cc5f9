import type { Timer } from '../../base/clock.ts'
import { errorMessage, SkeinError } from '../../base/errors.ts'
import { createListeners } from '../../base/listeners.ts'
import { randomHex } from '../../base/random.ts'
import { decodeQuorumAnswer, encodeQuorumAnswer, encodeQuorumRequest, MAX_WITHIN, quorumMethod } from '../../wire/quorum.ts'
import type { QuorumAnswer, QuorumRequest, RefusalReason } from '../../wire/quorum-types.ts'
import { MAX_DATA_BYTES, MAX_KEY, OP_BYTES } from '../../wire/quorum-votes.ts'
import type { QuorumGroup, Within } from './driver-types.ts'
import type { GroupEffect, GroupEvent, GroupMachine, GroupOptions, Outcome, Wanted } from './events.ts'
import { createGroupMachine } from './group.ts'
import type { QuorumMetrics } from './metrics.ts'
import { outcomeError } from './outcome-error.ts'
import type { QuorumDeps, StoredRow, VoteSeal } from './ports.ts'
import { VOTERS_KEY, type Decided } from './types.ts'
import { wouldVote } from './would-vote.ts'

/** Due timers are looked at no more often, ms: rounds and comparisons need no better. */
const MIN_TICK = 5
/** Requests of others that wait for an outcome; more are refused. Only forwarded ones wait. */
const MAX_ANSWERS = 256

export interface GroupDriver {
  group: QuorumGroup
  machine: GroupMachine
  answer(request: QuorumRequest, from: string): Promise<Uint8Array>
  setMembers(peers: readonly string[]): void
  setAudience(peers: readonly string[]): void
  peerUp(peer: string): void
  /** Ends what waits with SKEIN_CANCELLED. */
  close(): void
}

export interface GroupDriverOptions extends Omit<GroupOptions, 'random' | 'seal' | 'permits' | 'mayPropose' | 'isRegister' | 'now'> {
  seal: VoteSeal
  metrics: QuorumMetrics
}

/** Carries out what a group's machine wants: disk, sessions, timers, promises. */
export function createGroupDriver(deps: QuorumDeps, options: GroupDriverOptions): GroupDriver {
  const { clock, random, logger, store, permits } = deps
  const { pool, metrics } = options
  const machine = createGroupMachine({
    ...options, random, permits, now: clock.now(),
    mayPropose: (from) => deps.mayPropose?.(pool, from) ?? true,
    isRegister: (key) => deps.isRegister?.(pool, key) ?? true
  })
  const decidedListeners = createListeners<[Decided]>(logger, 'a listener of the quorum')
  const stopping = new AbortController()
  const calls = new Map<number, AbortController>()
  const answers = new Map<number, (answer: QuorumAnswer) => void>()
  const waiting = new Map<number, (outcome: Outcome | undefined) => void>()
  let lastId = 0
  let timer: Timer | undefined
  let wakeAt = Infinity
  let stepping = false
  let unkept = false
  const queue: GroupEvent[] = []
  const closed = () => stopping.signal.aborted

  function step(event: GroupEvent): void {
    if (closed()) return
    queue.push(event)
    // What a listener or a call does at once comes after the effects before it.
    if (stepping) return
    stepping = true
    try {
      for (let next = queue.shift(); next !== undefined && !closed(); next = queue.shift()) run(machine.step(next, clock.now()))
    } finally {
      stepping = false
    }
    if (!closed()) arm()
  }

  function run(effects: readonly GroupEffect[]): void {
    for (const [index, effect] of effects.entries()) {
      // By a listener: whoever opens it again begins with what is on disk now.
      if (closed()) return
      if (effect.type === 'persist') {
        try {
          store.save(pool, effect.rows)
        } catch (error) {
          unsaved(effects.slice(index + 1), errorMessage(error))
          return
        }
      } else carryOut(effect)
    }
  }

  /** What was to follow must not be heard by anybody. */
  function unsaved(rest: readonly GroupEffect[], why: string): void {
    // Before whatever else waits: the machine must forget what it thought it had decided.
    queue.unshift({ type: 'store-failed', why })
    for (const effect of rest) {
      if (effect.type === 'call') queue.push({ type: 'failed', call: effect.call, why })
      else if (effect.type === 'answer') {
        // A forwarded change may have been put to the vote before, and the failed write may be there all the same: nobody may take it for not begun.
        const unknown = effect.answer.kind === 'outcome'
        carryOut({ ...effect, answer: unknown ? { kind: 'outcome', outcome: 'unknown', why: 'what this node voted could not be written down' } : { kind: 'refused', reason: 'damaged' } })
      }
      else if (effect.type === 'ended') carryOut({ ...effect, outcome: { type: 'unknown', why: `what this node voted could not be written down: ${why}` } })
    }
  }

  /** Told once, until it can be written again. */
  function keep(rows: readonly StoredRow[]): void {
    try {
      store.save(pool, rows)
      unkept = false
    } catch (error) {
      if (!unkept) logger.warn('what a pool has decided is in force here, but cannot be kept on disk: after a restart it is asked for again', { pool, error: errorMessage(error) })
      unkept = true
    }
  }

  function carryOut(effect: Exclude<GroupEffect, { type: 'persist' }>): void {
    switch (effect.type) {
      case 'keep':
        return keep(effect.rows)
      case 'call':
        return call(effect.call, effect.to, effect.request, effect.timeout)
      case 'forget':
        calls.get(effect.call)?.abort(new SkeinError('SKEIN_CANCELLED', 'the answer is no longer needed'))
        return void calls.delete(effect.call)
      case 'answer':
        answers.get(effect.id)?.(effect.answer)
        return void answers.delete(effect.id)
      case 'ended':
        metrics.time(effect.outcome.type).observe(effect.took / 1_000)
        waiting.get(effect.id)?.(effect.outcome)
        return void waiting.delete(effect.id)
      case 'decided':
        return decidedListeners.tell(effect.decided)
      case 'refused':
        return metrics.refusals(effect.reason as RefusalReason).inc()
      case 'log':
        return logger[effect.level](effect.message, effect.fields)
      case 'counted':
        return count(effect.what)
    }
  }

  function count(what: Extract<GroupEffect, { type: 'counted' }>['what']): void {
    if (what === 'round') metrics.rounds.inc()
    else if (what === 'vote') metrics.votes.inc()
    else if (what === 'carried') metrics.carried.inc()
    else metrics.learned(what === 'learned' ? 'proven' : what === 'believed' ? 'believed' : 'bad').inc()
  }

  function call(id: number, to: string, request: QuorumRequest, timeout: number): void {
    const own = new AbortController()
    const { signal } = own
    calls.set(id, own)
    // A later turn: the machine is still handing out effects.
    void Promise.resolve()
      .then(() => deps.call(to, quorumMethod(request), encodeQuorumRequest(request), { timeout, signal }))
      .then((body) => decodeQuorumAnswer(body))
      .then(
        (answer) => calls.delete(id) && step({ type: 'answer', call: id, answer }),
        (error: unknown) => calls.delete(id) && step({ type: 'failed', call: id, why: errorMessage(error) })
      )
  }

  function arm(): void {
    const next = machine.nextWake()
    if (next === wakeAt && timer !== undefined) return
    timer?.cancel()
    wakeAt = next ?? Infinity
    timer = next === undefined ? undefined : clock.after(Math.max(MIN_TICK, next - clock.now()), () => {
      timer = undefined
      step({ type: 'tick' })
    })
  }

  function propose(key: string, wanted: Wanted, { within, signal }: Within): Promise<Decided> {
    return new Promise((resolve, reject) => {
      const cancelled = () => new SkeinError('SKEIN_CANCELLED', `nobody waits for ${key} any more, or this node stops; it may still be decided: read it`)
      if (closed() || signal?.aborted === true) return reject(cancelled())
      const id = ++lastId
      const onAbort = () => {
        waiting.delete(id)
        reject(cancelled())
        step({ type: 'abandon', id })
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      waiting.set(id, (outcome) => {
        signal?.removeEventListener('abort', onAbort)
        if (outcome === undefined) reject(cancelled())
        else if (outcome.type === 'decided') resolve(outcome.decided)
        else reject(outcomeError(pool, key, outcome))
      })
      step({ type: 'propose', id, wanted, within: Math.max(1, Math.min(MAX_WITHIN, within)) })
    })
  }

  const op = () => randomHex(random, OP_BYTES)
  const group: QuorumGroup = {
    pool,
    tier: options.tier,
    voters: () => machine.voters(),
    needed: (key) => machine.needed(key),
    known: (key) => machine.known(key),
    all: () => machine.all(),
    onDecided: (listener) => decidedListeners.add(listener),
    async change(key, { expect, data }, waits) {
      if (key === VOTERS_KEY) throw new SkeinError('SKEIN_BAD_REQUEST', 'voters are changed one at a time with changeVoters')
      if (key === '' || key.length > MAX_KEY) throw new SkeinError('SKEIN_LIMIT', `a register's name has 1 to ${MAX_KEY} characters`)
      if (data !== undefined && data.length > MAX_DATA_BYTES) throw new SkeinError('SKEIN_LIMIT', `${key} has ${data.length} bytes; a register holds at most ${MAX_DATA_BYTES}`)
      return propose(key, { what: 'change', key, op: op(), data, ...(expect !== 'any' && { expect }) }, waits)
    },
    async read(key, waits) {
      const decided = await propose(key, { what: 'read', key }, waits)
      return decided.version === 0 ? undefined : decided
    },
    changeVoters: (peers, waits) => propose(VOTERS_KEY, { what: 'voters', peers, op: op() }, waits),
    wouldVote: (peer, { within }) =>
      wouldVote(machine, pool, async (request) => decodeQuorumAnswer(await deps.call(peer, quorumMethod(request), encodeQuorumRequest(request), { timeout: within, signal: stopping.signal }))),
    proposals: () => machine.proposals(),
    votes: () => machine.votes(),
    status: () => machine.status()
  }

  return {
    group, machine,
    answer(request, from) {
      return new Promise((resolve) => {
        const done = (answer: QuorumAnswer) => resolve(encodeQuorumAnswer(answer))
        if (closed() || answers.size >= MAX_ANSWERS) return done({ kind: 'refused', reason: 'closed', why: 'too much is under way here, or this node stops: ask another voter' })
        const id = ++lastId
        answers.set(id, done)
        step({ type: 'request', id, from, request })
      })
    },
    setMembers: (peers) => step({ type: 'members', peers }),
    peerUp: (peer) => step({ type: 'peer-up', peer }),
    setAudience: (peers) => step({ type: 'audience', peers }),
    close() {
      if (closed()) return
      stopping.abort(new SkeinError('SKEIN_CANCELLED', 'the quorum of this pool is closed here'))
      timer?.cancel()
      for (const done of answers.values()) done({ kind: 'refused', reason: 'closed' })
      for (const done of waiting.values()) done(undefined)
      answers.clear()
      waiting.clear()
      for (const own of calls.values()) own.abort(stopping.signal.reason)
      calls.clear()
    }
  }
}
