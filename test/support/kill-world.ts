import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, type SkeinProcess } from './skein-process.ts'
import { waitUntil } from './wait-until.ts'
import type { Seen, Witness } from './witnesses.ts'

const FEATURES = join(ROOT, 'test/fixtures/feature-server.ts')
const CONFORMANCE = join(ROOT, 'test/fixtures/conformance/server.ts')

/** Entries of mcp.servers whose tools write what they do to the file `events`. */
export const stdioServers = {
  legacy: (events: string) => ({ command: process.execPath, args: [FEATURES], env: { SKEIN_EVENTS: events } }),
  modern: (events: string) => ({ command: process.execPath, args: [CONFORMANCE, '--era', '2026', '--stdio'], env: { SKEIN_EVENTS: events } })
}

/** What is in an events file: whatever clients were told, this ran. */
export function eventsIn(file: string) {
  const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [])
  const count = (line: string) => lines().filter((one) => one === line).length
  return { count, until: (line: string) => waitUntil(`the server noted "${line}"`, () => count(line) > 0, { timeout: 20_000 }) }
}

export interface HttpFixture {
  readonly url: string
  /** Loads all that another process of it needs: the next start is only that it listens, however busy the machine is. */
  prepare(): Promise<void>
  start(): Promise<void>
  kill(): Promise<void>
  dispose(): Promise<void>
}

/** The conformance fixture over HTTP in a process of its own, always on the same port. */
export function httpFixture(era: '2025' | '2026', port: number, events: string): HttpFixture {
  let child: ChildProcess | undefined
  let next: ChildProcess | undefined
  async function says(process: ChildProcess, what: string): Promise<void> {
    let said = ''
    process.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await waitUntil(`the ${era} server says "${what}"`, () => said.includes(what), { timeout: 20_000 })
  }
  async function end(process: ChildProcess | undefined): Promise<void> {
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return
    const gone = new Promise((resolve) => process.once('exit', resolve))
    process.kill('SIGKILL')
    await gone
  }
  const fixture: HttpFixture = {
    url: `http://127.0.0.1:${port}/mcp`,
    async prepare() {
      next = spawn(process.execPath, [CONFORMANCE, '--era', era, '--http', String(port), '--when-told'], { env: { ...process.env, SKEIN_EVENTS: events }, stdio: ['pipe', 'pipe', 'inherit'] })
      await says(next, 'waiting')
    },
    async start() {
      if (next === undefined) await fixture.prepare()
      child = next
      next = undefined
      child?.stdin?.write('\n')
      await says(child as ChildProcess, 'http')
    },
    kill: () => end(child),
    async dispose() {
      await Promise.all([end(child), end(next)])
    }
  }
  return fixture
}

/** The process ids of a stdio server at a node: the shared process and those of single clients. */
export async function pidsOf(node: SkeinProcess, server: string): Promise<number[]> {
  return (await node.state()).servers.find(({ name }) => name === server)?.pids ?? []
}

/** kill -9 of every process of a stdio server. */
export async function killServer(node: SkeinProcess, server: string): Promise<void> {
  const pids = await pidsOf(node, server)
  if (pids.length === 0) throw new Error(`${server} has no process`)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
}

const texts = (one: Witness, logger: string) => one.heard.filter(({ method, params }) => method === 'notifications/message' && params?.logger === logger).map(({ params }) => String(params?.data))

/** Log lines of skein itself that a client got. */
export const warningsOf = (one: Witness) => texts(one, 'skein')

/** Changes of lists that a client was told of. */
export const toldOf = (one: Witness) => one.heard.flatMap(({ method }) => (String(method).endsWith('/list_changed') ? [String(method).replace('notifications/', '')] : []))

/** How calls failed, `<code> <code of skein>`; a text stands for itself. */
export const codesOf = (ended: Record<string, Seen>) => Object.values(ended).map((seen) => ('text' in seen ? seen.text : `${seen.code} ${seen.skein ?? seen.message}`))
