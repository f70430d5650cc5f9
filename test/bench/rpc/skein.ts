import { systemClock } from '../../../src/base/clock.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createHost } from '../../../src/net/host.ts'
import { identityFromSeed } from '../../../src/net/identity.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import type { Rpc } from '../../../src/rpc/types.ts'
import { createTelemetry } from '../../../src/telemetry/create-telemetry.ts'
import { libp2pMetrics } from '../../../src/telemetry/libp2p-metrics.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { secretRules } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'
import type { Client, Server } from './protocol.ts'

/** What a call through the node allows itself by default. */
const TIMEOUT_MS = 60_000

/** A host and its sessions as `createNode` joins them, with the metrics of a running node. */
async function startPeer(seed: number, handle: (rpc: Rpc) => void) {
  const telemetry = await createTelemetry({ level: 'error' })
  const { logger, meter } = telemetry
  const identity = await identityFromSeed(new Uint8Array(32).fill(seed))
  // Sessions need the host and the host's events need the sessions.
  const late: { rpc?: Rpc } = {}
  const host = await createHost(
    {
      clock: systemClock, logger, meter, rules: secretRules('bench'),
      events: {
        peerUp: (peer) => late.rpc?.peerUp(peer),
        peerDown: (peer) => late.rpc?.peerDown(peer),
        sessionStream: (peer, stream) => late.rpc?.accept(peer, stream)
      }
    },
    {
      self: identity.peer, privateKey: identity.privateKey, listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], userAgent: 'skein-bench',
      maxConnections: 50, dialTimeout: 5_000, gossip: { interval: 1_000, fanout: 3, maxMessageBytes: 65_536 },
      libp2pMetrics: libp2pMetrics(telemetry.libp2pRegistry)
    }
  )
  const rpc = createRpc({ clock: systemClock, random: systemRandom, meter, logger, opener: host }, { self: identity.peer, federation: 'bench', bootId: BigInt(Date.now()) })
  late.rpc = rpc
  handle(rpc)
  await host.start()
  return {
    host,
    rpc,
    async close() {
      rpc.close()
      await host.stop()
      telemetry.stop()
    }
  }
}

export async function skeinServer(): Promise<Server> {
  const { host, close } = await startPeer(1, (rpc) => rpc.handle(METHOD.ECHO, (exchange) => exchange.end(exchange.body)))
  return { address: `${host.addresses()[0]}/p2p/${host.self}`, close }
}

/** Every request with a deadline and a trace header, as calls of a node have. */
export async function skeinClient(address: string): Promise<Client> {
  const { host, rpc, close } = await startPeer(2, () => {})
  const peer = await host.connect([address], { signal: AbortSignal.timeout(10_000) })
  await waitUntil('there is a session', () => rpc.sessions().length > 0)
  const traceId = new Uint8Array(16).fill(1)
  const spanId = new Uint8Array(8).fill(2)
  return {
    echo: async (body) => (await rpc.call(peer, METHOD.ECHO, body, { timeout: TIMEOUT_MS, header: { trace: { traceId, spanId, flags: 1 } } })).body.length,
    close
  }
}
