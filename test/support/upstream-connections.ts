import type { ConnectionOptions, Parking, UpstreamConnection } from '../../src/mcp/upstream/connection-ports.ts'
import type { Json, JsonRpcNotification, JsonRpcRequest } from '../../src/wire/json-rpc.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openConnection } from '../../src/mcp/upstream/connection.ts'
import { createUpstreamMetrics } from '../../src/mcp/upstream/metrics.ts'
import { createParking } from '../../src/mcp/upstream/parking.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { createMemoryServer, type MemoryLink, type MemoryServer } from './memory-upstream.ts'

export interface DialOptions extends Partial<ConnectionOptions> {
  /** @default 256 */
  maxParked?: number
  logger?: Logger
}

export interface Dialled {
  clock: ManualClock
  link: MemoryLink
  parking: Parking
  /** What belonged to no call. */
  outside: JsonRpcNotification[]
  opening: Promise<UpstreamConnection>
}

/** Begins a connection to a server in memory, by default of the era with `initialize`. */
export function dial(server: MemoryServer, { maxParked, logger = silentLogger, ...options }: DialOptions = {}): Dialled {
  const clock = createManualClock()
  const random = seededRandom(1)
  const parking = options.parking ?? createParking({ clock, random, logger: silentLogger, givenUp: createUpstreamMetrics(createMeter(), () => ({ parked: 0, listeners: 0 })).forServer('memory').givenUp }, maxParked === undefined ? {} : { max: maxParked })
  const outside: JsonRpcNotification[] = []
  const defaults: ConnectionOptions = {
    transport: options.transport ?? server.connect(),
    version: '1.2.3',
    capabilities: {},
    era: '2025',
    own: { sole: () => true },
    parking,
    onNotification: (message) => void outside.push(message),
    definition: () => undefined
  }
  const opening = openConnection({ clock, random, logger }, { ...defaults, ...options }, { signal: new AbortController().signal })
  opening.catch(() => {})
  return { clock, link: server.last, parking, outside, opening }
}

export async function connected(options: DialOptions & { server?: (server: MemoryServer) => void } = {}): Promise<Dialled & { connection: UpstreamConnection }> {
  const { server: prepare, ...rest } = options
  const server = createMemoryServer()
  prepare?.(server)
  const dialled = dial(server, rest)
  return { ...dialled, connection: await dialled.opening }
}

/** The tools/call requests that the server has not answered yet. */
export function sentCall(link: MemoryLink, index = 0): JsonRpcRequest & { params: Json } {
  const request = link.open('tools/call')[index]
  if (request === undefined) throw new Error('no such call was sent')
  return { ...request, params: request.params ?? {} }
}

/** Our answers to the server's request of this id. */
export function answersTo(link: MemoryLink, id: string | number): object[] {
  return link.received.filter((message) => 'id' in message && message.id === id && !('method' in message))
}
