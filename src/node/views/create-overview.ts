import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { MetricSnapshot } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Host } from '../../net/host.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import type { Rpc } from '../../rpc/types.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { createDashboard } from './dashboard.ts'
import { createGossipTest } from './gossip-test.ts'
import { gossipView } from './gossip-view.ts'
import type { NodeOverview } from './overview.ts'
import { registryView } from './registry-view.ts'

export interface OverviewParts {
  host: Host
  rpc: Pick<Rpc, 'handle'>
  reach: Pick<Reach, 'call' | 'path'>
  catalog: CatalogDriver
  membership: PoolMembers
  clock: Clock
  random: Random
  logger: Logger
  metrics(): MetricSnapshot[]
  federation: string
}

/** The part of NodeApi for those who watch. Answers test messages of others from now on, so sessions and gossip have to be there. */
export function createOverview(parts: OverviewParts): NodeOverview {
  const { host, rpc, reach, catalog, membership, clock, random, logger, metrics, federation } = parts
  const scope = { federation, pool: ROOT_POOL, self: host.self }
  const test = createGossipTest({
    ...scope, clock, random, logger: logger.child({ area: 'gossip test' }), network: host,
    rpc: { handle: rpc.handle, call: reach.call },
    members: () => membership.members(),
    member: (peer) => membership.member(peer)
  })
  const nameOf = (peer: string) => membership.member(peer)?.name ?? catalog.record(peer)?.name ?? ''
  return {
    registry: () => registryView({ ...scope, catalog, clock, path: (peer) => reach.path(peer)?.kind, nameOf }),
    gossip: () => gossipView({ ...scope, host, membership, metrics }),
    gossipTest: (options) => test.run(options),
    dashboard: createDashboard(clock, () => host.metrics.discovery())
  }
}
