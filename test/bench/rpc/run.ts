import { availableParallelism, loadavg } from 'node:os'
import { resolve } from 'node:path'
import { machineLine, median, table } from '../table.ts'
import { startNats, startWorker, type Broker, type Worker } from './processes.ts'
import type { Kind, Measured } from './protocol.ts'

interface Shape {
  inFlight: number
  bytes: number
}

const SHAPES: readonly Shape[] = [
  { inFlight: 1, bytes: 128 },
  { inFlight: 16, bytes: 128 },
  { inFlight: 64, bytes: 128 },
  { inFlight: 1, bytes: 16_384 },
  { inFlight: 16, bytes: 16_384 },
  { inFlight: 64, bytes: 16_384 }
]

export const RPC_BENCH_HELP = `rpc [--reps 5] [--ms 1000] [--warmup 1500] [--only skein,raw,nats,nats-js] [--shape 64x128] [--nats-js <folder>] [--prof <folder>]
    echo between two processes, repetitions interleaved, medians:
      skein    a session as shipped (tls, deadline, trace header, credit, metrics)
      raw      TCP with frames that are coalesced per tick, nothing else
      nats     request/reply through nats-server (if installed) with a lean client of our own: coalesced per tick, no timeouts
      nats-js  the same with @nats-io/transport-node, if --nats-js names a folder where it is installed
    --prof writes CPU profiles of the skein processes`

export interface RpcBenchOptions {
  reps: number
  ms: number
  warmup: number
  only: readonly string[]
  /** In flight x bytes; all when undefined. */
  shape: string | undefined
  natsJs: string | undefined
  prof: string | undefined
}

const rate = (measured: Measured) => (measured.operations / measured.ms) * 1000

function chosenShapes(shape: string | undefined): readonly Shape[] {
  const name = ({ inFlight, bytes }: Shape) => `${inFlight}x${bytes}`
  const shapes = SHAPES.filter((one) => shape === undefined || shape === name(one))
  if (shapes.length === 0) throw new Error(`--shape takes one of ${SHAPES.map(name).join(', ')}`)
  return shapes
}

function chosenKinds(options: RpcBenchOptions, nats: Broker | undefined, print: (line: string) => void): readonly Kind[] {
  const wanted = (['skein', 'raw', 'nats', 'nats-js'] as const).filter((kind) => options.only.includes(kind))
  if (nats === undefined && wanted.includes('nats')) print('SKIPPED: NATS, because nats-server is not installed (Debian: apt-get install nats-server).\n')
  else if (options.natsJs === undefined && wanted.includes('nats-js')) {
    print('SKIPPED: the official NATS client; to compare: npm install --prefix /tmp/nats-js @nats-io/transport-node, then --nats-js /tmp/nats-js\n')
  }
  return wanted.filter((kind) => (kind !== 'nats' || nats !== undefined) && (kind !== 'nats-js' || (nats !== undefined && options.natsJs !== undefined)))
}

/** Prints ops/s, p50 and p99 of each and the ratios; asserts nothing. */
export async function benchRpc(options: RpcBenchOptions, print: (line: string) => void): Promise<void> {
  const shapes = chosenShapes(options.shape)
  const nats = options.only.some((kind) => kind.startsWith('nats')) ? await startNats() : undefined
  const workers: Worker[] = []
  const clients = new Map<Kind, Worker>()
  try {
    const kinds = chosenKinds(options, nats, print)
    for (const kind of kinds) {
      const prof = options.prof === undefined || kind !== 'skein' ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.prof}`]
      const shared = { kind, ...(options.natsJs === undefined ? {} : { natsJs: resolve(options.natsJs) }) }
      const server = await startWorker({ ...shared, role: 'server', address: nats?.address ?? '' }, prof)
      workers.unshift(server)
      const client = await startWorker({ ...shared, role: 'client', address: server.address }, prof)
      workers.unshift(client)
      clients.set(kind, client)
    }
    const results = await measureAll(clients, shapes, options)
    print(machineLine(availableParallelism(), loadavg()[0] ?? 0, process.version) + (nats === undefined ? '' : `, ${nats.version}`))
    print(`median of ${options.reps} interleaved repetitions of ${options.ms} ms; latencies in microseconds\n`)
    print(summary(kinds, shapes, results))
  } finally {
    for (const worker of workers) await worker.close()
    await nats?.close()
  }
}

type Results = Map<Kind, Measured[]>[]

async function measureAll(clients: ReadonlyMap<Kind, Worker>, shapes: readonly Shape[], { reps, ms, warmup }: RpcBenchOptions): Promise<Results> {
  for (const client of clients.values()) for (const bytes of new Set(shapes.map((shape) => shape.bytes))) await client.measure({ inFlight: 64, bytes, ms: warmup })
  const results: Results = shapes.map(() => new Map())
  for (const [index, shape] of shapes.entries()) {
    const perKind = results[index] as Map<Kind, Measured[]>
    for (const client of clients.values()) await client.measure({ ...shape, ms: Math.ceil(warmup / 3) })
    for (let rep = 0; rep < reps; rep++) {
      for (const [kind, client] of clients) perKind.set(kind, [...(perKind.get(kind) ?? []), await client.measure({ ...shape, ms })])
    }
  }
  return results
}

function summary(kinds: readonly Kind[], shapes: readonly Shape[], results: Results): string {
  const ratios = kinds.filter((kind) => kind !== 'skein' && kinds.includes('skein'))
  const head = ['in flight x bytes', ...kinds.flatMap((kind) => [`${kind} ops/s`, 'p50', 'p99']), ...ratios.map((kind) => `skein/${kind}`)]
  const rows = shapes.map(({ inFlight, bytes }, index) => {
    const of = (kind: Kind) => results[index]?.get(kind) ?? []
    const rates = (kind: Kind) => median(of(kind).map(rate))
    return [
      `${inFlight} x ${bytes}`,
      ...kinds.flatMap((kind) => [rates(kind).toFixed(0), median(of(kind).map((one) => one.p50)).toFixed(0), median(of(kind).map((one) => one.p99)).toFixed(0)]),
      ...ratios.map((kind) => (rates('skein') / rates(kind)).toFixed(2))
    ]
  })
  return table(head, rows)
}
