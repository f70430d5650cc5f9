import { createMeter } from '../../../../src/base/meter.ts'
import { silentLogger, type Logger } from '../../../../src/base/logger.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createDownstream } from '../../../../src/mcp/downstream/create-downstream.ts'
import type { Json, JsonRpcId, JsonRpcMessage } from '../../../../src/wire/json-rpc.ts'
import { createFakeBackend } from '../../../support/fake-mcp-backend.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

export interface Sent {
  message: JsonRpcMessage & { id?: JsonRpcId | null; method?: string; result?: Json; error?: { code: number; message: string; data?: unknown }; params?: Json }
  related: JsonRpcId | undefined
}

/** A session on a fake backend and a link that remembers; `reachable` false makes the link refuse. */
export function setup(options: { view?: string; capabilities?: Json; initialize?: boolean; logger?: Logger } = {}) {
  const clock = createManualClock()
  const backend = createFakeBackend()
  const meter = createMeter()
  const downstream = createDownstream(
    { backend, clock, meter, random: seededRandom(1), logger: options.logger ?? silentLogger, edge: 'peerA' },
    { version: '1.2.3' }
  )
  const sent: Sent[] = []
  const dropped: JsonRpcId[] = []
  const state = { reachable: true }
  if (options.view !== undefined) backend.setTools(['x', 'y'], options.view)
  const session = downstream.open({
    view: options.view,
    transport: 'http',
    link: {
      send(message, related) {
        if (state.reachable) sent.push({ message, related })
        return state.reachable
      },
      dropped: (id) => void dropped.push(id)
    }
  })
  const request = (id: JsonRpcId, method: string, params?: Json) =>
    session.receive(params === undefined ? { jsonrpc: '2.0', id, method } : { jsonrpc: '2.0', id, method, params })
  const notify = (method: string, params?: Json) => session.receive(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params })
  if (options.initialize !== false) {
    request('init', 'initialize', { protocolVersion: '2025-11-25', clientInfo: { name: 'test', version: '1' }, capabilities: options.capabilities ?? {} })
    notify('notifications/initialized')
    sent.length = 0
  }
  return { clock, backend, meter, downstream, session, sent, dropped, state, request, notify }
}

/** Lets promises settle; no time passes. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}
