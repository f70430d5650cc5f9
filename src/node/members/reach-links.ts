import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Member } from '../../membership/types.ts'
import { createReach, type ReachDeps } from '../../rpc/reach/reach.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import { createRelay, type RelayDeps } from '../../rpc/relay/relay.ts'
import { createTickets } from '../../rpc/relay/tickets.ts'
import type { Rpc } from '../../rpc/types.ts'
import type { Signer } from '../../wire/envelope.ts'
import { openTicket, sealTicket, type RelayTicket } from '../../wire/relay.ts'

export interface ReachLinkDeps extends Pick<RelayDeps, 'standing'>, Pick<ReachDeps, 'origin' | 'resolveAgain'> {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  rpc: Rpc
  signer: Signer
  /** Undefined until membership stands, and of strangers. */
  member(peer: string): Member | undefined
  /** Ends the connections of a peer at once. */
  abandon(peer: string): void
}

/** The ways to members, and this node as a way for others. */
export function createReachLinks({ signer, member, ...deps }: ReachLinkDeps, { self, federation }: { self: string; federation: string }): Reach {
  const seal = { seal: (ticket: RelayTicket) => sealTicket(ticket, signer), open: openTicket }
  const tickets = createTickets({ clock: deps.clock, random: deps.random, seal }, { federation })
  createRelay({ ...deps, tickets, isMember: (peer) => isLiving(member(peer)), onReceived: (origin) => deps.rpc.doubt(origin) }, { self })
  return createReach({ ...deps, tickets }, { self })
}

/** Ways are looked for to whoever lives in a pool of this node. */
export function followMembers(membership: Pick<PoolMembers, 'onEvent'>, reach: Pick<Reach, 'memberUp' | 'memberDown'>): void {
  membership.onEvent(({ member }) => (isLiving(member) ? reach.memberUp(member.peer) : reach.memberDown(member.peer)))
}

function isLiving(member: Member | undefined): boolean {
  return member?.state === 'alive' || member?.state === 'suspect'
}
