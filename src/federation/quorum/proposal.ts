import { backoffDelay } from '../../base/backoff.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Accepted, Certificate, QuorumAnswer, RegisterValue } from '../../wire/quorum-types.ts'
import { decodeVoterSet, encodeVoterSet, sameValue } from '../../wire/quorum-votes.ts'
import { changed, placeOf } from './applied.ts'
import { askVoters, ROUND_TIMEOUT, type Asking } from './ask-voters.ts'
import type { GroupContext } from './context.ts'
import { later } from './decisions.ts'
import type { Outcome } from './events.ts'
import { compareAttempts, type Attempt } from './rules.ts'
import { HUB_KEY, VOTERS_KEY, type Decided, type ProposalInfo } from './types.ts'

/** Duelling proposers step aside for about a round's time, ms. */
const BACKOFF = { base: 40, cap: 1_000 } as const
/** Where fewer than all voters are asked for a promise, the others are when one of these refuses or does not answer so soon, ms. */
const ASK_REST_AFTER = 300
const EVERYBODY = { at: 0, count: Infinity }
/** Kept of the time given, to shut out what may still be under way, ms; at most a third of it. */
const CLOSING_TIME = 1_500
/** What could not be settled in time is tried for so long after it, ms: then its voters have long forgotten the ballots, or are gone. */
export const SETTLING_TIME = 30_000

export interface ProposalSpec {
  /** `carry`: what is decided is voted for again, by the voters of today. */
  what: 'change' | 'read' | 'carry'
  key: string
  /** '' unless a change. */
  op: string
  expect?: number | undefined
  data?: Uint8Array | undefined
  within: number
  /** The same change may have been tried by another voter. */
  retried: boolean
  ended(outcome: Outcome): void
  /** This node votes no more, but nothing speaks against a voter going on with it. `put`: it may be decided already. Absent: it ends then. */
  handOn?: ((put: boolean, left: number) => void) | undefined
}

/** One change or read at a voter, over as many rounds as it takes. */
export interface Proposal {
  start(): void
  tick(): void
  nextWake(): number | undefined
  /** The outcome is told; it may go on to settle what it left open. */
  reported(): boolean
  done(): boolean
  /** What was voted for can no longer be written down. */
  broken(why: string): void
  info(): ProposalInfo
}

type Goal = { type: 'value' } | { type: 'applied'; version: number } | { type: 'conflict' | 'expired'; why: string }

