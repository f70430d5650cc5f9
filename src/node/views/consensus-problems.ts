import type { ConsensusGroup } from './tiers-overview.ts'

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

const registers = (key: string) => (key === '*' ? 'anything' : key)

function leaseProblems({ group: { voters, needed, survives }, living }: ProblemFacts): string[] {
  const dead = names(voters.filter(({ alive }) => !alive))
  const alive = voters.filter(({ alive }) => alive)
  if (alive.length < needed.lease) {
    return [`No quorum: ${votes(needed.lease, voters.length)} needed to choose a hub, but ${dead} ${voters.length - alive.length === 1 ? 'is' : 'are'} dead. Start them again: without them nobody can become hub.`]
  }
  // With nobody to take over, there is nothing to agree on.
  if (survives.lease > 0 || living < 2) return []
  const cure = dead === '' ? 'With three members that live there are three voters.' : `Start ${dead} again, or wait until others take their place.`
  return [`${votes(needed.lease, voters.length)} needed to choose a hub: if ${names(alive, 'or')} dies, nobody can take over until it is back. ${cure}`]
}

function settingProblems({ group: { voters, needed, survives } }: ProblemFacts): string[] {
  const alive = voters.filter(({ alive }) => alive)
  const dead = names(voters.filter(({ alive }) => !alive))
  if (alive.length < needed.settings) return [`${votes(needed.settings, voters.length)} needed for settings and bans, but ${dead} ${voters.length - alive.length === 1 ? 'is' : 'are'} dead: none can change until then.`]
  if (survives.settings > 0 || voters.length < 2) return []
  return [`${votes(needed.settings, voters.length)} needed for settings and bans: if one voter dies, none can change until it is back. Five voters, or a lower consensus.threshold on all nodes, would survive that.`]
}

/** `3 of 3 votes are`, `1 of 1 votes is`. */
function votes(needed: number, all: number): string {
  return `${needed} of ${all} ${needed === 1 ? 'votes is' : 'votes are'}`
}

function names(voters: readonly { name: string; peer: string }[], joint = 'and'): string {
  const all = voters.map(({ name, peer }) => name || peer)
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} ${joint} ${all.at(-1)}`
}
