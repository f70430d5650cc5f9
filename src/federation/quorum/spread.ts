import { randomInt } from '../../base/random.ts'
import type { Certificate, LearnRequest, QuorumAnswer } from '../../wire/quorum-types.ts'
import { MAX_DECIDED } from '../../wire/quorum.ts'
import type { GroupContext } from './context.ts'
import { HUB_KEY, VOTERS_KEY } from './types.ts'

/** What was decided is compared with a random member so often, ms: so nothing depends on one message. */
export const COMPARE_EVERY = 30_000
/** After the first members are known, and after a comparison that failed, ms. */
export const COMPARE_SOON = 1_000
const LEARN_TIMEOUT = 5_000
/** Answers that say "more" in one comparison: all registers, a few at a time, and then some. */
const MAX_ASKS = 64

/** Telling decisions to members, and comparing what is known. */
export interface Spread {
  members(peers: readonly string[]): void
  audience(peers: readonly string[]): void
  living(): readonly string[]
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
  const { decisions, random } = context
  let members: readonly string[] = []
  let audience: readonly string[] = []
  let compareAt = Infinity
  let comparing = false
  /** A member that knew something has told all of it. */
  let caughtUp = false
  /** Comparisons before that. */
  let blanks = 0

  function send(peer: string, certificate: Certificate): void {
    // The voters that prove it come with it: whoever has them ignores them.
    const chain = certificate.key === VOTERS_KEY ? [] : decisions.chain().slice(-1)
    context.ask(peer, { kind: 'learn', pool: context.pool, told: [...chain, certificate] }, LEARN_TIMEOUT, () => undefined)
  }

  /** A lease is its own pool's affair. */
  function passOn(certificate: Certificate): void {
    if (certificate.key !== HUB_KEY) for (const peer of audience) if (!members.includes(peer)) send(peer, certificate)
  }

  function missing(have: readonly { key: string; version: number }[]): Certificate[] {
    const known = new Map(have.map(({ key, version }) => [key, version]))
    const newer = decisions.all().filter(({ key, value }) => key !== VOTERS_KEY && value.version > (known.get(key) ?? 0))
    // Voters first: they prove the rest.
    return [...decisions.chainFrom(known.get(VOTERS_KEY) ?? 0), ...newer]
  }

  /** A newcomer asks a voter first: another newcomer knows as little. */
  function whom(): string | undefined {
    const voters = decisions.voters().peers.filter((peer) => members.includes(peer))
    const from = !caughtUp && voters.length > 0 && blanks % 2 === 0 ? voters : members
    return from[randomInt(random, from.length)]
  }

  function compare(peer: string | undefined): void {
    compareAt = context.now() + COMPARE_EVERY * (0.75 + random.float() / 2)
    if (peer === undefined || comparing) return
    comparing = true
    ask(peer, { kind: 'learn', pool: context.pool, told: [], hash: decisions.hash() }, 0)
  }

  function ask(peer: string, request: LearnRequest, asks: number): void {
    context.ask(peer, request, LEARN_TIMEOUT, (answer) => {
      comparing = false
      if (answer?.kind !== 'learned') {
        blanks += 1
        compareAt = Math.min(compareAt, context.now() + COMPARE_SOON * (1 + random.float()))
        return
      }
      context.learn(answer.decided, 'asked')
      const first = request.have === undefined
      if (answer.same || (!first && !answer.more) || asks >= MAX_ASKS) return compared()
      comparing = true
      const have = decisions.all().map(({ key, value }) => ({ key, version: value.version }))
      ask(peer, { kind: 'learn', pool: context.pool, told: [], have }, asks + 1)
    })
  }

  function compared(): void {
    // Two that know nothing agree as well; the voters alone may come from the own disk.
    caughtUp ||= decisions.all().some(({ key }) => key !== VOTERS_KEY)
    if (!caughtUp) compareAt = Math.min(compareAt, context.now() + COMPARE_SOON * 2 ** Math.min(blanks++, 5) * (0.75 + random.float() / 2))
  }

  return {
    members(peers) {
      const first = members.length === 0 && peers.length > 0
      members = peers
      if (first) compareAt = Math.min(compareAt, context.now() + COMPARE_SOON * random.float())
    },
    audience(peers) {
      audience = peers
    },
    living: () => members,
    tell(certificate) {
      for (const peer of members) send(peer, certificate)
      passOn(certificate)
    },
    passOn,
    answer(request, from) {
      if (context.learn(request.told, 'told')) compare(from)
      if (request.hash !== undefined && Buffer.compare(request.hash, decisions.hash()) === 0) return { kind: 'learned', same: true, decided: [], more: false }
      if (request.have === undefined) return { kind: 'learned', same: request.hash === undefined, decided: [], more: false }
      const all = missing(request.have)
      return { kind: 'learned', same: false, decided: all.slice(0, MAX_DECIDED), more: all.length > MAX_DECIDED }
    },
    tick() {
      if (context.now() >= compareAt) compare(whom())
    },
    nextWake: () => compareAt
  }
}
