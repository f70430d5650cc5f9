import { REPLACE_LEFT_AFTER } from '../../federation/tiers/limits.ts'
import type { ConsensusGroup, ConsensusVoter } from './tiers-overview.ts'

export interface ProblemFacts {
  group: Omit<ConsensusGroup, 'problems'>
  /** Settings and bans are voted on here. */
  isRoot: boolean
  /** The pool has, or had, a hub: without one, leases interest nobody. */
  tiered: boolean
  /** Living members of the pool. */
  living: number
  /** What the tiers say about the pool, if anything. */
  noHub: string | undefined
  /** The error of the disk of this node, that takes no votes. */
  unwritten?: string | undefined
  /** Other voters that have lost registers to damage. */
  damagedAt: readonly { name: string; key: string }[]
}

/** What a person should know about a group, and what to do: the most urgent first. */
export function consensusProblems(facts: ProblemFacts): string[] {
  const { group, isRoot, tiered, noHub, unwritten, damagedAt } = facts
  return [
    ...(noHub === undefined ? [] : [noHub]),
    ...(tiered ? leaseProblems(facts) : []),
    ...(isRoot ? settingProblems(facts) : []),
    ...(unwritten === undefined ? [] : [`This node cannot write down what it votes (${unwritten}), and abstains: make room on its disk, or mend it. It is replaced as a voter, and votes again by itself when that goes.`]),
    ...(unwritten === undefined ? group.damaged : []).map((key) => `This node has lost what it voted on ${registers(key)} to damage of its disk, and abstains there: look at the disk; a hub that lives replaces it as a voter.`),
    ...damagedAt.map(({ name, key }) => `${name} cannot read or write down what it votes on ${registers(key)}, and abstains there: look at its disk, whether it is damaged or full.`)
  ]
}

/** As GroupStatus names them. */
const registers = (key: string) => (key === '*' ? 'anything' : key)

function leaseProblems({ group: { voters, needed, survives }, living }: ProblemFacts): string[] {
  const alive = voters.filter(({ alive }) => alive)
  if (alive.length < needed.lease) {
    return [`No quorum: ${votes(needed.lease, voters.length)} needed to choose a hub, but ${away(voters)}. Start ${leftOf(voters).length === 0 ? 'them again' : 'or restart them'}: without them nobody can become hub.`]
  }
  // With nobody to take over, there is nothing to agree on.
  if (survives.lease > 0 || living < 2) return []
  return [`${votes(needed.lease, voters.length)} needed to choose a hub: if ${names(alive, 'or')} dies, nobody can take over until it is back. ${cure(voters)}`]
}

function settingProblems({ group: { voters, needed, survives } }: ProblemFacts): string[] {
  const alive = voters.filter(({ alive }) => alive)
  if (alive.length < needed.settings) return [`${votes(needed.settings, voters.length)} needed for settings and bans, but ${away(voters)}: none can change until enough of them are back or replaced.`]
  if (survives.settings > 0 || voters.length < 2) return []
  return [`${votes(needed.settings, voters.length)} needed for settings and bans: if one voter dies, none can change until it is back. Five voters, or a lower consensus.threshold on all nodes, would survive that.`]
}

const deadOf = (voters: readonly ConsensusVoter[]) => voters.filter(({ alive, left }) => !alive && !left)
const leftOf = (voters: readonly ConsensusVoter[]) => voters.filter(({ left }) => left)

/** `gamma is dead`, `gamma is dead and delta has left the pool`. */
function away(voters: readonly ConsensusVoter[]): string {
  const [dead, left] = [deadOf(voters), leftOf(voters)]
  return [
    ...(dead.length === 0 ? [] : [`${names(dead)} ${dead.length === 1 ? 'is' : 'are'} dead`]),
    ...(left.length === 0 ? [] : [`${names(left)} ${left.length === 1 ? 'has' : 'have'} left the pool`])
  ].join(' and ')
}

function cure(voters: readonly ConsensusVoter[]): string {
  const [dead, left] = [deadOf(voters), leftOf(voters)]
  if (dead.length > 0) return `Start ${names(dead)} again, or wait until others take their place.`
  if (left.length === 0) return 'With three members that live there are three voters.'
  const [has, its] = left.length === 1 ? ['has', 'its place goes to another member'] : ['have', 'their places go to other members']
  return `${names(left)} ${has} left the pool: ${its} after ${REPLACE_LEFT_AFTER / 1_000} s, if there are any.`
}

/** `3 of 3 votes are`, `1 of 1 votes is`. */
function votes(needed: number, all: number): string {
  return `${needed} of ${all} ${needed === 1 ? 'votes is' : 'votes are'}`
}

function names(voters: readonly { name: string; peer: string }[], joint = 'and'): string {
  const all = voters.map(({ name, peer }) => name || peer)
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} ${joint} ${all.at(-1)}`
}
