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
  start(): Promise<void>
  kill(): Promise<void>
}

/** The conformance fixture over HTTP in a process of its own, always on the same port. */
export function httpFixture(era: '2025' | '2026', port: number, events: string): HttpFixture {
  let child: ChildProcess | undefined
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    async start() {
      const started = spawn(process.execPath, [CONFORMANCE, '--era', era, '--http', String(port)], { env: { ...process.env, SKEIN_EVENTS: events }, stdio: ['ignore', 'pipe', 'inherit'] })
      child = started
      let ready = false
      started.stdout?.once('data', () => (ready = true))
      await waitUntil(`the ${era} server listens`, () => ready, { timeout: 20_000 })
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child?.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }
  }
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
