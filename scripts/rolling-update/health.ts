import type { DrainStatus, MemberInfo, NodeStatus } from '../../src/node/api.ts'
import type { RegistryStatus } from '../../src/node/views/overview.ts'
import { ask, type Place } from './client.ts'
import type { Target } from './targets.ts'

/** What a node says about itself. */
export interface Identity {
  name: string
  peer: string
  version: string
  pid: number
  /** Grows with every start. */
  incarnation: number
  /** That others see. */
  servers: string[]
}

/** As `node.id` in a node's configuration: it becomes part of a command, and of a file's name. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** @throws also when the node says a name that no node can have */
export async function identityOf(place: Place): Promise<Identity> {
  const [{ name, peer, version, pid }, { members }, { records }] = await Promise.all([
    ask<NodeStatus>(place, 'GET', '/api/status'),
    ask<{ members: MemberInfo[] }>(place, 'GET', '/api/members'),
    ask<RegistryStatus>(place, 'GET', '/api/registry/status')
  ])
  if (typeof name !== 'string' || !NAME.test(name)) throw new Error(`${place.url} says a name that no node can have: ${JSON.stringify(name)?.slice(0, 100)}`)
  const incarnation = members.find(({ self }) => self)?.incarnation ?? 0
  return { name, peer, version, pid, incarnation, servers: records.find(({ self }) => self)?.servers ?? [] }
}

/** Why a node is not as it should be, in a sentence without its full stop; undefined: it is well. */
export async function readyProblem(place: Place): Promise<string | undefined> {
  try {
    await ask(place, 'GET', '/ready')
    const { state } = await ask<DrainStatus>(place, 'GET', '/admin/drain')
    return state === 'serving' ? undefined : `it is ${state}`
  } catch (error) {
    return `it is not ready: ${(error as Error).message}`
  }
}

/** Why `place` would not call `other` now; undefined: it would. `since`: an incarnation that it must have heard of. */
export async function seenProblem(place: Place, other: Identity, since: number): Promise<string | undefined> {
  const [{ members }, { records }] = await Promise.all([
    ask<{ members: MemberInfo[] }>(place, 'GET', '/api/members'),
    ask<RegistryStatus>(place, 'GET', '/api/registry/status')
  ])
  const member = members.find(({ peer }) => peer === other.peer)
  if (member === undefined) return `does not know ${other.name}`
  if (member.state !== 'alive') return `sees ${other.name} as ${member.state}`
  if (member.incarnation < since) return `has not heard of the new start of ${other.name}`
  if (member.version !== other.version) return `sees ${other.name} at version ${member.version}`
  const record = records.find(({ peer }) => peer === other.peer)
  if (record === undefined) return `has no record of ${other.name}`
  if (record.draining) return `takes ${other.name} for draining`
  if (record.path === 'none') return `does not reach ${other.name}`
  const missing = other.servers.filter((server) => !record.servers.includes(server))
  return missing.length === 0 ? undefined : `does not see ${missing.join(', ')} of ${other.name}`
}

/** The first thing that is wrong among these nodes; undefined: each is ready and would call each other. */
export async function poolProblem(nodes: readonly { target: Target; identity: Identity }[]): Promise<string | undefined> {
  for (const { target, identity } of nodes) {
    const place = target.locate()
    const problem = await readyProblem(place)
    if (problem !== undefined) return `${identity.name}: ${problem}`
    for (const other of nodes) {
      if (other.identity.peer === identity.peer) continue
      const unseen = await seenProblem(place, other.identity, other.identity.incarnation)
      if (unseen !== undefined) return `${identity.name} ${unseen}`
    }
  }
  return undefined
}
