import { spawnSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { cpuOf, needLinux, rssOf } from '../proc.ts'
import { machineLine, median, table } from '../table.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const READY_MS = 60_000

export const START_BENCH_HELP = `start [--reps 5] [--settle 10] [--idle 20]
    a node that has started before on its data directory, from source and built, alternating: time from spawn to the ready line,
    then once each RSS after --settle seconds and CPU over --idle seconds, of the node's own process (its MCP servers are children)`

export interface StartBenchOptions {
  reps: number
  /** Seconds. */
  settle: number
  /** Seconds. */
  idle: number
}

interface Variant {
  name: string
  bin: string
  dataDir: string
}

/** The package as npm would install it, next to the dependencies of this checkout. */
function install(into: string): string {
  const home = join(into, 'node_modules/skein')
  mkdirSync(home, { recursive: true })
  const { status } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', join(home, 'dist')], { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) throw new Error('the build failed: run `npm run check:types`')
  for (const entry of ['bin', 'config', 'package.json']) cpSync(join(ROOT, entry), join(home, entry), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  return join(home, 'bin/skein.js')
}

/** Spawns a node with every port free; resolves with the time until it printed that it is ready, ms. */
async function startOnce({ bin, dataDir }: Variant): Promise<{ child: ChildProcess; ready: number }> {
  const args = [bin, 'start', '--json', '--data-dir', dataDir, '--listen', '/ip4/127.0.0.1/tcp/0', '--http-port', '0', '--metrics-port', '0', '--log-level', 'error']
  const began = performance.now()
  const child = spawn(process.execPath, args, { cwd: dataDir, stdio: ['ignore', 'pipe', 'inherit'] })
  const { promise, resolve: done, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(() => reject(new Error(`the node was not ready within ${READY_MS} ms`)), READY_MS)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.includes('"mcpUrl"')) done(performance.now() - began)
  })
  child.once('exit', (code, signal) => reject(new Error(`the node ended with ${signal ?? code} before it was ready`)))
  try {
    return { child, ready: await promise }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

const seconds = (count: number) => new Promise((done) => setTimeout(done, count * 1000))

async function idle(variant: Variant, options: StartBenchOptions): Promise<{ rss: number; cpu: number; later: number }> {
  const { child } = await startOnce(variant)
  const pid = child.pid as number
  try {
    await seconds(options.settle)
    const rss = rssOf(pid)
    const before = cpuOf(pid)
    await seconds(options.idle)
    return { rss, cpu: ((cpuOf(pid) - before) / options.idle) * 100, later: rssOf(pid) }
  } finally {
    await stop(child)
  }
}

/** Prints time to ready, idle memory and idle CPU from source and built; asserts nothing. */
export async function benchStart(options: StartBenchOptions, print: (line: string) => void): Promise<void> {
  needLinux()
  const folder = mkdtempSync(join(tmpdir(), 'skein-bench-'))
  try {
    const variant = (name: string, bin: string): Variant => ({ name, bin, dataDir: mkdtempSync(join(folder, `${name}-`)) })
    const variants = [variant('source', join(ROOT, 'bin/skein.js')), variant('built', install(folder))]
    // The first start founds the federation and fills the compile cache.
    for (const one of variants) await stop((await startOnce(one)).child)
    const ready = new Map<string, number[]>(variants.map(({ name }) => [name, []]))
    for (let rep = 0; rep < options.reps; rep++) {
      for (const one of variants) {
        const started = await startOnce(one)
        ready.get(one.name)?.push(started.ready)
        await stop(started.child)
      }
    }
    const idles = await Promise.all(variants.map((one) => idle(one, options)))
    print(machineLine(availableParallelism(), loadavg()[0] ?? 0, process.version))
    print(`ready: median of ${options.reps} alternating second starts; memory ${options.settle} s after, CPU over ${options.idle} s; the node's process alone\n`)
    print(
      table(
        ['', 'ready ms', 'fastest', 'slowest', 'RSS MiB', 'RSS later', 'CPU %'],
        variants.map(({ name }, index) => {
          const times = ready.get(name) ?? []
          const { rss, later, cpu } = idles[index] as { rss: number; later: number; cpu: number }
          return [name, median(times).toFixed(0), Math.min(...times).toFixed(0), Math.max(...times).toFixed(0), rss.toFixed(0), later.toFixed(0), cpu.toFixed(2)]
        })
      )
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
