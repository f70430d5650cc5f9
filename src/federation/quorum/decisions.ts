import { createHash } from 'node:crypto'
import { encodeCbor } from '../../wire/cbor.ts'
import type { Certificate, VoterSet } from '../../wire/quorum-types.ts'
import { decodeVoterSet, MAX_CHAIN, sameData, voteBytes } from '../../wire/quorum-votes.ts'
import type { VoteSeal } from './ports.ts'
import { compareAttempts, decidesAlone, maxKeys } from './rules.ts'
import { VOTERS_KEY, type Decided, type Voters } from './types.ts'

/**
 * `news`: a version higher than all before. `proof`: known, but proven by later voters. `unproven`: the voters of that version are not known here. `gap`: voters whose
 * forerunners are not known here: ask for them.
 */
export type LearnResult = 'news' | 'proof' | 'known' | 'bad' | 'unproven' | 'gap' | 'full'

/** `counted`: the votes were counted here. `told`: it must prove itself. `believed`: voters whose forerunners are not known are taken all the same. */
export type Source = 'counted' | 'told' | 'believed'

export interface Learned {
  result: LearnResult
  /** Voters that could not be proven, taken on a member's word: first contact, or this node missed too many changes. */
  believed: boolean
  /** With news: the data differs from what was known, or other voters have decided it; whoever comes new can check no older ones. */
  loud: boolean
}

export interface DecisionsOptions {
  federation: string
  pool: string
  genesis: readonly string[]
  chain: readonly Certificate[]
  /** Believed: checked when it was learned. */
  known: readonly Certificate[]
  seal: VoteSeal
}

/** What this node knows to be decided, with the votes that prove it, and who votes. */
export interface Decisions {
  voters(): Voters
  /** Those before them; undefined where this node does not know them. */
  votersBefore(): VoterSet | undefined
  /** The last changes of voters, oldest first, without gaps: what whoever knows only `version` lacks. */
  chainFrom(version: number): Certificate[]
  chain(): readonly Certificate[]
  get(key: string): Certificate | undefined
  all(): Certificate[]
  /** Checks the votes, unless they were counted here. */
  learn(certificate: Certificate, source: Source): Learned
  /** A step begins; `rollBack` forgets what was learned since: its votes never came to disk, so nobody may hear of it. */
  begin(): void
  rollBack(): void
  /** SHA-256 over every key and its data: equal at all who know the same. */
  hash(): Uint8Array
}

const NOTHING: Learned = { result: 'known', believed: false, loud: false }

