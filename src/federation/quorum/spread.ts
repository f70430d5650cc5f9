import { randomInt } from '../../base/random.ts'
import type { Certificate, LearnRequest, QuorumAnswer } from '../../wire/quorum-types.ts'
import { MAX_DECIDED } from '../../wire/quorum.ts'
import type { GroupContext } from './context.ts'
import { HUB_KEY, VOTERS_KEY } from './types.ts'

/** What was decided is compared with a random member so often, ms: so nothing depends on one message. */
export const COMPARE_EVERY = 30_000
/** … and so often after a comparison that found no difference, ms: whoever was told and did not answer is asked in any case. */
export const COMPARE_QUIET = 120_000
/** Then, and again as long as it lives and does not answer, ms. */
const MISSED_AGAIN = 5_000
/** After the first members are known, and after a comparison that failed, ms. */
export const COMPARE_SOON = 1_000
const LEARN_TIMEOUT = 5_000
/** Answers that say "more" in one comparison: all registers, a few at a time, and then some. */
const MAX_ASKS = 64
/** Comparisons under way at a time: after a cut is mended, sessions with everybody come up in the same second. */
const MAX_COMPARING = 4
/** With a member whose session came up, after up to so long, ms: both sides do, and with several. */
const MET_WITHIN = 500
/** … and no sooner again with that one, ms: sessions that come and go cost more than what they might bring. */
const MET_EVERY = 5_000
/** So many registers are compared one by one at once: that costs less than a second question. */
const FEW = 8
/** Sessions that came up in that time; more say nothing new. */
const MAX_MET = 1_024
/** What is told and cannot be proven makes this node ask no more often, ms. */
const TOLD_EVERY = 1_000
/** Members asked in turn about voters that one alone says there are; then after a while again. */
const MAX_DOUBTS = 8

/** Telling decisions to members, and comparing what is known. */
export interface Spread {
  members(peers: readonly string[]): void
  audience(peers: readonly string[]): void
  living(): readonly string[]
  /** In the pool or below it; everybody, as long as it was not told who is. */
  knows(peer: string): boolean
  /** A session with it has come up: it may have decided something while there was none. */
  peerUp(peer: string): void
  /** `from` told something that cannot be proven without what this node lacks: somebody is asked. */
  lacking(from: string): void
  /** A decision made here: to members, and to the audience if it concerns them. */
  tell(certificate: Certificate): void
  /** One heard of: members were told by whoever made it, the audience only knows this node. */
  passOn(certificate: Certificate): void
  /** Somebody tells, or asks. */
  answer(request: LearnRequest, from: string): QuorumAnswer
  tick(): void
  nextWake(): number
}

