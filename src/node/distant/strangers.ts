import type { PoolMembers } from '../../membership/pools.ts'

/**
 * Whether this node looks for peers that are no members of its pools. In a flat federation always: they belong here, and only their halves have not met yet.
 * With hubs only while it is alone: then anybody may show it the way to a hub. Otherwise most strangers belong to other pools for ever, and its own
 * members, dead ones included, are dialled by membership.
 * @param isTiered whether any pool of this node has a hub, or this node is to be one
 */
export function wantsStrangers(membership: Pick<PoolMembers, 'members'>, self: string, isTiered: () => boolean): boolean {
  return !isTiered() || membership.members().every(({ peer, state }) => peer === self || (state !== 'alive' && state !== 'suspect'))
}
