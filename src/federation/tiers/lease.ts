import type { Tier } from '../../wire/admission-documents.ts'
import type { Lease } from '../../wire/tiers-types.ts'
import { DRIFT, RANK_DELAY } from './limits.ts'

export interface LeaseFacts {
  self: string
  /** Of the pool. */
  tier: Tier
  ownTier: Tier
  now: number
  lease: Lease | undefined
  /** When this node learned of its last renewal, or voted for it, ms. */
  seenAt: number
  /** The holder left, or its process is proved to be gone. */
  holderGone: boolean
  /** Somebody should hold it: always, except in a flat federation. */
  wanted: boolean
  /** Gives up what it has and takes nothing. */
  resigning: boolean
  /** It has lost registers to a damaged disk: only another hub can take it off the voters and put it back. @default false */
  ill?: boolean
  /** In order of succession. */
  voters: readonly string[]
  living(peer: string): boolean
  /** Alive for a while, and not draining. */
  stable(peer: string): boolean
  tierOf(peer: string): Tier
}

export type LeaseCause = 'first' | 'resigned' | 'gone' | 'expired'

/**
 * `hold`: it is this node's; renew it in time. `hand-over`: resign in favour of `to`. `take`: propose, `rank` places behind the first.
 * `wait`: somebody has it; look again at `until`. `none`: nothing to do until something changes.
 */
export type LeaseAction =
  | { do: 'hold' }
  | { do: 'hand-over'; to: string | undefined }
  | { do: 'take'; cause: LeaseCause; rank: number }
  | { do: 'wait'; until: number }
  | { do: 'none' }

/** What a node does about the lease of one pool. Only voters take it; nobody takes it from a living holder. */
export function decideLease(facts: LeaseFacts): LeaseAction {
  const { self, lease, resigning } = facts
  const holds = lease?.holder === self && lease.resigned !== true
  if (holds) {
    if (resigning) return facts.voters.some((peer) => peer !== self && facts.living(peer)) ? { do: 'hand-over', to: undefined } : { do: 'hold' }
    const heir = properHeir(facts, lease) ?? (facts.ill === true ? facts.voters.find((peer) => peer !== self && facts.stable(peer)) : undefined)
    return heir === undefined ? { do: 'hold' } : { do: 'hand-over', to: heir }
  }
  if (resigning || !facts.wanted || !facts.voters.includes(self)) return { do: 'none' }
  const vacancy = vacancyOf(facts)
  return 'until' in vacancy ? { do: 'wait', until: vacancy.until } : { do: 'take', cause: vacancy.cause, rank: rankOf(facts) }
}

/**
 * Why the lease may be taken, or until when it may not. That the holder fell silent is no reason before its time is over: it may act on the
 * lease. That its address refuses connections is one: the process is gone.
 */
export function vacancyOf({ lease, seenAt, now, holderGone }: Pick<LeaseFacts, 'lease' | 'seenAt' | 'now' | 'holderGone'>): { cause: LeaseCause } | { until: number } {
  if (lease === undefined) return { cause: 'first' }
  if (lease.resigned === true) return { cause: 'resigned' }
  if (holderGone) return { cause: 'gone' }
  const until = seenAt + lease.ttl * DRIFT
  return now >= until ? { cause: 'expired' } : { until }
}

/** The first node of the pool's own tier takes over once from a founder that is of another: the top of a federation should be one that was meant to be. */
function properHeir({ self, tier, ownTier, voters, stable, tierOf }: LeaseFacts, lease: Lease): string | undefined {
  if (lease.proper || ownTier === tier) return undefined
  return voters.find((peer) => peer !== self && tierOf(peer) === tier && stable(peer))
}

/** Living voters before this one: the named successor, then those of the pool's tier if there was no hub before, then by order. */
function rankOf({ self, lease, voters, living, tier, tierOf, holderGone }: LeaseFacts): number {
  // One that has resigned, or that is not there any more, is no rival; one whose lease ran out may be back.
  const rivals = voters.filter((peer) => peer === self || (living(peer) && !(peer === lease?.holder && (holderGone || lease.resigned === true))))
  const weight = (peer: string) => (peer === lease?.successor ? 0 : lease === undefined && tierOf(peer) === tier ? 1 : 2)
  return rivals.toSorted((a, b) => weight(a) - weight(b)).indexOf(self)
}

/** ms to wait before a proposal. */
export function rankDelay(rank: number, jitter: number): number {
  return rank * RANK_DELAY + (rank > 0 ? jitter : 0)
}

/**
 * The voter's side of the same: true, or why it does not vote for `next`. `proposer`: the voter whose idea it is; undefined when what another began is put to
 * the vote again.
 */
export function permitsLease(facts: Pick<LeaseFacts, 'lease' | 'seenAt' | 'now' | 'holderGone'> & { proposer?: string | undefined }, next: Lease | undefined): true | string {
  const { lease, proposer } = facts
  if (next === undefined) return 'the lease of a hub cannot be deleted'
  // Or anybody could make anybody hub, or have the hub resign. Only voters propose, so only a voter can be hub.
  if (proposer !== undefined && proposer !== next.holder) return `a lease is proposed by whoever is to hold it: ${next.holder}, not ${proposer}`
  if (lease === undefined) return next.token === 1 ? true : 'the first lease of a pool has the fencing number 1'
  if (next.holder === lease.holder && next.token === lease.token) {
    return lease.resigned === true && next.resigned !== true ? 'who has resigned takes the lease anew, with the next fencing number' : true
  }
  if (next.token !== lease.token + 1) return `the fencing number after ${lease.token} is ${lease.token + 1}, not ${next.token}`
  const vacancy = vacancyOf(facts)
  if ('cause' in vacancy || next.holder === lease.holder) return true
  return `${lease.holder} holds the lease for ${Math.ceil(vacancy.until - facts.now)} ms more`
}
