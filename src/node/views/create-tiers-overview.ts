import { errorMessage, isSkeinError, SkeinError } from '../../base/errors.ts'
import type { Quorum } from '../../federation/quorum/driver-types.ts'
import type { Tiers } from '../../federation/tiers/types.ts'
import { encodeRegister, parseRegisterKey } from '../../wire/federation-registers.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { consensusProposals, consensusStatus, consensusVotes, type ConsensusParts } from './consensus-view.ts'
import type { ProposeInput, ProposeResult, TiersOverview, TiersStatus } from './tiers-overview.ts'
import { tiersStatus, topologyView, type TopologyParts } from './topology-view.ts'

export interface TiersOverviewParts extends ConsensusParts, Omit<TopologyParts, 'members'> {
  quorum: Pick<Quorum, 'group' | 'learned' | 'change'>
  tiers: Pick<Tiers, 'state' | 'topology'>
  /** As one pool sees them; without it, of all pools. */
  members(pool?: string): ReturnType<TopologyParts['members']>
  /** `consensus.proposal_timeout`, ms. */
  proposalTimeout(): number
}

/** The part of NodeApi about hubs and votes, and what `status` says of them. */
export function createTiersOverview(parts: TiersOverviewParts): TiersOverview & { tiersStatus(): TiersStatus | undefined } {
  return {
    topology: (options) => topologyView({ ...parts, members: () => parts.members() }, options),
    consensus: () => consensusStatus(parts),
    proposals: () => consensusProposals(parts),
    votes: () => consensusVotes(parts),
    propose: (input) => propose(parts, input),
    tiersStatus: () => tiersStatus(parts.tiers.state(), parts.nameOf)
  }
}

async function propose(parts: TiersOverviewParts, { key, value, expect, signal }: ProposeInput): Promise<ProposeResult> {
  const { self, quorum, proposalTimeout, nameOf } = parts
  const data = encodeRegister(key, value)
  const register = parseRegisterKey(key)
  if (register?.kind === 'ban' && register.peer === self && value !== null) {
    throw new SkeinError('SKEIN_BAD_REQUEST', 'A node does not ban itself: stop it, or have it banned at another node.')
  }
  try {
    const { version } = await quorum.change(ROOT_POOL, key, { expect: expect ?? 'any', data }, { within: proposalTimeout(), signal })
    return { outcome: 'decided', key, version, message: decidedMessage(key, value, version, { name: nameOf, knows: (peer) => parts.members().some((member) => member.peer === peer) || parts.record(peer) !== undefined }) }
  } catch (error) {
    const outcome = outcomeOf(error)
    if (outcome === undefined) throw error
    return { outcome, key, message: errorMessage(error) }
  }
}

function outcomeOf(error: unknown): Exclude<ProposeResult['outcome'], 'decided'> | undefined {
  if (isSkeinError(error, 'SKEIN_CONFLICT', 'SKEIN_NO_QUORUM')) return 'refused'
  if (isSkeinError(error, 'SKEIN_PROPOSAL_EXPIRED')) return 'expired'
  return isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN') ? 'unknown' : undefined
}

interface Known {
  /** '' where it is not known. */
  name(peer: string): string
  knows(peer: string): boolean
}

function decidedMessage(key: string, value: unknown, version: number, known: Known): string {
  const register = parseRegisterKey(key)
  const now = `version ${version}`
  if (register?.kind === 'ban') return banMessage(register.peer, value === null, now, known)
  return value === null ? `${key} was taken back (${now}): what each node is configured with counts again.` : `${key} is ${String(value)} in the whole federation (${now}).`
}

function banMessage(peer: string, back: boolean, now: string, { name, knows }: Known): string {
  const who = name(peer) === '' ? peer : `${name(peer)} (${peer})`
  if (back) return `The ban of ${who} was taken back (${now}).`
  // A node of another pool need not be known here; neither is one that nobody has.
  const check = name(peer) === '' && !knows(peer) ? ' This node knows none of this id: compare it with that in `skein topology`.' : ''
  return `${who} is banned from the federation (${now}).${check}`
}
