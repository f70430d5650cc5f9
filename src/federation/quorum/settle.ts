import { backoffDelay } from '../../base/backoff.ts'
import type { QuorumAnswer } from '../../wire/quorum-types.ts'
import { encodeVoterSet } from '../../wire/quorum-votes.ts'
import { askVoters, ROUND_TIMEOUT } from './ask-voters.ts'
import type { GroupContext } from './context.ts'
import type { Outcome } from './events.ts'
import type { ProposalSpec } from './proposal.ts'
import { HUB_KEY, VOTERS_KEY } from './types.ts'

/** Registers carried over at the same time: a thousand at once would be a thousand messages to each voter. */
const CARRIED_AT_ONCE = 8
const BACKOFF = { base: 100, cap: 1_000 } as const

/** Starts a proposal of the machine's own. */
export type Propose = (spec: ProposalSpec) => void

export interface Settling {
  start(): void
  tick(): void
  nextWake(): number | undefined
  done(): boolean
}

export interface SettleOptions {
  within: number
  /** Id of the change that says so. */
  op: string
  propose: Propose
  /** The voters of today are settled, by this node or another; or undefined sentence why not in time. */
  ended(why: string | undefined): void
}

/**
 * Carries every register over to new voters and then says so: asks all of them which registers they hold anything of until a majority
 * has answered (which from then on refuse whoever knows only the old voters), has each decided again under the new voters, and
 * then decides `settled`. Before that nobody may change the voters again: so a quorum of any version shares a voter with what was decided before.
 */
export function createSettling(context: GroupContext, options: SettleOptions): Settling {
  const { decisions, self } = context
  const { version } = decisions.voters()
  const deadline = context.now() + options.within
  let phase: 'asking' | 'carrying' | 'over' = 'asking'
  let wake = context.now()
  let tries = 0
  let stop = (): void => undefined
  let answered = new Set<string>()
  let lost = new Set<string>()
  const keys = new Set<string>()
  let waiting: string[] = []
  let under = 0
  let carried = false
  /** What could not be carried over waits until then. */
  let retryAt = -Infinity

  const majority = () => context.needed(HUB_KEY)
  const left = () => Math.max(1, deadline - context.now())

  function end(why: string | undefined): void {
    if (phase === 'over') return
    phase = 'over'
    stop()
    options.ended(why)
  }

  /** Somebody else may have been faster. */
  function moved(): boolean {
    if (decisions.voters().version === version) return false
    end(undefined)
    return true
  }

  function ask(): void {
    answered = new Set()
    lost = new Set()
    wake = context.now() + ROUND_TIMEOUT
    const request = { kind: 'keys' as const, pool: context.pool, voters: version }
    heard(self, context.own(request))
    if (phase !== 'asking') return
    stop()
    ;({ stop } = askVoters(context, request, heard, { at: 0, count: Infinity }))
  }

  function heard(peer: string, answer: QuorumAnswer | undefined): void {
    if (phase !== 'asking' || moved()) return
    if (answer?.kind !== 'keys') {
      lost.add(peer)
      if (decisions.voters().peers.length - lost.size < majority()) pause()
      return
    }
    for (const key of answer.keys) keys.add(key)
    answered.add(peer)
    if (answered.size < majority()) return
    phase = 'carrying'
    stop()
    waiting = [...keys]
    carry()
  }

  function pause(): void {
    stop()
    wake = context.now() + backoffDelay(tries++, BACKOFF, context.random)
  }

  function carry(): void {
    for (const key of context.now() < retryAt ? [] : waiting.splice(0, CARRIED_AT_ONCE - under)) {
      under += 1
      options.propose({ what: 'carry', key, op: '', within: left(), retried: false, ended: (outcome) => ended(key, outcome) })
    }
    if (phase !== 'carrying' || under > 0 || waiting.length > 0 || carried || moved()) return
    carried = true
    const data = encodeVoterSet({ peers: decisions.voters().peers, settled: true })
    options.propose({ what: 'change', key: VOTERS_KEY, op: options.op, expect: version, data, within: left(), retried: false, ended: (outcome) => said(outcome) })
  }

  function ended(key: string, outcome: Outcome): void {
    under -= 1
    if (phase === 'over') return
    if (outcome.type === 'decided') context.emit({ type: 'counted', what: 'carried' })
    else if (context.now() >= deadline) return end(`${key} could not be carried over to the new voters`)
    else {
      waiting.push(key)
      retryAt = context.now() + backoffDelay(tries++, BACKOFF, context.random)
    }
    carry()
  }

  function said(outcome: Outcome): void {
    if (outcome.type === 'decided' || moved()) end(undefined)
    else end('why' in outcome ? outcome.why : 'it was not decided')
  }

  return {
    start: ask,
    tick() {
      if (phase === 'over' || moved()) return
      const now = context.now()
      if (now >= deadline) return end('too few of the new voters answered in time')
      if (phase === 'asking' && now >= wake) ask()
      if (phase === 'carrying' && waiting.length > 0 && now >= retryAt) carry()
    },
    nextWake() {
      if (phase === 'over') return undefined
      if (phase === 'asking') return Math.min(wake, deadline)
      return waiting.length > 0 && under < CARRIED_AT_ONCE ? Math.min(retryAt, deadline) : deadline
    },
    done: () => phase === 'over'
  }
}
