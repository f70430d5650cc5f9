import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { descendants } from '../../support/processes.ts'
import { cpuOf, needLinux, rssOf } from '../proc.ts'
import { machineLine, median, table } from '../table.ts'
import { idleSession, leanHttp, leanStdio, sdkHttp, sdkStdio, type EchoClient } from './clients.ts'
import { topTen } from './profile.ts'
import { ECHO, startStand, STANDS, type Stand, type StandName } from './stands.ts'

export const CALL_BENCH_HELP = `call [--reps 5] [--ms 1000] [--warmup 1500] [--only direct,mcp-proxy,supergateway,skein,skein-2] [--no-idle] [--profile]
    an MCP client calling echo on a stdio server: directly, through mcp-proxy, supergateway --stateful, one node, two nodes, in turn;
    a lean keep-alive client and the SDK's, 1 and 16 in flight; CPU of the gateways; memory with idle sessions`

export interface CallBenchOptions {
  reps: number
  /** Per measurement. */
  ms: number
  warmup: number
  only: readonly string[]
  idle: boolean
  /** Only the CPU profiles of our nodes under load. */
  profile: boolean
}

const SHAPES = [
  { client: 'lean', width: 1 },
  { client: 'lean', width: 16 },
  { client: 'sdk', width: 1 },
  { client: 'sdk', width: 16 }
] as const
type Shape = (typeof SHAPES)[number]
const IDLE_SESSIONS = [1, 8, 64]
/** Garbage of opening the sessions is gone by then, mostly. */
const SETTLE_MS = 3_000

interface Sample {
  perSecond: number
  p50: number
  p99: number
  /** CPU ms per call of each gateway. */
  cpu: number[]
}

function openClient({ url }: Stand, { client, width }: Shape): Promise<EchoClient> {
  if (url === undefined) return client === 'lean' ? leanStdio(ECHO, 'echo') : sdkStdio(ECHO, 'echo')
  return client === 'lean' ? leanHttp(url, 'echo', width) : sdkHttp(url, 'echo')
}

async function measure(stand: Stand, client: EchoClient, width: number, ms: number): Promise<Sample> {
  const times: number[] = []
  const before = stand.gateways.map(({ pid }) => cpuOf(pid))
  const started = performance.now()
  const until = started + ms
  await Promise.all(
    Array.from({ length: width }, async (_, lane) => {
      for (let now = performance.now(); now < until; ) {
        await client.call(lane)
        const after = performance.now()
        times.push(after - now)
        now = after
      }
    })
  )
  const seconds = (performance.now() - started) / 1000
  const cpu = stand.gateways.map(({ pid }, index) => ((cpuOf(pid) - (before[index] as number)) * 1000) / times.length)
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN
  return { perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99), cpu }
}

const middle = (samples: readonly Sample[]): Sample => ({
  perSecond: median(samples.map((one) => one.perSecond)),
  p50: median(samples.map((one) => one.p50)),
  p99: median(samples.map((one) => one.p99)),
  cpu: (samples[0]?.cpu ?? []).map((_, index) => median(samples.map((one) => one.cpu[index] as number)))
})

