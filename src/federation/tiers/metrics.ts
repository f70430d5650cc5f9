import type { Counter, Gauge, Meter } from '../../base/meter.ts'
import type { LeaseCause } from './lease.ts'

export type AttachOutcome = 'accepted' | 'refused' | 'unanswered' | 'answered' | 'redirected'

export interface TiersMetrics {
  hubOf(tier: string): Gauge
  pools: Gauge
  withoutHub: Gauge
  /** `accepted`, `refused`, `unanswered`: searches of this node. `answered`, `redirected`: what it said to others. */
  attach(outcome: AttachOutcome): Counter
  takeover(cause: LeaseCause): Counter
  lost: Counter
  renewals(result: 'ok' | 'failed'): Counter
  moves: Counter
  voterChanges(result: 'ok' | 'failed'): Counter
}

export function createTiersMetrics(meter: Meter): TiersMetrics {
  const hubOf = meter.gauge('skein_tiers_hub_of_pools', 'Pools that this node acts as hub of, by their tier. When it is 0 at a node that should be hub, see: skein status.', ['tier'])
  const attach = meter.counter(
    'skein_tiers_attach_total',
    'Searches for a hub above, and answers to those of others. When `refused` grows, hubs are full: raise the limits under federation, or start another hub; when `unanswered` grows, no hub can be reached: skein peers.',
    ['outcome']
  )
  const takeover = meter.counter('skein_tiers_takeovers_total', 'Times this node became hub of a pool, by the reason. When `expired` grows, hubs fall silent without a trace: look at their machines and the network.', ['cause'])
  const renewals = meter.counter('skein_tiers_renewals_total', 'Renewals of leases of this node. When `failed` grows, a majority of the voters cannot be reached: skein consensus ls.', ['result'])
  const voterChanges = meter.counter('skein_tiers_voter_changes_total', 'Voters added or taken away by this node. When `failed` grows, a majority of the voters cannot be reached: skein consensus ls.', ['result'])
  return {
    hubOf: (tier) => hubOf.with(tier),
    pools: meter.gauge('skein_tiers_pools', 'Pools that this node is in: 1 for a leaf, one more for each that it is hub of.').with(),
    withoutHub: meter.gauge('skein_tiers_without_hub_seconds', 'For how long a pool of this node has had no hub, the longest. When it is over 60, a majority of the voters cannot be reached: skein consensus ls.').with(),
    attach: (outcome) => attach.with(outcome),
    takeover: (cause) => takeover.with(cause),
    lost: meter.counter('skein_tiers_leases_lost_total', 'Times this node stopped acting as hub without having resigned. When it grows, the machine stands still or the network breaks.').with(),
    renewals: (result) => renewals.with(result),
    moves: meter.counter('skein_tiers_moves_total', 'Times this node went to another hub. When it grows all the time, set federation.parent.').with(),
    voterChanges: (result) => voterChanges.with(result)
  }
}
