import type { MembershipDeps, StatementSeal } from './ports.ts'
import type { MembershipProfile } from './profiles.ts'
import type { SwimStats } from './swim.ts'
import type { LocalMember, Member, MemberEvent, SwimEffect } from './types.ts'

export type SupersededBy = Extract<SwimEffect, { type: 'superseded' }>['by']

export interface PoolMembersDeps extends Omit<MembershipDeps, 'seal' | 'shared'> {
  seal(pool: string): StatementSeal
  /** A connection that is wanted although no pool has this peer alive, as one with a hub that is being asked for a place. @default none */
  keep?(peer: string): boolean
}

export interface PoolMembersOptions {
  /** Own peer id. */
  self: string
  federation: string
  profile: MembershipProfile
  /** Up to this many members of one pool everybody is connected with everybody. @default 128 */
  fullMesh?: number
}

/** The members of several pools, over the same connections. Each pool has a machine of its own; what they say is joined here. */
export interface PoolMembers {
  /** Once; pools entered before or after begin with it. `boot`: unix ms, higher than that of any earlier start. */
  start(local: LocalMember, boot: number): void
  /** What this node says about itself changed, in all pools. */
  update(local: LocalMember): void
  /**
   * Idempotent. `through`: members of that pool who are asked at once who is in it; other links are not troubled by it. Without it all links are asked.
   */
  enter(pool: string, options?: { through?: readonly string[] }): void
  /** Says goodbye in that pool only and forgets it. Resolves when that has left, at most LEAVE_WAIT later. Connections that serve nobody else are closed. */
  leave(pool: string): Promise<void>
  /** The federation has banned this peer: dead in all pools at once. `seal` must find no standing for it any more, or it comes back with its next word. */
  expel(peer: string): void
  /** Says goodbye in all pools; members stay listed. Then `stop`. */
  leaveAll(): Promise<void>
  /** For good: nothing is sent, dialled or told any more. */
  stop(): void
  /** The first admitted connection of a peer is up; may come before `start`. */
  linkUp(peer: string, at: { address: string; dialled: boolean }): void
  /** Its last one is gone. `expected`: this node closed it. */
  linkDown(peer: string, how: { expected: boolean }): void
  /** A message from a peer, without its length. Never throws. False: it sends so much that its stream should be reset. Of a pool this node is not in: dropped and counted. */
  received(peer: string, message: Uint8Array): boolean
  /** In the order in which they were entered. */
  pools(): readonly string[]
  /**
   * All known, this node included. Of all pools, each peer once: alive if any has it alive, suspect if any has it suspect, otherwise as it ended last.
   * With `pool`: as that one sees it; [] of one that this node is not in.
   */
  members(pool?: string): Member[]
  member(peer: string, pool?: string): Member | undefined
  /** Pools in which both are, the peer alive or suspect. */
  poolsOf(peer: string): readonly string[]
  /** ms between this node and the member and back, by network coordinates; undefined while too little is known. */
  predicted(peer: string): number | undefined
  /** Summed up, but each member and each link once, and the worst health. Of a pool that this node is not in: all zero. */
  stats(pool?: string): SwimStats
  /**
   * What happens to the joined view: nobody fails or leaves while another pool has it alive or suspect, and nobody joins twice. Who is known no more because
   * this node has left a pool has `left`, too.
   */
  onEvent(listener: (event: MemberEvent) => void): () => void
  /** What happens in each pool; told before the event of the joined view that it causes. */
  onPoolEvent(listener: (pool: string, event: MemberEvent) => void): () => void
  /** A newer process has this node's identity; this one has fallen silent in all pools. */
  onSuperseded(listener: (by: SupersededBy) => void): () => void
}