/** Stands in turn, round by round: whatever else the machine does meets all of them. */
async function compare(stands: readonly Stand[], shape: Shape, options: CallBenchOptions): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample[]>(stands.map(({ name }) => [name, []]))
  const clients = await Promise.all(stands.map((stand) => openClient(stand, shape)))
  try {
    for (const [index, stand] of stands.entries()) await measure(stand, clients[index] as EchoClient, shape.width, options.warmup)
    for (let rep = 0; rep < options.reps; rep++) {
      for (const [index, stand] of stands.entries()) samples.get(stand.name)?.push(await measure(stand, clients[index] as EchoClient, shape.width, options.ms))
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
  return new Map([...samples].map(([name, each]) => [name, middle(each)]))
}

interface Memory {
  gateway: number
  children: number
}

function memoryOf(stand: Stand): Memory {
  const own = new Set(stand.gateways.map(({ pid }) => pid))
  const children = stand.gateways.flatMap(({ pid }) => descendants(pid)).filter(({ pid }) => !own.has(pid))
  const sum = (pids: number[]) => pids.reduce((total, pid) => total + rssOf(pid), 0)
  return { gateway: sum([...own]), children: sum(children.map(({ pid }) => pid)) }
}

async function idleMemory(stand: Stand): Promise<Map<number, Memory>> {
  const found = new Map<number, Memory>()
  const sessions: { close(): Promise<void> }[] = []
  try {
    await sleep(SETTLE_MS)
    found.set(0, memoryOf(stand))
    for (const count of IDLE_SESSIONS) {
      while (sessions.length < count) sessions.push(await idleSession(stand.url as string))
      await sleep(SETTLE_MS)
      found.set(count, memoryOf(stand))
    }
  } finally {
    await Promise.all(sessions.map((session) => session.close()))
  }
  return found
}

async function profile(name: StandName, options: CallBenchOptions, print: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'skein-profile-'))
  try {
    const stand = await startStand(name, print, { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder} --cpu-prof-name=\${pid}.cpuprofile` })
    const client = await leanHttp(stand.url as string, 'echo', 16)
    const sample = await measure(stand, client, 16, options.ms * options.reps)
    await client.close()
    await stand.stop()
    print(`${name}, lean client, 16 in flight, profiled: ${sample.perSecond.toFixed(0)} calls/s`)
    for (const gateway of stand.gateways) print(`\n${gateway.name}\n${topTen(readFileSync(join(folder, `${gateway.pid}.cpuprofile`), 'utf8'))}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(value < 10 ? 3 : 1))

function figures(results: ReadonlyMap<Shape, ReadonlyMap<string, Sample>>, memory: ReadonlyMap<string, Map<number, Memory>>): string[] {
  const of = (client: Shape['client'], width: number, stand: string) => [...results].find(([shape]) => shape.client === client && shape.width === width)?.[1].get(stand)
  const lean = (stand: string) => of('lean', 16, stand)
  const proxies = ['mcp-proxy', 'supergateway'].flatMap((name) => lean(name) ?? [])
  const best = proxies.toSorted((a, b) => b.perSecond - a.perSecond)[0]
  const one = lean('skein')
  const two = lean('skein-2')
  const lines: string[] = []
  if (best !== undefined && one !== undefined) {
    const quickest = Math.min(...proxies.map(({ p50 }) => p50))
    lines.push(`one node / best proxy, lean, 16 in flight: ${(one.perSecond / best.perSecond).toFixed(2)}x the calls/s (wanted 2), p50 ${ms(one.p50)} against ${ms(quickest)} ms`)
  }
  if (best !== undefined && two !== undefined) lines.push(`two nodes / best proxy: ${(two.perSecond / best.perSecond).toFixed(2)}x the calls/s (wanted over 1)`)
  const [alone, hop] = [of('lean', 1, 'skein'), of('lean', 1, 'skein-2')]
  if (alone !== undefined && hop !== undefined) lines.push(`a hop adds ${ms(hop.p50 - alone.p50)} ms at p50, lean, 1 in flight (wanted at most 0.5)`)
  if (one !== undefined) lines.push(`one node's CPU per call, lean, 16 in flight: ${ms(one.cpu[0])} ms (wanted at most 0.25)`)
  const idle = memory.get('skein')
  const [none, most] = [idle?.get(0), idle?.get(64)]
  if (none !== undefined && most !== undefined) lines.push(`an idle session of one node: ${((most.gateway - none.gateway) / 64).toFixed(3)} MiB (wanted at most 1)`)
  return lines
}

/** Prints throughput, latency, CPU and memory of every stand and the ratios between them; asserts nothing. */
export async function benchCall(options: CallBenchOptions, print: (line: string) => void): Promise<void> {
  needLinux()
  const unknown = options.only.filter((name) => !STANDS.includes(name as StandName))
  if (unknown.length > 0) throw new Error(`--only knows ${STANDS.join(', ')}, not ${unknown.join(', ')}`)
  if (options.profile) {
    for (const name of ['skein', 'skein-2'] as const) if (options.only.includes(name)) await profile(name, options, print)
    return
  }
  const stands: Stand[] = []
  const results = new Map<Shape, Map<string, Sample>>()
  const memory = new Map<string, Map<number, Memory>>()
  try {
    for (const name of STANDS) if (options.only.includes(name)) stands.push(await startStand(name, print))
    print(machineLine(availableParallelism(), loadavg()[0] ?? 0, process.version))
    print(`medians of ${options.reps} rounds of ${options.ms} ms, stands in turn; client, gateways and server share the cores\n`)
    for (const shape of SHAPES) {
      const found = await compare(stands, shape, options)
      results.set(shape, found)
      print(
        table(
          [`${shape.client} client, ${shape.width} in flight`, 'calls/s', 'p50 ms', 'p99 ms', 'gateway CPU ms/call'],
          stands.map(({ name, gateways }) => {
            const { perSecond, p50, p99, cpu } = found.get(name) as Sample
            return [name, perSecond.toFixed(0), ms(p50), ms(p99), cpu.map((value, index) => (gateways.length > 1 ? `${gateways[index]?.name} ${ms(value)}` : ms(value))).join(', ')]
          })
        )
      )
      print('')
    }
  } finally {
    for (const stand of stands) await stand.stop()
  }
  if (options.idle) {
    // Fresh processes: memory after a million calls says nothing about sessions.
    for (const name of STANDS) {
      if (name === 'direct' || !options.only.includes(name)) continue
      const stand = await startStand(name, print)
      try {
        memory.set(name, await idleMemory(stand))
      } finally {
        await stand.stop()
      }
    }
    const counts = [0, ...IDLE_SESSIONS]
    const cell = (found: Memory | undefined) => (found === undefined ? '' : `${found.gateway.toFixed(0)} + ${found.children.toFixed(0)}`)
    print(table(['RSS MiB, gateway + servers', ...counts.map((count) => `${count} idle`)], [...memory].map(([name, found]) => [name, ...counts.map((count) => cell(found.get(count)))])))
    print('')
  }
  for (const line of figures(results, memory)) print(line)
}
