import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Host } from '../../net/host.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import type { Rpc } from '../../rpc/types.ts'
import type { FindProviders } from '../members/paths-setup.ts'
import { createDirectLinks } from './direct-links.ts'
import { createDistant, type Distant, type DistantDeps } from './distant.ts'
import { createLongTail } from './long-tail.ts'
import { createDirectLinkMetrics, createDistantMetrics, createLongTailMetrics, createPassingMetrics } from './metrics.ts'
import { createPassingLinks } from './passing-links.ts'

export interface DistantSetupDeps {
  clock: Clock
  logger: Logger
  meter: Meter
  host: Pick<Host, 'self' | 'connect' | 'disconnect'> & Partial<Pick<Host, 'dht'>>
  rpc: Pick<Rpc, 'session'>
  reach: Pick<Reach, 'path' | 'suggest'>
  summary: { resolve: DistantDeps['resolve']; interest(key: string): void }
  /** Alive or suspect in a pool of this node. */
  isMember(peer: string): boolean
  /** Of the DHT, where this node takes part in one. */
  findProviders?: FindProviders
  /** The connection with this peer is used for something else than calls. @default none is */
  wants?(peer: string): boolean
}

/** Calls beyond the pools of this node: who has a server, over whom, and connections to those that are called often, or that only the DHT knows. */
export function setUpDistant({ clock, logger, meter, host, rpc, reach, summary, isMember, findProviders, wants }: DistantSetupDeps): Distant {
  const connections = {
    clock, logger,
    connect: (peer: string, addresses: readonly string[], { signal }: { signal: AbortSignal }) => host.connect(addresses, { peer, signal }),
    disconnect: (peer: string) => host.disconnect(peer)
  }
  const links = createDirectLinks({
    ...connections, metrics: createDirectLinkMetrics(meter), isMember,
    session: (peer) => rpc.session(peer)
  })
  const { dht } = host
  const passing = createPassingLinks({ ...connections, metrics: createPassingMetrics(meter), isNeeded: (peer) => isMember(peer) || wants?.(peer) === true || links.keeps(peer) })
  dht?.onStranger(passing.meet)
  // Also without a DHT: what is documented is there.
  const tailMetrics = createLongTailMetrics(meter)
  const longTail = dht === undefined || findProviders === undefined ? undefined : createLongTail({
    self: host.self, clock, logger, metrics: tailMetrics, isMember,
    find: findProviders, addressesOf: dht.addressesOf, connect: links.connect,
    isUp: (peer) => reach.path(peer) !== undefined
  })
  const distant = createDistant({ self: host.self, clock, logger, metrics: createDistantMetrics(meter), resolve: summary.resolve, interest: summary.interest, longTail, reach, links })
  return {
    ...distant,
    stop() {
      distant.stop()
      longTail?.stop()
      passing.stop()
      links.stop()
    }
  }
}
