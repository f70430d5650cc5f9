import { randomHex } from '../../base/random.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Certificate, ForwardRequest, QuorumAnswer, QuorumRequest } from '../../wire/quorum-types.ts'
import { decodeVoterSet, encodeVoterSet, OP_BYTES } from '../../wire/quorum-votes.ts'
import { ACCEPTOR } from './acceptor.ts'
import type { GroupContext } from './context.ts'
import { createClaims } from './claims.ts'
import { createDecisions, decidedOf, type Source } from './decisions.ts'
import type { GroupEffect, GroupEvent, GroupMachine, GroupOptions, Outcome, Wanted } from './events.ts'
import { createForward } from './forward.ts'
import { createHealing } from './heal.ts'
import { createProposal, type ProposalSpec } from './proposal.ts'
import { refusalOf, type RightsFacts } from './rights.ts'
import { chainRows, decidedRow, EVERYTHING, loadRows } from './rows.ts'
import { RULES, TIER_THRESHOLD } from './rules.ts'
import { createOps } from './ops.ts'
import { createSettling, type Settling } from './settle.ts'
import { createSpread } from './spread.ts'
import { createTurns } from './turns.ts'
import { HUB_KEY, VOTERS_KEY, type VoteInfo } from './types.ts'
import { createVoter } from './voter.ts'
import { changeVoters } from './voter-change.ts'

/** Nodes on the way from one that is not in the pool to a voter: as many as there are tiers, and one that is no voter itself. */
const MAX_RELAYS = 4
/** Votes kept to be shown. */
const MAX_VOTES = 256
/** Unproven decisions named in the log; the metric counts them all. */
const MAX_WARNED = 32
/** Voters that said a row of theirs is damaged, kept to be shown. */
const MAX_DAMAGED_AT = 64
/** Voters that nobody settles are settled by the first of them after this time, by the next one so much later, ms. */
const SETTLE_AFTER = 2_000
/** For settling by itself: long enough for a lease to run out that holds a register up, ms. */
const SETTLE_WITHIN = 30_000

/**
 * The quorum of one pool at one node, pure: CASPaxos (see acceptor.ts) for each register, the register of voters, and what is learned from others.
 * Every decision is made by a quorum of the configured voters; effects come in the order in which they must happen.
 */
