/**
 * CPU per request of the RPC machine alone, both sides in one process over an in-memory pair: `node test/bench/rpc-machine.ts [requests]`.
 * As shipped: deadline, trace header, credit and metrics on; 64 in flight, 128-byte bodies.
 */
import { createMeter } from '../../src/base/meter.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createRpc } from '../../src/rpc/rpc.ts'
import type { ByteStream, StreamHandlers } from '../../src/rpc/ports.ts'

const requests = Number(process.argv[2] ?? 2_000_000)
const IN_FLIGHT = 64
const METHOD = 1

/** Delivers whole hand-overs on the next turn of the event loop, as sockets do. */
function pair(): [ByteStream, ByteStream] {
  const handlers: (StreamHandlers | undefined)[] = [undefined, undefined]
  const end = (mine: number): ByteStream => ({
    unsent: 0,
    send(bytes) {
      setImmediate(() => handlers[1 - mine]?.data(bytes))
      return true
    },
    pause() {},
    resume() {},
    close() {},
    abort(reason) {
      throw reason
    },
    attach(given) {
      handlers[mine] = given
    }
  })
  return [end(0), end(1)]
}

const [a, b] = pair()
const deps = () => ({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger })
const server = createRpc({ ...deps(), opener: { open: () => Promise.reject(new Error('never')) } }, { self: 'b', federation: 'f', bootId: 1n })
const client = createRpc({ ...deps(), opener: { open: async () => a } }, { self: 'a', federation: 'f', bootId: 1n })
server.handle(METHOD, (exchange) => exchange.end(exchange.body))
const up = new Promise<void>((resolve) => client.onSession((event) => event.type === 'up' && resolve()))
server.accept('a', b)
client.peerUp('b')
await up

const body = new Uint8Array(128).fill(7)
const trace = { traceId: new Uint8Array(16).fill(1), spanId: new Uint8Array(8).fill(2), flags: 1 }

async function round(count: number): Promise<number> {
  let left = count
  const started = process.cpuUsage()
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) {
        const answer = await client.call('b', METHOD, body, { timeout: 20_000, header: { trace } })
        if (answer.body.length !== body.length) throw new Error('a wrong answer')
      }
    })
  )
  const used = process.cpuUsage(started)
  return ((used.user + used.system) * 1000) / count
}

await round(requests / 4)
for (let index = 0; index < 3; index++) {
  console.log(`${Math.round(await round(requests / 3))} ns of CPU per request, both sides together (${IN_FLIGHT} in flight, ${body.length} B)`)
}
client.close()
server.close()