export function createProposal(context: GroupContext, spec: ProposalSpec): Proposal {
  const { decisions, voter, rules, self } = context
  const { key, op, expect } = spec
  const started = context.now()
  const deadline = started + spec.within
  const closeAt = deadline - Math.min(CLOSING_TIME, spec.within / 3)
  let phase: 'waiting' | 'preparing' | 'accepting' | 'over' = 'waiting'
  let attempt: Attempt = { voters: 0, ballot: { n: 0, peer: self } }
  /** The highest ballot heard of. */
  let heardOf = 0
  /** Others on the same register come first. */
  let begun = false
  let wake = started
  let lostRounds = 0
  /** Its value was put to the vote: it may be decided even if nobody says so. */
  let put = false
  let first: number | undefined
  /** Nothing new is proposed any more; what remains is to make sure. */
  let closing: { type: 'conflict' | 'expired'; why: string } | undefined
  let told = false
  let hadQuorum = false
  let asking: Asking | undefined
  let restAt = Infinity
  let promises = new Map<string, Accepted | undefined>()
  let signatures = new Map<string, Uint8Array>()
  let refusals = new Map<string, string>()
  let out = new Set<string>()
  let proposed: { value: RegisterValue; goal: Goal } | undefined
  const info: ProposalInfo = {
    pool: context.pool, key, op, what: spec.what === 'change' ? 'change' : 'read', state: 'running', started, deadline, rounds: 0, needed: context.needed(key), votes: 0
  }

  function end(outcome: Outcome): void {
    const state = outcome.type === 'busy' ? 'no-quorum' : outcome.type
    phase = 'over'
    asking?.stop()
    info.state = state
    info.ended = context.now()
    if ('why' in outcome) info.why = outcome.why
    if (outcome.type === 'decided') info.version = outcome.decided.version
    tell(outcome)
  }

  function tell(outcome: Outcome): void {
    if (told) return
    told = true
    spec.ended(outcome)
  }

  /** To be carried over, a value must be where every later quorum finds it: a majority, whatever it takes to decide a change. */
  function quorum(): number {
    return context.needed(spec.what === 'carry' ? HUB_KEY : key)
  }

  function isQuorum(voted: readonly string[]): boolean {
    return spec.what === 'carry' ? voted.length >= quorum() : context.isQuorum(key, voted)
  }

  const isQuorumWithout = (out: { has(peer: string): boolean }) => isQuorum(decisions.voters().peers.filter((peer) => !out.has(peer)))

  /** Votes enough to decide it, or to prove once more what is known to be decided. */
  function proven(certificate: Certificate): void {
    const known = decisions.get(key)
    if (context.isQuorum(key, certificate.votes.map(({ peer }) => peer)) || (known !== undefined && sameValue(known.value, certificate.value))) context.decided(certificate)
  }

  function begin(): void {
    if (!voter.canVote(key)) return votesNoMore()
    if (put && closing === undefined && context.now() >= closeAt) closing = { type: 'expired', why: 'it was not decided in time' }
    const { version } = decisions.voters()
    attempt = { voters: version, ballot: { n: Math.max(voter.promised(key), attempt.voters === version ? heardOf : 0) + 1, peer: self } }
    info.rounds += 1
    info.needed = quorum()
    context.emit({ type: 'counted', what: 'round' })
    phase = 'preparing'
    promises = new Map()
    refusals = new Map()
    out = new Set()
    proposed = undefined
    // `next` lets a voter refuse before it promises anything.
    const next = spec.what !== 'change' || closing !== undefined ? undefined : { data: spec.data, version: expect === undefined ? undefined : expect + 1 }
    const request = { kind: 'prepare' as const, pool: context.pool, voters: version, key, ballot: attempt.ballot, next }
    round(request, (answer) => answer.kind === 'promised' && void promises.set(self, answer.accepted))
  }

  function votesNoMore(): void {
    // Put to the vote, a change of any version could be made once more without anybody seeing that it was.
    const handOn = told || (put && expect === undefined) ? undefined : spec.handOn
    const why = `this node does not vote on it any more${handOn === undefined ? '' : ': another voter is asked'}`
    told ||= handOn !== undefined
    end(put ? { type: 'unknown', why } : { type: 'no-quorum', why })
    handOn?.(put, deadline - context.now())
  }

  /** The own vote first: it is on disk before others hear of the ballot, so that none is used twice. */
  function round(request: Parameters<typeof askVoters>[1], own: (answer: QuorumAnswer) => unknown): void {
    const mine = attempt
    wake = context.now() + ROUND_TIMEOUT
    const answer = context.own(request)
    if (answer.kind === 'refused') {
      context.emit({ type: 'refused', reason: answer.reason })
      note(self, answer)
      roundLost()
      return
    }
    own(answer)
    asking?.stop()
    const { kind } = request
    const current = kind === 'prepare' ? 'preparing' : 'accepting'
    // A hub renews its lease without rivals. Only promises are saved: all are to vote, for each counts the age of the lease from its own last vote.
    const saves = kind === 'prepare' && key === HUB_KEY && decisions.get(key)?.ballot.peer === self
    const first = saves ? { at: attempt.ballot.n, count: Math.max(0, quorum() - 1) } : EVERYBODY
    restAt = saves ? context.now() + ASK_REST_AFTER : Infinity
    asking = askVoters(context, request, (peer, said) => {
      if (phase === current && mine === attempt) heard(peer, said)
    }, first)
    check()
  }

  function heard(peer: string, answer: QuorumAnswer | undefined): void {
    if (phase === 'preparing' && answer?.kind === 'promised') promises.set(peer, answer.accepted)
    else if (phase === 'accepting' && answer?.kind === 'accepted') {
      signatures.set(peer, answer.signature)
      context.vote({ key, voter: peer, ...attempt, version: proposed?.value.version ?? 0 })
    } else note(peer, answer)
    check()
  }

  function note(peer: string, answer: QuorumAnswer | undefined): void {
    out.add(peer)
    if (peer !== self) askRest()
    if (answer?.kind !== 'refused') return
    if (answer.reason === 'ballot') heardOf = Math.max(heardOf, answer.ballot?.n ?? 0)
    if (answer.reason === 'damaged') context.damagedAt(peer, key)
    if (answer.reason === 'not-permitted') refusals.set(peer, answer.why ?? 'a voter does not permit it')
    if (answer.reason === 'illegal' && answer.why !== undefined) refusals.set(peer, answer.why)
  }

  function askRest(): void {
    restAt = Infinity
    asking?.rest()
  }

  function check(): void {
    const had = [...(phase === 'preparing' ? promises : signatures).keys()]
    info.votes = had.length
    if (decisions.voters().version !== attempt.voters) return again(0)
    if (isQuorum(had)) return phase === 'preparing' ? evaluate() : accepted()
    if (!isQuorumWithout(out)) roundLost()
  }

  function roundLost(): void {
    const unwilling = [...refusals.values()][0]
    if (unwilling !== undefined && (refusals.has(self) || !isQuorumWithout(refusals)) && spec.what === 'change') {
      // No `current`: nobody has looked what is there, so this says nothing of an earlier attempt at the same change elsewhere.
      if (!put) return end({ type: 'conflict', why: unwilling, current: undefined })
      closing ??= { type: 'conflict', why: unwilling }
    }
    again(backoffDelay(lostRounds++, BACKOFF, context.random))
  }

  function again(wait: number): void {
    asking?.stop()
    restAt = Infinity
    phase = 'waiting'
    wake = context.now() + wait
  }

  /** A quorum has promised: what is there, and what follows from it. */
  function evaluate(): void {
    hadQuorum = true
    let best: Accepted | undefined
    for (const each of promises.values()) best = later(best, each)
    const known = decisions.get(key)
    // Decided voters are known to whoever votes under them, even where no vote for them is at hand.
    if (key === VOTERS_KEY && (best?.value.version ?? 0) < decisions.voters().version && known !== undefined) best = { ...known, signature: new Uint8Array(0) }
    const value = best?.value ?? emptyValue()
    const same = [...promises].filter(([, each]) => best !== undefined && each !== undefined && compareAttempts(each, best) === 0 && sameValue(each.value, best.value))
    // A quorum that has accepted the same attempt has decided it.
    const isDecided = best === undefined || (best.voters === attempt.voters && isQuorum(same.map(([peer]) => peer)))
    if (isDecided && best !== undefined) proven(certificateOf(best, same.map(([peer, each]) => ({ peer, signature: (each as Accepted).signature }))))
    if (phase === 'preparing') decide(value, best, isDecided)
  }

  function decide(value: RegisterValue, best: Accepted | undefined, isDecided: boolean): void {
    const settle = (goal: Goal, sure: boolean): void => (sure ? finish(goal, value, best) : accept(value, goal))
    if (spec.what !== 'change') return settle({ type: 'value' }, isDecided)
    first ??= value.version
    const place = placeOf(value, op, expect, first)
    if (place.place === 'applied') return settle({ type: 'applied', version: place.version }, isDecided)
    if (place.place === 'forgotten' && (put || spec.retried)) return end({ type: 'unknown', why: 'so many changes have followed that nobody knows: read it' })
    // A decided other version shuts out this change by itself: what follows is made from that.
    if (!rules.expected(expect, value)) {
      return settle({ type: 'conflict', why: `the version is ${value.version}, not ${String(expect)}: read it and decide anew` }, isDecided)
    }
    if (closing !== undefined) return accept(value, closing)
    const why = key === VOTERS_KEY ? notNext(value, spec.data) : undefined
    if (why !== undefined) return settle({ type: 'conflict', why }, isDecided && !put)
    put = true
    accept(changed(value, op, spec.data), { type: 'applied', version: value.version + 1 })
  }

  function accept(value: RegisterValue, goal: Goal): void {
    phase = 'accepting'
    signatures = new Map()
    refusals = new Map()
    out = new Set()
    proposed = { value, goal }
    round({ kind: 'accept', pool: context.pool, ...attempt, key, value }, (answer) => {
      if (answer.kind === 'accepted') signatures.set(self, answer.signature)
    })
  }

  function accepted(): void {
    const { value, goal } = proposed as NonNullable<typeof proposed>
    const votes = [...signatures].map(([peer, signature]) => ({ peer, signature }))
    proven(certificateOf({ ...attempt, value, signature: new Uint8Array(0) }, votes))
    finish(goal, value, { ...attempt, value, signature: new Uint8Array(0) })
  }

  function finish(goal: Goal, value: RegisterValue, best: Accepted | undefined): void {
    if (goal.type === 'conflict') return end({ type: 'conflict', why: goal.why, current: decidedHere(value, best, value.version) })
    if (goal.type === 'expired') return end({ type: 'expired', why: goal.why })
    const decided = decidedHere(value, best, goal.type === 'applied' ? goal.version : value.version)
    end({ type: 'decided', decided })
  }

  function decidedHere(value: RegisterValue, best: Accepted | undefined, version: number): Decided {
    const votes = version === value.version ? (decisions.get(key)?.votes ?? []) : []
    const data = version === value.version ? value.data : spec.data
    const at = best ?? { ...attempt, value }
    return { key, version, data, ballot: at.ballot, voters: at.voters, op: value.ops[value.version - version] ?? '', votes }
  }

  function certificateOf({ ballot, voters, value }: Accepted, votes: Certificate['votes']): Certificate {
    return { key, ballot, voters, value, votes }
  }

  function emptyValue(): RegisterValue {
    const { version, peers, settled } = decisions.voters()
    return key === VOTERS_KEY ? { version, ops: [], data: encodeVoterSet({ peers, settled }) } : { version: 0, ops: [] }
  }

  function notNext({ version, data }: RegisterValue, next: Uint8Array | undefined): string | undefined {
    try {
      const before = version === decisions.voters().version ? decisions.votersBefore() : undefined
      return rules.successor(decodeVoterSet(data ?? new Uint8Array()), decodeVoterSet(next ?? new Uint8Array()), before)
    } catch (error) {
      return errorMessage(error)
    }
  }

  return {
    start() {
      begun = true
      begin()
    },
    tick() {
      const now = context.now()
      if (phase === 'over') return
      if (!told && now >= deadline) {
        const why = begun ? `${info.votes} of ${info.needed} votes needed came in time` : 'others on the same register came first'
        if (!put) return end(hadQuorum ? { type: 'expired', why: 'others were faster every time' } : { type: 'no-quorum', why })
        info.state = 'settling'
        tell({ type: 'unknown', why: `${why}, and it may still be decided: read it` })
      }
      if (now >= deadline + SETTLING_TIME) return end({ type: 'unknown', why: 'the voters could not be asked' })
      if (begun && now >= restAt) askRest()
      if (!begun || now < wake) return
      if (phase === 'waiting') begin()
      else roundLost()
    },
    nextWake: () => (phase === 'over' ? undefined : Math.min(restAt, told ? wake : Math.min(begun ? wake : deadline, deadline))),
    reported: () => told,
    done: () => phase === 'over',
    broken: (why) => end(put ? { type: 'unknown', why } : { type: 'no-quorum', why }),
    info: () => ({ ...info })
  }
}