export function createGroupMachine(options: GroupOptions): GroupMachine {
  const { federation, pool, self, tier, random, seal, isObserver = false } = options
  const rules = options.rules ?? RULES
  const threshold = options.threshold ?? TIER_THRESHOLD[tier]
  const loaded = loadRows(options.rows)
  const decisions = createDecisions({ federation, pool, genesis: options.genesis, chain: loaded.chain, known: [...loaded.known, ...(options.known ?? [])], seal })
  const voter = createVoter({
    federation, pool, self, acceptor: options.acceptor ?? ACCEPTOR, rules, seal, permits: options.permits, decisions, loaded, now: options.now
  })
  let now = options.now
  let effects: GroupEffect[] = []
  let lastCall = 0
  let unproven = 0
  const calls = new Map<number, (answer: QuorumAnswer | undefined) => void>()
  const votes: VoteInfo[] = []
  /** `voters`: the version at which it was said. With each change of voters it is to be said anew: whoever was taken out and back is whole. */
  const damagedAt = new Map<string, { peer: string; key: string; voters: number }>()
  let settling: Settling | undefined
  let settleListeners: ((why: string | undefined) => void)[] = []
  let unsettledSince = options.now
  /** Under the voters before the last change. */
  let voted = decisions.voters().peers.includes(self)
  /** What it votes cannot be written down, and why. */
  let abstains: string | undefined
  let toldWhy: string | undefined
  /** Ids of the caller whose outcome somebody waits for. */
  const awaited = new Set<number>()

  const emit = (effect: GroupEffect) => void effects.push(effect)
  const log = (level: 'info' | 'warn', message: string, fields: Record<string, unknown> = {}) => emit({ type: 'log', level, message, fields })

  const context: GroupContext = {
    pool, self, random, rules, decisions, voter, emit,
    now: () => now,
    ask(to, request, timeout, heard) {
      const call = ++lastCall
      calls.set(call, heard)
      emit({ type: 'call', call, to, request, timeout })
      return () => {
        if (calls.delete(call)) emit({ type: 'forget', call })
      }
    },
    own: (request) => asVoter(request, self),
    decided(certificate) {
      take(certificate, 'counted')
    },
    learn,
    doubted: () => claims.tellers(),
    needed: (key) => needed(key),
    isQuorum: (key, voted) => rules.isQuorum(key, decisions.voters().peers, voted, needed(key)),
    vote(vote) {
      votes.push({ pool, at: now, ...vote })
      if (votes.length > MAX_VOTES) votes.shift()
    },
    damagedAt(peer, key) {
      const id = `${peer} ${key}`
      if (damagedAt.size < MAX_DAMAGED_AT || damagedAt.has(id)) damagedAt.set(id, { peer, key, voters: decisions.voters().version })
    },
    nextId: () => ++lastCall
  }
  const spread = createSpread(context)
  const claims = createClaims()

  function damaged(): { peer: string; key: string }[] {
    const { version } = decisions.voters()
    for (const [id, { voters }] of damagedAt) if (voters !== version) damagedAt.delete(id)
    return [...damagedAt.values()].map(({ peer, key }) => ({ peer, key }))
  }

  const healing = createHealing(context, {
    readVoters: (ended) => turns.add(undefined, createForward(context, { what: 'read', key: VOTERS_KEY, op: '', within: SETTLE_AFTER, ended, living: () => spread.living() })),
    healed: () => void (abstains = undefined)
  })

  const turns = createTurns()
  const ops = createOps()
  for (const problem of loaded.problems) log('warn', 'a row of the quorum is damaged: this node does not vote on it until it is removed from the voters and added again', { pool, problem })

  function needed(key: string): number {
    const { peers } = decisions.voters()
    const living = peers.filter((peer) => peer === self || spread.living().includes(peer)).length
    return rules.needed(key, peers.length, threshold, living)
  }

  /** What proves itself is taken from anybody; voters without the chain that leads to them only as claims.ts says. */
  function learn(certificates: readonly Certificate[], from: string | undefined): { open: boolean; doubt: boolean } {
    const left: { certificate: Certificate; result: string }[] = []
    for (const certificate of certificates) {
      const result = take(certificate, 'told')
      if (result === 'gap' || result === 'unproven') left.push({ certificate, result })
    }
    const gaps = left.flatMap(({ certificate, result }) => (result === 'gap' ? [certificate] : [])).toSorted((a, b) => a.value.version - b.value.version)
    if (from === undefined || gaps.length === 0) return { open: left.length > 0, doubt: false }
    const believed = claims.heard(from, gaps, { voters: decisions.voters(), members: spread.living(), self, now })
    if (believed === undefined) return { open: true, doubt: true }
    claims.clear()
    take(believed, 'believed')
    // The rest is proven by them, or it is not.
    return { open: left.filter(({ certificate }) => ['gap', 'unproven'].includes(take(certificate, 'told'))).length > 0, doubt: false }
  }

  const rights: RightsFacts = {
    isKnown: (peer) => spread.knows(peer) || decisions.voters().peers.includes(peer),
    isVoter: (peer) => decisions.voters().peers.includes(peer),
    isRegister: (key) => options.isRegister?.(key) ?? true,
    mayPropose: (peer) => options.mayPropose?.(peer) ?? true
  }

  function asVoter(request: QuorumRequest, from: string): QuorumAnswer {
    if (request.kind !== 'prepare' && request.kind !== 'accept' && request.kind !== 'keys') return { kind: 'refused', reason: 'illegal' }
    // Voters that do not follow the known ones are asked for, not believed.
    if (request.chain !== undefined && learn(request.chain, undefined).open) spread.lacking(from)
    const { rows, answer, voted } = request.kind === 'keys' ? voter.keys(request, from) : request.kind === 'prepare' ? voter.prepare(request, from, now) : voter.accept(request, from, now)
    if (rows.length > 0) emit({ type: 'persist', rows })
    if (voted !== undefined && request.kind === 'accept') {
      context.vote({ key: request.key, voter: self, ballot: request.ballot, voters: request.voters, version: voted.version })
      emit({ type: 'counted', what: 'vote' })
    }
    return answer
  }

  /** A decision, made here or heard of. */
  function take(certificate: Certificate, source: Source): string {
    const { result, loud, believed } = decisions.learn(certificate, source)
    if (result === 'bad') {
      emit({ type: 'counted', what: 'bad-certificate' })
      if (++unproven <= MAX_WARNED) log('warn', 'a decision is not proven by its votes and is ignored', { pool, key: certificate.key, version: certificate.value.version })
    }
    if (result !== 'news' && result !== 'proof') return result
    voter.learned(certificate.key, certificate.value, now)
    if (source !== 'counted') emit({ type: 'counted', what: 'learned' })
    if (believed) {
      emit({ type: 'counted', what: 'believed' })
      log('info', 'the voters of a pool are taken on the word of a member', { pool, version: certificate.value.version })
    }
    if (certificate.key === VOTERS_KEY) votersChanged()
    // A lease says nothing after a restart; bans and settings must be in force again before anybody was asked.
    else if (certificate.key !== HUB_KEY) emit({ type: 'keep', rows: [decidedRow(certificate)] })
    if (result === 'news') emit({ type: 'decided', decided: decidedOf(certificate), certificate })
    // Proof by later voters is passed on as well: whoever comes new cannot check the votes of those long gone.
    if (loud || (result === 'proof' && certificate.key !== HUB_KEY)) {
      if (source === 'counted') spread.tell(certificate)
      else spread.passOn(certificate)
    }
    return result
  }

  function votersChanged(): void {
    const { settled, peers, version } = decisions.voters()
    unsettledSince = now
    const counts = peers.includes(self)
    // From now on it refuses whoever knows only the voters before. Who has never voted has nobody to refuse, and who abstains says nothing.
    const binds = abstains === undefined && (counts || voted || !voter.isBlank())
    // On a disk that takes nothing that is tried by itself (heal.ts), so that the news is not lost with it.
    const rows = settled && !counts && abstains === undefined ? voter.wipe() : []
    voted = counts
    // With its voters lost, what is learned must not make the row look sound: it may have promised more than that.
    if (!voter.damaged().includes(EVERYTHING)) rows.push(...chainRows(decisions.chain()))
    if (rows.length > 0) emit({ type: binds ? 'persist' : 'keep', rows })
    log('info', 'the voters of a pool have changed', { pool, version, settled, voters: peers.length })
  }

  function settle(within: number, ended: (why: string | undefined) => void): void {
    // One under way may be for the voters before these.
    settling?.tick()
    settleListeners.push(ended)
    if (settling !== undefined && !settling.done()) return
    const op = randomHex(random, OP_BYTES)
    settling = createSettling(context, {
      within, op, propose,
      ended(why) {
        settling = undefined
        unsettledSince = now
        const all = settleListeners
        settleListeners = []
        for (const each of all) each(why)
      }
    })
    settling.start()
  }

  /** Voters whose proposer fell silent are settled by one of them. */
  function settleAbandoned(): void {
    const at = settleAbandonedAt()
    if (at !== undefined && now >= at) {
      unsettledSince = now
      settle(SETTLE_WITHIN, () => undefined)
    }
  }

  function settleAbandonedAt(): number | undefined {
    const { settled, peers } = decisions.voters()
    const index = peers.indexOf(self)
    if (settled || index < 0 || settling !== undefined || voter.damaged().length > 0) return undefined
    return unsettledSince + SETTLE_AFTER * (1 + index)
  }

  /** A voter that has moved to another pool votes until it is replaced, but reaches nobody here. */
  const leads = (key: string) => voter.canVote(key) && !isObserver

  /** A proposal of a voter; those on the same register take turns. */
  function propose(spec: ProposalSpec): void {
    if (spec.what !== 'carry' || voter.canVote(spec.key)) return turns.add(spec.key, createProposal(context, spec))
    // Its own row is damaged: to be read by another voter, which decides it under these voters, does as well.
    const { key, op, within, ended } = spec
    turns.add(undefined, createForward(context, { what: 'read', key, op, within, ended, living: () => spread.living() }))
  }

  /** Leads, or has a voter lead. */
  function begin(wanted: Wanted, within: number, retried: boolean, ended: (outcome: Outcome) => void): void {
    if (turns.full()) return ended({ type: 'busy', why: 'too many changes are under way at this node: try again in a while' })
    const key = wanted.what === 'voters' ? VOTERS_KEY : wanted.key
    const op = wanted.what === 'read' ? '' : wanted.op
    if (leads(key) && wanted.what === 'voters') return changeVoters(context, { peers: wanted.peers, op, within, propose, settle, ended })
    const change = wanted.what === 'change' ? { expect: wanted.expect, data: wanted.data } : wanted.what === 'voters' ? { data: encodeVoterSet({ peers: wanted.peers, settled: false }) } : {}
    const ask = (lost: boolean, left: number) =>
      turns.add(undefined, createForward(context, { what: wanted.what, key, op, within: left, lost, ended, living: () => spread.living(), ...change, ...(isObserver && { relays: MAX_RELAYS }) }))
    if (!leads(key) || wanted.what === 'voters') return ask(false, within)
    // Who votes no more may not lead either.
    const handOn = wanted.what === 'change' && key === HUB_KEY ? undefined : ask
    propose({ what: wanted.what, key, op, within, retried, ended, handOn, ...change })
  }

  function forwarded(id: number, request: ForwardRequest): void {
    const answer = (said: QuorumAnswer) => emit({ type: 'answer', id, answer: said })
    const { key, within } = request
    if (!leads(request.what === 'voters' ? VOTERS_KEY : key)) {
      const { version } = decisions.voters()
      if (mayPassOn(request)) return passOn(request, answer)
      return answer({ kind: 'refused', reason: voter.damaged().length > 0 ? 'damaged' : 'not-voter', voters: version, chain: decisions.chain() })
    }
    const wanted = wantedOf(request)
    if (typeof wanted === 'string') return answer({ kind: 'refused', reason: 'illegal', why: wanted })
    // Sent twice, it is done once, and both hear the same: what ended as "never" must not begin again.
    if (request.what === 'read') return begin(wanted, within, true, (outcome) => answer(outcomeAnswer(outcome)))
    const joined = ops.join(request.op, (outcome) => answer(outcomeAnswer(outcome)))
    if (!joined) begin(wanted, within, true, (outcome) => ops.ended(request.op, outcome))
  }

  /** For those who are not in the pool, and know no voter. A voter that cannot vote for damage has others asked instead. */
  function mayPassOn({ relays = 0 }: ForwardRequest): boolean {
    return relays > 0 && (isObserver || !decisions.voters().peers.includes(self)) && !turns.full()
  }

  /** Under the same op id, so that it is done once whichever way it comes. */
  function passOn({ what, key, op, expect, data, within, relays = 0 }: ForwardRequest, answer: (said: QuorumAnswer) => void): void {
    const pass = (ended: (outcome: Outcome) => void) =>
      turns.add(undefined, createForward(context, { what, key, op, expect, data, within, ended, living: () => spread.living(), ...(isObserver && { relays: relays - 1 }) }))
    if (what === 'read') return pass((outcome) => answer(outcomeAnswer(outcome)))
    if (!ops.join(op, (outcome) => answer(outcomeAnswer(outcome)))) pass((outcome) => ops.ended(op, outcome))
  }

  function outcomeAnswer(outcome: Outcome): QuorumAnswer {
    const { type } = outcome
    const decided = outcome.type === 'decided' ? outcome.decided : outcome.type === 'conflict' ? outcome.current : undefined
    const known = decided === undefined ? undefined : decisions.get(decided.key)
    // The whole certificate where it is the newest; else the bare value.
    const whole = decided !== undefined && known?.value.version === decided.version ? known : undefined
    const bare = decided && { key: decided.key, ballot: decided.ballot, voters: decided.voters, value: { version: decided.version, data: decided.data, ops: decided.op === '' ? [] : [decided.op] }, votes: [] }
    return { kind: 'outcome', outcome: type, decided: whole ?? bare, ...('why' in outcome && { why: outcome.why }) }
  }

  function handle(event: GroupEvent): void {
    switch (event.type) {
      case 'request': {
        const { id, from, request } = event
        const refused = refusalOf(request, from, rights)
        if (refused !== undefined) {
          emit({ type: 'refused', reason: refused.reason })
          return emit({ type: 'answer', id, answer: refused })
        }
        if (request.kind === 'forward') return forwarded(id, request)
        return emit({ type: 'answer', id, answer: request.kind === 'learn' ? spread.answer(request, from) : asVoter(request, from) })
      }
      case 'answer':
      case 'failed': {
        const heard = calls.get(event.call)
        calls.delete(event.call)
        return heard?.(event.type === 'answer' ? event.answer : undefined)
      }
      case 'propose': {
        const { id, wanted, within } = event
        const since = now
        awaited.add(id)
        return begin(wanted, within, false, (outcome) => {
          if (awaited.delete(id)) emit({ type: 'ended', id, outcome, took: now - since, what: wanted.what })
        })
      }
      case 'abandon':
        return void awaited.delete(event.id)
      case 'members':
        return spread.members(event.peers)
      case 'peer-up':
        return spread.peerUp(event.peer)
      case 'audience':
        return spread.audience(event.peers)
      case 'store-failed':
        decisions.rollBack()
        voted = decisions.voters().peers.includes(self)
        abstains = event.why
        voter.abstain()
        turns.broken(event.why)
        if (healing.failed() || toldWhy !== event.why) log('warn', 'what this node votes cannot be written down: it votes on nothing. Make room on its disk, or mend it: it is replaced as a voter, and votes again when that goes', { pool, error: event.why })
        toldWhy = event.why
        return
      case 'tick':
        if (!isObserver) healing.tick()
        turns.tick()
        settling?.tick()
        settleAbandoned()
        return spread.tick()
    }
  }

  return {
    step(event, at) {
      now = at
      if (event.type !== 'store-failed') decisions.begin()
      handle(event)
      turns.run()
      const all = effects
      effects = []
      return all
    },
    nextWake() {
      const times = [turns.nextWake(), settling?.nextWake(), settleAbandonedAt(), spread.nextWake(), isObserver ? undefined : healing.nextWake()].filter((time) => time !== undefined)
      const next = Math.min(...times)
      return next === Infinity ? undefined : next
    },
    voters: () => decisions.voters(),
    needed,
    known(key) {
      const found = decisions.get(key)
      return found && decidedOf(found)
    },
    all: () => decisions.all().map(decidedOf),
    certificate: (key) => decisions.get(key),
    chainFrom: (version) => decisions.chainFrom(version),
    certificates: () => [...decisions.chain(), ...decisions.all().filter(({ key }) => key !== VOTERS_KEY)],
    status: () => ({
      pool, tier, voters: decisions.voters(), isVoter: decisions.voters().peers.includes(self), damaged: voter.damaged(), damagedAt: damaged(), unwritten: abstains,
      needed: { lease: needed(HUB_KEY), setting: needed('setting/') }
    }),
    proposals: () => turns.infos(),
    votes: () => [...votes]
  }
}

function wantedOf({ what, key, op, expect, data }: ForwardRequest): Wanted | string {
  if (what === 'read') return { what, key }
  if (what === 'change') return key === VOTERS_KEY ? 'voters are changed as voters, one at a time' : { what, key, op, expect, data }
  try {
    return { what, op, peers: decodeVoterSet(data ?? new Uint8Array()).peers }
  } catch (error) {
    return errorMessage(error)
  }
}
