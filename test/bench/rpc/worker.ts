/** One process of the bench: a server or a client of one kind, told what to do over IPC. Ends with its parent. */
import { natsJsClient, natsJsServer } from './nats-js.ts'
import { natsClient, natsServer } from './nats.ts'
import type { Client, Echo, Measure, Measured, Reply, Server, WorkerStart } from './protocol.ts'
import { rawClient, rawServer } from './raw.ts'
import { skeinClient, skeinServer } from './skein.ts'

async function measure(echo: Echo, { inFlight, bytes, ms }: Measure): Promise<Measured> {
  const body = new Uint8Array(bytes).fill(7)
  const times: number[] = []
  const started = performance.now()
  const end = started + ms
  async function loop(): Promise<void> {
    let before = performance.now()
    while (before < end) {
      const length = await echo(body)
      if (length !== bytes) throw new Error(`an echo of ${bytes} bytes came back with ${length}`)
      const after = performance.now()
      times.push(after - before)
      before = after
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  const took = performance.now() - started
  const sorted = Float64Array.from(times).sort()
  const quantile = (q: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0) * 1000
  return { operations: sorted.length, ms: took, p50: quantile(0.5), p99: quantile(0.99) }
}

function startServer({ kind, address = '', natsJs = '' }: WorkerStart): Promise<Server> {
  if (kind === 'nats-js') return natsJsServer(address, natsJs)
  if (kind === 'raw') return rawServer()
  return kind === 'nats' ? natsServer(address) : skeinServer()
}

function startClient({ kind, address = '', natsJs = '' }: WorkerStart): Promise<Client> {
  if (kind === 'nats-js') return natsJsClient(address, natsJs)
  if (kind === 'raw') return rawClient(address)
  return kind === 'nats' ? natsClient(address) : skeinClient(address)
}

/** The parent may have given up in between. */
function say(reply: Reply): void {
  if (process.connected) process.send?.(reply)
}

const start = JSON.parse(process.argv[2] ?? '{}') as WorkerStart
let close: () => Promise<void>
if (start.role === 'server') {
  const server = await startServer(start)
  close = server.close
  say({ ready: server.address })
} else {
  const client = await startClient(start)
  close = client.close
  process.on('message', (request: Measure) => {
    measure(client.echo, request).then(
      (measured) => say({ measured }),
      (error: unknown) => say({ failed: String(error) })
    )
  })
  say({ ready: '' })
}
process.on('disconnect', () => {
  close().then(() => process.exit(0), () => process.exit(1))
})