export function createDecisions({ federation, pool, genesis, chain: stored, known: learned, seal }: DecisionsOptions): Decisions {
  const known = new Map<string, Certificate>()
  /** Who voted in a version: those of the chain and the one before it. */
  const sets = new Map<number, VoterSet>([[0, { peers: genesis, settled: true }]])
  let chain: Certificate[] = []
  let voters: Voters = { version: 0, peers: genesis, settled: true }
  /** As it was when the step began; undefined while nothing has changed. */
  let checkpoint: { known: [string, Certificate][]; sets: [number, VoterSet][]; chain: Certificate[]; voters: Voters } | undefined
  for (const each of stored) adopt(each)
  for (const each of learned) {
    if (each.key !== VOTERS_KEY) known.set(each.key, each)
    else if (each.value.version > voters.version) adopt(each)
  }

  function keep(): void {
    checkpoint ??= { known: [...known], sets: [...sets], chain, voters }
  }

  function adopt(certificate: Certificate): boolean {
    const set = decodeVoterSet(certificate.value.data ?? new Uint8Array())
    const { version } = certificate.value
    keep()
    if (version !== voters.version + 1) chain = []
    chain = [...chain, certificate].slice(-MAX_CHAIN)
    sets.set(version, set)
    // Settled ones are those of the version before: what was carried over then is proven by them.
    if (set.settled && !sets.has(version - 1)) sets.set(version - 1, set)
    const oldest = (chain[0] as Certificate).value.version - 1
    for (const each of sets.keys()) if (each < oldest) sets.delete(each)
    voters = { version, ...set }
    known.set(VOTERS_KEY, certificate)
    return true
  }

  /** A majority of those who voted then, or the one who decided alone; operators' registers may have wanted more, which their proposer has seen to. */
  function proven(certificate: Certificate): boolean | undefined {
    const set = sets.get(certificate.voters)
    if (set === undefined || set.peers.length === 0) return undefined
    const bytes = voteBytes({ federation, pool, ...certificate })
    const good = new Set<string>()
    for (const { peer, signature } of certificate.votes) {
      if (set.peers.includes(peer) && !good.has(peer) && seal.verify(peer, bytes, signature)) good.add(peer)
    }
    const alone = decidesAlone(certificate.key, set.peers)
    return alone === undefined ? good.size >= Math.floor(set.peers.length / 2) + 1 : good.has(alone)
  }

  function learnVoters(certificate: Certificate, source: Source): Learned {
    const { version } = certificate.value
    if (version <= voters.version) return NOTHING
    try {
      if (decodeVoterSet(certificate.value.data ?? new Uint8Array()).peers.length === 0) return { ...NOTHING, result: 'bad' }
    } catch {
      return { ...NOTHING, result: 'bad' }
    }
    const follows = version === voters.version + 1 && voters.peers.length > 0
    // A change is decided by those before it.
    if (follows && source !== 'counted' && (certificate.voters !== voters.version || proven(certificate) !== true)) return { ...NOTHING, result: 'bad' }
    if (!follows && source !== 'believed') return { ...NOTHING, result: 'gap' }
    adopt(certificate)
    return { result: 'news', believed: !follows, loud: true }
  }

  return {
    voters: () => voters,
    votersBefore: () => sets.get(voters.version - 1),
    chain: () => chain,
    chainFrom: (version) => chain.filter((each) => each.value.version > version),
    get: (key) => known.get(key),
    all: () => [...known.values()],
    learn(certificate, source) {
      if (certificate.key === VOTERS_KEY) return learnVoters(certificate, source)
      const before = known.get(certificate.key)
      const newer = certificate.value.version - (before?.value.version ?? 0)
      if (newer < 0 || certificate.value.version === 0) return NOTHING
      if (newer === 0 && (before === undefined || certificate.voters <= before.voters)) return NOTHING
      if (before === undefined && known.size >= maxKeys(certificate.key)) return { ...NOTHING, result: 'full' }
      const good = source === 'counted' || proven(certificate)
      if (good !== true) return { ...NOTHING, result: good === undefined ? 'unproven' : 'bad' }
      keep()
      known.set(certificate.key, certificate)
      return { result: newer > 0 ? 'news' : 'proof', believed: false, loud: newer > 0 && (certificate.voters > (before?.voters ?? -1) || !sameData(before?.value.data, certificate.value.data)) }
    },
    begin() {
      checkpoint = undefined
    },
    rollBack() {
      if (checkpoint === undefined) return
      known.clear()
      sets.clear()
      for (const [key, certificate] of checkpoint.known) known.set(key, certificate)
      for (const [version, set] of checkpoint.sets) sets.set(version, set)
      ;({ chain, voters } = checkpoint)
      checkpoint = undefined
    },
    hash() {
      const entries = [...known.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, value }) => [key, value.data ?? false])
      return new Uint8Array(createHash('sha256').update(encodeCbor(entries)).digest())
    }
  }
}

/** As those see it who ask. A certificate of version 0 says that nothing was ever written. */
export function decidedOf({ key, ballot, voters, value, votes }: Certificate): Decided {
  return { key, version: value.version, data: value.data, ballot, voters, op: value.ops[0] ?? '', votes }
}

/** Which of two is the later attempt; undefined loses. */
export function later<T extends { voters: number; ballot: Certificate['ballot'] }>(a: T | undefined, b: T | undefined): T | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return compareAttempts(a, b) >= 0 ? a : b
}
