import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import type { Host } from '../net/host.ts'
import type { Reach } from '../rpc/reach/types.ts'
import type { Rpc } from '../rpc/types.ts'
import { createDirectLinks } from './direct-links.ts'
import { createDistant, type Distant, type DistantDeps } from './distant.ts'
import { createDirectLinkMetrics, createDistantMetrics } from './metrics.ts'

export interface DistantSetupDeps {
  clock: Clock
  logger: Logger
  meter: Meter
  host: Pick<Host, 'self' | 'connect' | 'disconnect'>
  rpc: Pick<Rpc, 'session'>
  reach: Pick<Reach, 'path' | 'suggest'>
  summary: { resolve: DistantDeps['resolve']; interest(key: string): void }
  /** Alive or suspect in a pool of this node. */
  isMember(peer: string): boolean
}

/** Calls beyond the pools of this node: who has a server, over whom, and connections to those that are called often. */
export function setUpDistant({ clock, logger, meter, host, rpc, reach, summary, isMember }: DistantSetupDeps): Distant {
  const links = createDirectLinks({
    clock, logger, metrics: createDirectLinkMetrics(meter), isMember,
    connect: (peer, addresses, { signal }) => host.connect(addresses, { peer, signal }),
    disconnect: (peer) => host.disconnect(peer),
    session: (peer) => rpc.session(peer)
  })
  const distant = createDistant({ self: host.self, clock, logger, metrics: createDistantMetrics(meter), resolve: summary.resolve, interest: summary.interest, reach, links })
  return {
    ...distant,
    stop() {
      distant.stop()
      links.stop()
    }
  }
}
