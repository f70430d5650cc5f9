import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { Member } from '../../src/membership/types.ts'
import type { Dht } from '../../src/net/dht/dht.ts'
import type { Host } from '../../src/net/host.ts'
import { setUpDistant } from '../../src/node/distant/distant-setup.ts'
import type { Distant } from '../../src/node/distant/distant.ts'
import { createOrigins } from '../../src/node/members/origins.ts'
import { createReachLinks } from '../../src/node/members/reach-links.ts'
import type { Reach } from '../../src/rpc/reach/types.ts'
import { createRpc } from '../../src/rpc/rpc.ts'
import type { Rpc, ServerExchange } from '../../src/rpc/types.ts'
import { createDhtDatastore } from '../../src/store/dht-datastore.ts'
import { METHOD } from '../../src/wire/protocols.ts'
import type { ResolvedProvider } from '../../src/wire/summary-types.ts'
import { secretRules, startHost } from './hosts.ts'
import { credentialFor } from './reach-net.ts'
import { createFounder, testSigner } from './security-world.ts'
import { waitUntil } from './wait-until.ts'

/** Of the federation whose credentials the nodes have. */
export const FEDERATION = createFounder(99).admission.federation()?.id as string

/** A host over TCP with sessions, ways and distant providers; its pools and hubs are played by the test. */
export interface DistantHost {
  host: Host
  rpc: Rpc
  reach: Reach
  distant: Distant
  /** MCP calls that came, to be ended by the test. */
  served: ServerExchange[]
  /** Who shares a pool with it. */
  pool: Set<string>
}

export interface DistantHostOptions {
  /** What its hub says about any server; without it nobody says anything. */
  resolve?: () => ResolvedProvider[]
  /** Also asks the DHT, and is in it. */
  dht?: boolean
}

export async function startDistantHost(seed: number, { resolve = () => [], dht = false }: DistantHostOptions = {}): Promise<DistantHost> {
  const joined: { rpc?: Rpc; distant?: Distant } = {}
  const host = await startHost({
    seed,
    rules: secretRules('s'),
    ...(dht ? { host: { dht: { datastore: createDhtDatastore() } } } : {}),
    events: {
      peerUp: (peer) => joined.rpc?.peerUp(peer),
      peerDown: (peer) => joined.rpc?.peerDown(peer),
      sessionStream: (peer, stream) => joined.rpc?.accept(peer, stream)
    }
  })
  const deps = { clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger }
  const rpc = createRpc({ ...deps, opener: host }, { self: host.self, federation: FEDERATION, bootId: 1n })
  joined.rpc = rpc
  const bundle = credentialFor(host.self)
  const pool = new Set<string>()
  const isMember = (peer: string) => pool.has(peer)
  const reach = createReachLinks(
    {
      ...deps, rpc, signer: testSigner(seed), abandon: (peer) => host.abandon(peer),
      member: (peer) => (isMember(peer) ? ({ state: 'alive' } as Member) : undefined),
      ...createOrigins({ clock: { ...systemClock, wall: () => 1_700_000_000_000 }, credential: () => bundle }, { federation: FEDERATION }),
      resolveAgain: async (peer, within) => joined.distant?.again(peer, within)
    },
    { self: host.self, federation: FEDERATION }
  )
  const distant = setUpDistant({
    ...deps, host, rpc, reach, isMember,
    summary: { resolve: async () => resolve(), interest() {} },
    ...(dht ? { findProviders: (kind, name, options) => dhtOf(host).findProviders(FEDERATION, kind, name, options) } : {})
  })
  joined.distant = distant
  const served: ServerExchange[] = []
  rpc.handle(METHOD.MCP_CALL, (exchange) => served.push(exchange))
  return { host, rpc, reach, distant, served, pool }
}

/** Of a host that was started with one. */
export function dhtOf({ dht }: Host): Dht {
  if (dht === undefined) throw new Error('this host has no DHT')
  return dht
}

/** The two are in one pool from now on, and linked. */
export async function share(a: DistantHost, b: DistantHost): Promise<void> {
  a.pool.add(b.host.self)
  b.pool.add(a.host.self)
  a.reach.memberUp(b.host.self)
  b.reach.memberUp(a.host.self)
  await a.host.connect(b.host.addresses(), { peer: b.host.self, signal: AbortSignal.timeout(5_000) })
  await waitUntil('both have a session', () => a.rpc.session(b.host.self) !== undefined && b.rpc.session(a.host.self) !== undefined)
}

export async function stopDistantHosts(nodes: readonly DistantHost[]): Promise<void> {
  for (const { distant, reach, rpc, host } of nodes) {
    distant.stop()
    reach.stop()
    rpc.close()
    await host.stop()
  }
}