export function createSpread(context: GroupContext): Spread {
  const { decisions, random, self } = context
  let members: readonly string[] = []
  let told = false
  let audience: readonly string[] = []
  let compareAt = Infinity
  const comparing = new Set<string>()
  /** A member that knew something has told all of it. */
  let caughtUp = false
  /** Comparisons before that. */
  let blanks = 0
  /** When to compare with those whose session came up. */
  const met = new Map<string, { since: number; due: number | undefined }>()
  /** Told and not heard of: when to compare with them, ms. Bounded by those who are told. */
  const missed = new Map<string, number>()
  let quiet = false
  let toldAt = -Infinity
  /** Whose word made this node ask: another one is asked, if there is one. */
  let teller: string | undefined

  function send(peer: string, certificate: Certificate): void {
    // The voters that prove it come with it, and for voters those before them: whoever has them ignores them.
    const chain = certificate.key === VOTERS_KEY ? decisions.chain().slice(-2, -1) : decisions.chain().slice(-1)
    context.ask(peer, { kind: 'learn', pool: context.pool, told: [...chain, certificate] }, LEARN_TIMEOUT, (answer) => {
      if (answer === undefined) missed.set(peer, context.now() + MISSED_AGAIN)
    })
  }

  /** A lease is its own pool's affair. */
  function passOn(certificate: Certificate): void {
    if (certificate.key === HUB_KEY || isHalfway(certificate)) return
    for (const peer of audience) if (!members.includes(peer)) send(peer, certificate)
  }

  /** Voters that are not settled yet: nobody but they needs to know, and all hear of them with what follows. */
  function isHalfway({ key }: Certificate): boolean {
    return key === VOTERS_KEY && !decisions.voters().settled
  }

  function missing(have: readonly { key: string; version: number }[]): Certificate[] {
    const known = new Map(have.map(({ key, version }) => [key, version]))
    const newer = decisions.all().filter(({ key, value }) => key !== VOTERS_KEY && value.version > (known.get(key) ?? 0))
    // Voters first: they prove the rest.
    return [...decisions.chainFrom(known.get(VOTERS_KEY) ?? 0), ...newer]
  }

  /** A newcomer asks a voter first, for another newcomer knows as little; of the others, one whose word was not heard yet. */
  function whom(): string | undefined {
    const voters = decisions.voters().peers.filter((peer) => members.includes(peer))
    // Who votes, as far as is known here, is believed, and has what it told.
    if (teller !== undefined && voters.includes(teller) && blanks % 2 === 0) return teller
    const tellers = context.doubted()
    const wanting = !caughtUp || teller !== undefined || tellers.size > 0
    const fresh = members.filter((peer) => peer !== teller && !tellers.has(peer))
    const from = wanting && voters.length > 0 && blanks % 2 === 0 ? voters : fresh.length > 0 ? fresh : members
    return from[randomInt(random, from.length)]
  }

  /** One after the other, each at its time. */
  function compareNext(): void {
    compareAt = context.now() + (quiet ? COMPARE_QUIET : COMPARE_EVERY) * (0.75 + random.float() / 2)
    const peer = whom()
    teller = undefined
    if (peer !== undefined) compare(peer)
  }

  function compare(peer: string): void {
    if (comparing.has(peer) || comparing.size >= MAX_COMPARING) return
    const have = decisions.all().length > FEW ? undefined : versions()
    ask(peer, { kind: 'learn', pool: context.pool, told: [], hash: decisions.hash(), ...(have === undefined ? {} : { have }) }, 0)
  }

  function versions(): { key: string; version: number }[] {
    return decisions.all().map(({ key, value }) => ({ key, version: value.version }))
  }

  function soon(within: number): void {
    compareAt = Math.min(compareAt, context.now() + within)
  }

  function ask(peer: string, request: LearnRequest, asks: number): void {
    comparing.add(peer)
    context.ask(peer, request, LEARN_TIMEOUT, (answer) => {
      comparing.delete(peer)
      quiet = answer?.kind === 'learned' && answer.same
      if (answer === undefined && missed.has(peer)) missed.set(peer, context.now() + MISSED_AGAIN)
      else missed.delete(peer)
      if (answer?.kind !== 'learned') {
        blanks += 1
        return soon(COMPARE_SOON * (1 + random.float()))
      }
      const { doubt } = context.learn(answer.decided, peer)
      if (doubt) return doubted()
      const first = request.have === undefined
      if (answer.same || (!first && !answer.more) || asks >= MAX_ASKS) return compared()
      ask(peer, { kind: 'learn', pool: context.pool, told: [], have: versions() }, asks + 1)
    })
  }

  function compared(): void {
    // Two that know nothing agree as well; the voters alone may come from the own disk.
    caughtUp ||= decisions.all().some(({ key }) => key !== VOTERS_KEY)
    if (!caughtUp) soon(COMPARE_SOON * 2 ** Math.min(blanks++, 5) * (0.75 + random.float() / 2))
  }

  /** It says that there are other voters, and cannot prove it: what do others say? */
  function doubted(): void {
    const tellers = context.doubted()
    const isOpen = tellers.size < MAX_DOUBTS && members.some((peer) => !tellers.has(peer))
    soon(isOpen ? 0 : COMPARE_SOON * 2 ** Math.min(blanks, 5) * (0.75 + random.float() / 2))
    blanks += 1
  }

  function lacking(from: string): void {
    const now = context.now()
    teller = from
    // One is to come already.
    if (toldAt > now) return
    toldAt = Math.max(now + random.float() * MET_WITHIN, toldAt + TOLD_EVERY)
    soon(toldAt - now)
  }

  function peerUp(peer: string): void {
    const now = context.now()
    for (const [other, { since }] of met) if (now - since >= MET_EVERY) met.delete(other)
    if (!met.has(peer) && met.size < MAX_MET) met.set(peer, { since: now, due: now + random.float() * MET_WITHIN })
  }

  function isMember(peer: string): boolean {
    return members.includes(peer)
  }

  return {
    members(peers) {
      const first = members.length === 0 && peers.length > 0
      told = true
      members = peers.filter((peer) => peer !== self)
      if (first) soon(COMPARE_SOON * random.float())
    },
    audience(peers) {
      audience = peers
    },
    living: () => members,
    knows: (peer) => !told || peer === self || isMember(peer) || audience.includes(peer),
    tell(certificate) {
      const { peers } = decisions.voters()
      for (const peer of members) if (!isHalfway(certificate) || peers.includes(peer)) send(peer, certificate)
      passOn(certificate)
    },
    passOn,
    answer(request, from) {
      if (context.learn(request.told, undefined).open) lacking(from)
      if (request.hash !== undefined && Buffer.compare(request.hash, decisions.hash()) === 0) return { kind: 'learned', same: true, decided: [], more: false }
      if (request.have === undefined) return { kind: 'learned', same: request.hash === undefined, decided: [], more: false }
      // It knows something newer: asked back, for the next random choice may be far from it.
      if (request.have.some(({ key, version }) => version > (decisions.get(key)?.value.version ?? 0))) peerUp(from)
      const all = missing(request.have)
      return { kind: 'learned', same: false, decided: all.slice(0, MAX_DECIDED), more: all.length > MAX_DECIDED }
    },
    lacking,
    peerUp,
    tick() {
      const now = context.now()
      if (now >= compareAt) compareNext()
      for (const [peer, due] of missed) {
        if (!isMember(peer) && !audience.includes(peer)) missed.delete(peer)
        else if (now >= due && comparing.size < MAX_COMPARING) compare(peer)
      }
      for (const [peer, each] of met) {
        // It may become a member a moment after its session.
        if (each.due === undefined || now < each.due || !isMember(peer) || comparing.size >= MAX_COMPARING) continue
        each.due = undefined
        if (now - each.since < MET_EVERY) compare(peer)
      }
    },
    nextWake() {
      let next = compareAt
      if (comparing.size < MAX_COMPARING) for (const [peer, due] of missed) if (!comparing.has(peer)) next = Math.min(next, due)
      if (comparing.size < MAX_COMPARING) for (const [peer, { due }] of met) if (due !== undefined && due < next && isMember(peer)) next = due
      return next
    }
  }
}
