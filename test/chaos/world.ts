import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { freePort } from '../support/free-port.ts'
import { createInspector, type Inspector } from '../support/inspector.ts'
import { descendants, type FoundProcess } from '../support/processes.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

export interface Home {
  name: string
  dataDir: string
  node: SkeinProcess
  inspector: Inspector
  /** Counts its starts: sessions of an earlier one are gone. */
  generation: number
  /** Being killed or just started: its clients get no answers. */
  away: boolean
}

/** Four nodes, their servers, a server behind HTTP, and what is done to them. */
export interface World {
  readonly homes: readonly Home[]
  /** Whether something that a call from `home` to `server` needs was just broken, or is. */
  disturbed(home: Home, server: string): boolean
  /** Breaks something and, where that is ours to do, brings it back; resolves with what it was. */
  disturb(): Promise<string>
  /** Everything that nodes wrote at level error, how often. */
  errors(): Map<string, number>
  close(): Promise<void>
}

/** After a disturbance everything works again within this, ms: a server's restart, a node's start and its first sync. */
const RECOVERED_MS = 10_000
/** Never restarted, so that what grows can be seen to grow; the others come and go. */
const STEADY = new Set(['a', 'b'])
const NAMES = ['a', 'b', 'c', 'd']
const HTTP_RESTART_MS = 500

const fixture = (path: string, ...args: string[]) => ({ command: process.execPath, args: [join(ROOT, 'test/fixtures', path), ...args] })
const echo = (name: string) => fixture('echo-server.ts', name)

/** Which node has which server. Everybody has the servers `state-<node>` and `shared`. */
export const PROVIDERS: Readonly<Record<string, string>> = { web25: 'a', feat: 'b', quiz: 'c', modern: 'c', web: 'd' }

const serversOf = (node: string, url: string): Record<string, object> => ({
  [`state-${node}`]: echo(`state-${node}`),
  shared: { ...echo('shared'), stateless: true, repeatable: ['echo', 'big'] },
  ...(node === 'a' ? { web25: { url, protocol: '2025' } } : {}),
  // Of the older era on the SDK, with resources; and one that asks.
  ...(node === 'b' ? { feat: fixture('feature-server.ts', 'feat') } : {}),
  ...(node === 'c' ? { quiz: echo('quiz'), modern: fixture('conformance/server.ts', '--era', '2026', '--stdio') } : {}),
  ...(node === 'd' ? { web: { url } } : {})
})

/** The name of the server that a child process is. */
function serverOf({ command }: FoundProcess): string | undefined {
  if (command.includes('conformance/server.ts')) return 'modern'
  return /(?:echo|feature)-server\.ts (\S+)/.exec(command)?.[1]
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}

function startHttpServer(port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(ROOT, 'test/fixtures/conformance/server.ts'), '--http', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.stdout.once('data', () => resolve(child))
    child.once('exit', (code) => reject(new Error(`the HTTP server ended with ${code}`)))
  })
}

