import type { MetricSnapshot } from '../../base/meter.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Host } from '../../net/host.ts'
import { catalogTopic, gossipTestTopic } from '../../wire/protocols.ts'
import type { GossipInfo } from './overview.ts'

export interface GossipViewDeps {
  host: Pick<Host, 'gossip'>
  membership: Pick<PoolMembers, 'stats'>
  metrics(): readonly MetricSnapshot[]
  federation: string
  pool: string
}

/** The values of a counter with one label, by that label. */
export function valuesOf(snapshot: readonly MetricSnapshot[], name: string): Record<string, number> {
  const samples = snapshot.find((metric) => metric.name === name)?.samples ?? []
  return Object.fromEntries(samples.map(({ labels, value }) => [labels[0] ?? '', value]))
}

/** What goes over gossip: topics as gossipsub counts them, news of members as the metrics do. */
export function gossipView({ host, membership, metrics, federation, pool }: GossipViewDeps): GossipInfo {
  const about: Record<string, 'catalog' | 'test'> = { [catalogTopic(federation, pool)]: 'catalog', [gossipTestTopic(federation, pool)]: 'test' }
  const { topics, ...frames } = host.gossip()
  const { queued, queuedBytes, health, suspicions, links } = membership.stats()
  const snapshot = metrics()
  const of = (what: string) => valuesOf(snapshot, `skein_membership_${what}_total`)
  return {
    gossipsub: { ...frames, topics: topics.map((counts) => ({ ...counts, about: about[counts.topic] ?? 'other' })) },
    swim: {
      queued, queuedBytes, health, suspicions, links,
      sent: of('sent'), sentBytes: of('sent_bytes'), received: of('received'), receivedBytes: of('received_bytes'), held: of('held')
    }
  }
}
