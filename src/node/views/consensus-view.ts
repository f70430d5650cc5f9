import type { Clock } from '../../base/clock.ts'
import type { ProposalInfo, VoteInfo } from '../../federation/quorum/types.ts'
import { HUB_KEY } from '../../federation/quorum/types.ts'
import type { Quorum, QuorumGroup } from '../../federation/quorum/driver-types.ts'
import type { PoolState, Tiers } from '../../federation/tiers/types.ts'
import type { Member } from '../../membership/types.ts'
import { decodeRegister } from '../../wire/federation-registers.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { decodeLease } from '../../wire/tiers.ts'
import type { Lease } from '../../wire/tiers-types.ts'
import { consensusProblems } from './consensus-problems.ts'
import type { ConsensusGroup, ConsensusLease, ConsensusProposal, ConsensusSetting, ConsensusStatus, ConsensusVote, NamedPeer } from './tiers-overview.ts'

/** Proposals and votes of all groups together that are shown. */
const SHOWN = 256

export interface ConsensusParts {
  self: string
  clock: Clock
  quorum: Pick<Quorum, 'group' | 'learned'>
  tiers: Pick<Tiers, 'state'>
  /** As one pool sees them. */
  members(pool: string): readonly Member[]
  /** '' where it is not known. */
  nameOf(peer: string): string
}

/** The groups of this node's pools, and what is wrong with them. */
export function consensusStatus(parts: ConsensusParts): ConsensusStatus {
  const root = rootVoters(parts)
  return { peer: parts.self, groups: groups(parts).map(({ group, pool }) => groupView(parts, group, pool)), ...(root === undefined ? {} : { root }), settings: settings(parts) }
}

/** They take proposals: who is not in root has to know them all the same. */
function rootVoters({ quorum, nameOf }: ConsensusParts): ConsensusStatus['root'] {
  if (quorum.group(ROOT_POOL) !== undefined) return undefined
  const { peers, version } = quorum.learned(ROOT_POOL).voters()
  return peers.length === 0 ? undefined : { voters: peers.map((peer) => ({ peer, name: nameOf(peer) })), version }
}

function groups({ quorum, tiers }: ConsensusParts): { group: QuorumGroup; pool: PoolState }[] {
  return tiers.state().pools.flatMap((pool) => {
    const group = quorum.group(pool.pool)
    return group === undefined ? [] : [{ group, pool }]
  })
}

function groupView({ self, nameOf, members }: ConsensusParts, group: QuorumGroup, state: PoolState): ConsensusGroup {
  const found = new Map(members(group.pool).map((member) => [member.peer, member]))
  const isAlive = (peer: string) => peer === self || ['alive', 'suspect'].includes(found.get(peer)?.state ?? 'dead')
  const named = (peer: string): NamedPeer => ({ peer, name: found.get(peer)?.name || nameOf(peer) })
  const { voters, damaged, damagedAt, unwritten, needed } = group.status()
  const shown = voters.peers.map((peer) => ({ ...named(peer), alive: isAlive(peer), left: found.get(peer)?.state === 'left', self: peer === self }))
  const living = shown.filter(({ alive }) => alive).length
  const survives = (votes: number) => Math.max(0, living - votes)
  const lease = leaseView(group, named, isAlive)
  const view = {
    pool: group.pool, name: nameOf(group.pool), tier: group.tier, voters: shown, version: voters.version, settled: voters.settled,
    needed: { lease: needed.lease, settings: needed.setting },
    survives: { lease: survives(needed.lease), settings: survives(needed.setting) },
    ...(lease === undefined ? {} : { lease }),
    damaged: [...damaged]
  }
  const others = [...found.keys()].filter((peer) => peer !== self && isAlive(peer)).length
  return {
    ...view,
    problems: consensusProblems({
      group: view, isRoot: group.pool === ROOT_POOL, tiered: lease !== undefined || group.pool !== ROOT_POOL, living: others + 1, noHub: state.problem, unwritten,
      damagedAt: damagedAt.map(({ peer, key }) => ({ name: named(peer).name || peer, key }))
    })
  }
}

function leaseView(group: QuorumGroup, named: (peer: string) => NamedPeer, isAlive: (peer: string) => boolean): ConsensusLease | undefined {
  const lease = readLease(group.known(HUB_KEY)?.data)
  if (lease === undefined) return undefined
  const { holder, token, ttl, tier, region, resigned = false } = lease
  return { holder: named(holder), token, ttl, tier, region, alive: isAlive(holder), resigned }
}

function readLease(data: Uint8Array | undefined): Lease | undefined {
  if (data === undefined) return undefined
  try {
    return decodeLease(data)
  } catch {
    // Written by a later version, or by a voter that lies: as if there were none.
    return undefined
  }
}

function settings({ quorum }: ConsensusParts): ConsensusSetting[] {
  return quorum
    .learned(ROOT_POOL)
    .all()
    .flatMap(({ key, version, data }): ConsensusSetting[] => {
      const value = decodeRegister(key, data)
      return value === undefined ? [] : [{ key, value, version }]
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** What this node puts to the vote, the newest first. */
export function consensusProposals(parts: ConsensusParts): ConsensusProposal[] {
  const { clock } = parts
  const view = ({ pool, key, op, what, state, started, ended, rounds, needed, votes, why, version }: ProposalInfo): ConsensusProposal => ({
    id: op, pool, key, what, state, started: unixTime(clock, started), ms: (ended ?? clock.now()) - started, rounds, needed, votes,
    ...(version === undefined ? {} : { version }),
    ...(why === undefined ? {} : { reason: why })
  })
  // Of a pool that this node is not in: hubs pass them on.
  const passedOn = parts.quorum.group(ROOT_POOL) === undefined ? parts.quorum.learned(ROOT_POOL).proposals() : []
  return newest([...groups(parts).flatMap(({ group }) => group.proposals()), ...passedOn], ({ started }) => started).map(view)
}

/** Votes that it cast and counted, the newest first. */
export function consensusVotes(parts: ConsensusParts): ConsensusVote[] {
  const view = ({ pool, key, voter, ballot, voters, version, at }: VoteInfo): ConsensusVote => ({
    pool, key, voter: { peer: voter, name: parts.nameOf(voter) }, ballot: `${ballot.n}@${ballot.peer}`, voters, version, at: unixTime(parts.clock, at)
  })
  return newest(groups(parts).flatMap(({ group }) => group.votes()), ({ at }) => at).map(view)
}

/** A time of the injected clock, as unix ms. */
function unixTime(clock: Clock, at: number): number {
  return Math.round(clock.wall() - (clock.now() - at))
}

function newest<T>(all: readonly T[], time: (one: T) => number): T[] {
  return all.toSorted((a, b) => time(b) - time(a)).slice(0, SHOWN)
}
