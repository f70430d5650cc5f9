import { backoffDelay } from '../../base/backoff.ts'
import type { ForwardRequest, QuorumAnswer } from '../../wire/quorum-types.ts'
import { MAX_WITHIN } from '../../wire/quorum.ts'
import type { GroupContext } from './context.ts'
import { decidedOf } from './decisions.ts'
import type { Outcome } from './events.ts'
import type { Proposal } from './proposal.ts'
import type { ProposalInfo } from './types.ts'

const BACKOFF = { base: 50, cap: 1_000 } as const
/** A voter gets this much less than is left: its answer must be back in time, ms; at most a quarter. */
const WAY_BACK = 300
/** A voter that could begin at all has answered in this time, or wants longer than it is worth waiting for, ms. */
const MIN_PATIENCE = 1_000

export interface ForwardSpec {
  what: ForwardRequest['what']
  key: string
  op: string
  expect?: number | undefined
  data?: Uint8Array | undefined
  within: number
  /** It was put to the vote before, and what came of it is not known. */
  lost?: boolean
  /** This node is not in the pool: the living are asked instead of the voters, and may pass it on so many times. */
  relays?: number
  /** Peers known to live: asked first. */
  living(): readonly string[]
  ended(outcome: Outcome): void
}

/** A change or read that this node cannot lead: the voters are asked one after another, with the same op id, so it is applied once. */
export function createForward(context: GroupContext, spec: ForwardSpec): Proposal {
  const started = context.now()
  const deadline = started + spec.within
  let begun = false
  let over = false
  let asking = false
  let stop = (): void => undefined
  let wake = started
  let tries = 0
  /** Sent to another voter too it is still done once: it names the version that it replaces, or changes nothing. */
  const again = spec.what === 'read' || (spec.what === 'change' && spec.expect !== undefined)
  /** Asked since all of them were. */
  let asked = new Set<string>()
  /** A voter got it, and what came of it is not known. */
  let lost = spec.lost === true
  /** It was not permitted to ask for this. */
  let denied: string | undefined
  let lastWhy = spec.relays === undefined ? 'no voter of this pool can be reached' : 'this node has no hub above that could pass it on: wait until it has one, or ask at a node in the pool'
  const info: ProposalInfo = {
    pool: context.pool, key: spec.key, op: spec.op, what: spec.what, state: 'running', started, deadline, rounds: 0, needed: context.needed(spec.key), votes: 0
  }

  function end(outcome: Outcome): void {
    if (over) return
    over = true
    stop()
    info.state = outcome.type === 'busy' ? 'no-quorum' : outcome.type
    info.ended = context.now()
    if ('why' in outcome) info.why = outcome.why
    if (outcome.type === 'decided') info.version = outcome.decided.version
    spec.ended(outcome)
  }

  function target(): string | undefined {
    const voters = context.decisions.voters().peers.filter((peer) => peer !== context.self)
    const living = spec.living()
    const order = spec.relays !== undefined ? living : [...voters.filter((peer) => living.includes(peer)), ...voters.filter((peer) => !living.includes(peer))]
    const next = order.find((peer) => !asked.has(peer))
    if (next !== undefined || order.length === 0) return next
    asked = new Set()
    // Another voter may know better who this node is; when all say so, nothing was begun.
    if (denied !== undefined && !lost) end({ type: 'conflict', why: denied, current: undefined })
    return undefined
  }

  function ask(): void {
    const to = target()
    if (over) return
    if (to === undefined) return pause()
    asked.add(to)
    info.rounds += 1
    const left = deadline - context.now()
    // One that stands still must leave time for the next.
    const patience = again ? Math.min(left, Math.max(MIN_PATIENCE, left / 2)) : left
    const within = Math.max(1, Math.min(MAX_WITHIN, patience - Math.min(WAY_BACK, patience / 4)))
    const { what, key, op, expect, data } = spec
    asking = true
    wake = deadline
    stop = context.ask(to, { kind: 'forward', pool: context.pool, what, key, op, expect, data, within, relays: spec.relays }, patience, (answer) => {
      asking = false
      if (!over) heard(to, answer)
    })
  }

  function pause(): void {
    wake = context.now() + backoffDelay(tries++, BACKOFF, context.random)
  }

  /** Not begun there: the next one, at once, until all were asked. */
  function onwards(why: string): void {
    lastWhy = why
    wake = context.now()
  }

  function heard(to: string, answer: QuorumAnswer | undefined): void {
    if (answer?.kind === 'refused') {
      if (answer.reason === 'not-permitted') denied = answer.why ?? 'the voter that was asked does not permit it'
      if (answer.reason === 'newer' || answer.reason === 'not-voter') context.learn(answer.chain ?? [], to)
      return onwards(answer.why ?? `the voter that was asked refuses: ${answer.reason}`)
    }
    if (answer?.kind !== 'outcome') {
      // It may have been begun. With a version to replace it can be tried again elsewhere: it applies once.
      lost ||= spec.what !== 'read'
      if (again) return onwards('the voter that was asked did not answer')
      return end({ type: 'unknown', why: 'the voter that was asked did not answer, and may still do it: read it' })
    }
    const why = answer.why ?? 'the voter that was asked gives no reason'
    switch (answer.outcome) {
      case 'decided': {
        if (answer.decided === undefined) return onwards('the voter that was asked gives no value')
        // Later voters alone, without the chain that leads to them, are not believed for this: the next comparison brings it.
        // Of a version that is not the newest any more only the value comes, without votes.
        if (answer.decided.votes.length > 0) context.learn([answer.decided], undefined)
        return end({ type: 'decided', decided: decidedOf(answer.decided) })
      }
      case 'conflict': {
        const current = answer.decided === undefined ? undefined : decidedOf(answer.decided)
        // Where the first voter may still try, only a later version shuts it out.
        const sure = !lost || (spec.expect !== undefined && current !== undefined && current.version > spec.expect)
        return end(sure ? { type: 'conflict', why, current } : { type: 'unknown', why })
      }
      case 'busy':
      case 'no-quorum':
        return onwards(why)
      default:
        // Shut out there: nothing speaks against another attempt.
        if (answer.outcome === 'expired' && again && deadline - context.now() > MIN_PATIENCE) return onwards(why)
        return end(lost && answer.outcome === 'expired' ? { type: 'unknown', why } : { type: answer.outcome, why })
    }
  }

  return {
    start() {
      begun = true
      ask()
    },
    tick() {
      if (over || !begun) return
      if (context.now() >= deadline) return end(lost || (asking && spec.what !== 'read') ? { type: 'unknown', why: lastWhy } : { type: 'no-quorum', why: lastWhy })
      if (!asking && context.now() >= wake) ask()
    },
    nextWake: () => (over ? undefined : Math.min(wake, deadline)),
    reported: () => over,
    done: () => over,
    broken: () => undefined,
    info: () => ({ ...info })
  }
}
