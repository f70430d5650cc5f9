import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import type { CatalogDriver } from '../federation/catalog/driver.ts'
import type { Tiers } from '../federation/tiers/types.ts'
import type { Downstream } from '../mcp/downstream/create-downstream.ts'
import type { Rpc } from '../rpc/types.ts'
import type { McpServing } from './calls/serve-mcp.ts'
import { createDrain, type Drain } from './drain.ts'
import { createDrainMetrics } from './metrics.ts'

export interface DrainSetup {
  clock: Clock
  logger: Logger
  meter: Meter
  /** What the node's record and its health look at. */
  state: { draining: boolean }
  /** Publishes what the node says about itself. */
  describe(): void
  catalog: Pick<CatalogDriver, 'announce'>
  /** The hub of a pool hands its role over before it refuses anything. */
  tiers: Pick<Tiers, 'resign' | 'resume'>
  rpc: Pick<Rpc, 'goaway' | 'comeBack' | 'welcoming' | 'running' | 'idle'>
  /** Calls of other nodes. */
  serving: McpServing
  /** Calls of this node's clients. */
  downstream: Pick<Downstream, 'drain' | 'resume' | 'running'>
  /** `mcp.shutdown_timeout`, ms. */
  within: number
}

/** Joins the drain to the parts of a node. */
export function setUpDrain({ clock, logger, meter, state, describe, catalog, tiers, rpc, serving, downstream, within }: DrainSetup): Drain {
  const metrics = createDrainMetrics(meter)
  const drain = createDrain(
    {
      clock, logger, metrics,
      parts: {
        mark: (draining) => void (state.draining = draining),
        async announce(time) {
          describe()
          if (state.draining) await tiers.resign()
          else tiers.resume()
          return await catalog.announce(time)
        },
        refuse() {
          rpc.goaway('the node is being drained or stopped')
          serving.drain()
          void downstream.drain()
        },
        accept() {
          downstream.resume()
          rpc.comeBack()
        },
        welcoming: () => rpc.welcoming,
        running: () => downstream.running + rpc.running,
        async idle() {
          await Promise.all([downstream.drain(), rpc.idle()])
        }
      }
    },
    { within }
  )
  meter.onCollect(() => metrics.draining.set(drain.status().state === 'serving' ? 0 : 1))
  return drain
}
