import { TIERS, type Tier } from '../../wire/admission-documents.ts'
import { keyOfPeerId } from '../../wire/peer-id.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import type { TierMember } from './ports.ts'

/** 0 for global, 3 for a leaf. */
export function depthOf(tier: Tier): number {
  return TIERS.indexOf(tier)
}

/** Whether a pool of tier `a` may be the parent of one of tier `b`. Strict, so that no pool is ever below itself. */
export function isAbove(a: Tier, b: Tier): boolean {
  return depthOf(a) < depthOf(b)
}

/** A tier as other folders hold it: any text. */
export function tierOf(text: string): Tier {
  return TIERS.find((tier) => tier === text) ?? 'leaf'
}

/** Whether a pool may have this id and tier: the top one is global, every other one bears the id of the node that founded it. */
export function isPool(pool: string, tier: Tier): boolean {
  return pool === ROOT_POOL ? tier === 'global' : tier !== 'global' && tier !== 'leaf' && keyOfPeerId(pool) !== undefined
}

/** In addresses that lead through others: not reached at once, perhaps not at all. */
export const RELAYED = '/p2p-circuit'

/** Suspects count: most of them object. */
export function isLiving(member: TierMember | undefined): boolean {
  return member?.state === 'alive' || member?.state === 'suspect'
}
