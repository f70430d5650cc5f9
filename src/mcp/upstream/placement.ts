import type { ClientContext, McpRequest } from '../ports.ts'
import type { Children, Lease } from './children.ts'
import type { Clock } from '../../base/clock.ts'
import type { Parking, UpstreamConnection } from './connection-ports.ts'
import type { Keeper } from './keeper.ts'
import type { ServerSpec } from './spec.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { mayWantOwn, wantsOwn } from './isolation.ts'
import { within } from './within.ts'

/** Calls wait this long for a server that is restarting, ms: several restarts fit in, and a client still has time to go elsewhere. */
const RESTART_WAIT = 5_000

/** A client's own child is started by its first call, and that call has nowhere else to go. */
const OWN_START_WAIT = 30_000

export interface PlacementDeps {
  name: string
  clock: Clock
  keeper: Pick<Keeper, 'state' | 'ready'>
  children: Pick<Children, 'acquire'>
  parking: Pick<Parking, 'makeRoom'>
  spec(): ServerSpec
  /** What the server speaks, once it is known. */
  era(): Era | undefined
}

/** A connection for one call; with a lease it is the client's own until that is released. */
export interface Place {
  connection: UpstreamConnection
  lease: Lease | undefined
}

export interface Placement {
  /** What the server speaks, where that decides: the shared connection finds out. */
  eraFor(request: McpRequest, left: number, signal: AbortSignal): Promise<Era>
  /** Waits for the client's connection, `left` ms at most. Rejects with SKEIN_UPSTREAM_DOWN, or SKEIN_BUSY when all are in use. */
  acquire(client: ClientContext, era: Era, left: number, signal: AbortSignal): Promise<Place>
}

/** Finds the connection that a client's call belongs to: the shared one, or one of its own. */
export function createPlacement({ name, clock, keeper, children, parking, spec, era }: PlacementDeps): Placement {
  /** A child for this client; where all are in use, one whose client was asked and does not come back gives way. */
  async function lend(client: ClientContext): Promise<Lease> {
    for (;;) {
      try {
        return children.acquire(client)
      } catch (error) {
        const freed = isSkeinError(error, 'SKEIN_BUSY') ? parking.makeRoom() : undefined
        if (freed === undefined) throw error
        await freed
      }
    }
  }

  return {
    async eraFor({ client, params }, left, signal) {
      const known = era()
      if (known !== undefined) return known
      if (params.requestState === undefined && !mayWantOwn(client, spec().isolation)) return '2025'
      return (await keeper.ready({ wait: Math.min(left, OWN_START_WAIT), signal })).era
    },
    async acquire(client, spoken, left, signal) {
      if (!wantsOwn(client, spec().isolation, spoken)) return { connection: await keeper.ready({ wait: Math.min(left, RESTART_WAIT), signal }), lease: undefined }
      if (keeper.state === 'failed' || keeper.state === 'stopped') await keeper.ready({ wait: 0, signal })
      const lease = await lend(client)
      const late = new SkeinError('SKEIN_UPSTREAM_DOWN', `A process or session of this client's own for ${name} did not start in time; the request was not run.`)
      try {
        return { connection: await within(clock, lease.connection, Math.min(left, OWN_START_WAIT), late, { signal }), lease }
      } catch (error) {
        lease.release()
        throw error
      }
    }
  }
}