export async function createWorld(): Promise<World> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/mcp`
  let web = await startHttpServer(port)
  const homes: Home[] = []
  /** Until when a node or server may be felt, by its name; monotonic ms. */
  const broken = new Map<string, number>()
  const errors = new Map<string, number>()

  function noteErrors(output: string): void {
    for (const line of output.split('\n')) {
      if (line.trim() === '') continue
      let entry: { level?: string | number; msg?: string; error?: string } | undefined
      try {
        entry = JSON.parse(line) as typeof entry
      } catch {
        // Not a log line: a crash says so in plain text.
      }
      const bad = entry === undefined ? /^\s*(Error|TypeError|RangeError|Uncaught|Fatal|FATAL)/.test(line) : entry.level === 'error' || entry.level === 'fatal' || Number(entry.level) >= 50
      const text = entry === undefined ? line.slice(0, 200) : `${entry.msg} ${entry.error ?? ''}`.trim()
      if (bad) errors.set(text, (errors.get(text) ?? 0) + 1)
    }
  }

  async function startNode(name: string, dataDir: string, token?: string): Promise<Pick<Home, 'node' | 'inspector'>> {
    const node = await startSkein({
      dataDir,
      config: {
        node: { id: name },
        monitoring: { log_level: 'warn' },
        // Sessions of clients that left without a word end within the run.
        mcp: { session_idle_timeout: '60s', graph: { enabled: false }, servers: serversOf(name, url) }
      },
      env: { NODE_OPTIONS: '--inspect=127.0.0.1:0' },
      ...(token === undefined ? {} : { token })
    })
    return { node, inspector: await createInspector(node.output) }
  }

  /** Calls `work` and says that `names` are broken until a while after it. */
  async function breaking(names: readonly string[], work: () => unknown): Promise<void> {
    for (const name of names) broken.set(name, Number.POSITIVE_INFINITY)
    try {
      await work()
    } finally {
      const now = performance.now()
      for (const name of names) broken.set(name, now + RECOVERED_MS)
    }
  }

  async function restartNode(home: Home): Promise<string> {
    const signal = pick(['SIGKILL', 'SIGTERM'] as const)
    await breaking([home.name], async () => {
      home.away = true
      home.inspector.close()
      await home.node.kill(signal)
      noteErrors(home.node.output())
      Object.assign(home, await startNode(home.name, home.dataDir), { generation: home.generation + 1 })
      home.away = false
    })
    return `restart of ${home.name} (${signal})`
  }

  async function killServer(home: Home): Promise<string> {
    const child = pick(descendants(home.node.child.pid as number).filter((found) => serverOf(found) !== undefined))
    const server = serverOf(child)
    if (server === undefined) return 'nothing'
    await breaking([server === 'shared' ? `shared@${home.name}` : server], () => process.kill(child.pid, 'SIGKILL'))
    return `kill of ${server} at ${home.name}`
  }

  async function restartWeb(): Promise<string> {
    await breaking(['web', 'web25'], async () => {
      web.removeAllListeners('exit')
      const gone = new Promise((resolve) => web.once('exit', resolve))
      web.kill('SIGKILL')
      await gone
      await sleep(HTTP_RESTART_MS)
      web = await startHttpServer(port)
    })
    return 'restart of the HTTP server'
  }

  /** A server comes or goes; nobody else's calls may feel it. */
  async function reload(home: Home): Promise<string> {
    const file = join(home.dataDir, 'node.yaml')
    const config = parse(readFileSync(file, 'utf8')) as { mcp: { servers: Record<string, object> } }
    const { extra, ...others } = config.mcp.servers
    config.mcp.servers = extra === undefined ? { ...others, extra: echo('extra') } : others
    writeFileSync(file, stringify(config))
    const { code, stderr } = await home.node.cli('reload')
    if (code !== 0) throw new Error(`skein reload at ${home.name} ended with ${code}: ${stderr}`)
    return `reload of ${home.name}`
  }

  for (const name of NAMES) {
    const token = homes[0] === undefined ? undefined : await makeToken(homes[0].node)
    const dataDir = tempDataDir()
    homes.push({ name, dataDir, generation: 0, away: false, ...(await startNode(name, dataDir, token)) })
  }
  const wanted = [...NAMES.map((name) => `state-${name}__echo`), 'shared__echo', 'web25__test_simple_text', 'feat__pid', 'quiz__echo', 'modern__test_simple_text', 'web__test_simple_text']
  for (const { name, node } of homes) {
    const missing = async () => {
      const listed = new Set((await node.tools()).map((tool) => tool.name))
      return wanted.filter((each) => !listed.has(each))
    }
    await waitUntil(`${name} lists everything`, async () => (await missing()).length === 0, { timeout: 40_000, every: 500 })
  }

  return {
    homes,
    disturbed(home, server) {
      const now = performance.now()
      const isBroken = (name: string) => (broken.get(name) ?? 0) > now
      if (isBroken(home.name)) return true
      // Any instance may have been chosen.
      if (server === 'shared') return NAMES.some((name) => isBroken(name) || isBroken(`shared@${name}`))
      const provider = PROVIDERS[server] ?? server.replace('state-', '')
      return isBroken(server) || isBroken(provider)
    },
    disturb() {
      const dice = Math.random()
      if (dice < 0.5) return killServer(pick(homes))
      if (dice < 0.75) return restartNode(pick(homes.filter(({ name }) => !STEADY.has(name))))
      if (dice < 0.88) return restartWeb()
      return reload(homes[0] as Home)
    },
    errors: () => errors,
    async close() {
      for (const { inspector } of homes) inspector.close()
      await Promise.all(homes.map(({ node }) => node.dispose()))
      for (const { node } of homes) noteErrors(node.output())
      web.removeAllListeners('exit')
      web.kill('SIGKILL')
    }
  }
}
