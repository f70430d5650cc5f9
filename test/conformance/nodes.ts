import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Eras } from '../fixtures/conformance/http.ts'
import { makeToken, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'
import { serverName, type Path, type Transport } from './plan.ts'

const FIXTURE = join(ROOT, 'test/fixtures/conformance/server.ts')
/** Six servers and two nodes start in a few seconds; other work shares the cores. */
const READY_MS = 45_000
/** A fixture ends at once; this is for one that does not. */
const STOP_MS = 5_000

/** A fixture over HTTP; it ends with this process in any case. */
async function startFixture(eras: Eras): Promise<{ url: string; child: ChildProcess }> {
  const child = fork(FIXTURE, ['--era', eras, '--http', '0'], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const url = await new Promise<string>((resolve, reject) => {
    let printed = ''
    child.stdout?.on('data', (part: Buffer) => {
      printed += part.toString()
      if (printed.includes('\n')) resolve(printed.slice(0, printed.indexOf('\n')))
    })
    child.once('exit', (code) => reject(new Error(`the fixture ended with ${code} before it served`)))
  })
  return { url, child }
}

export interface ConformanceNodes {
  /** Where a row's client finds its server. */
  url(eras: Eras, transport: Transport, path: Path): string
  /** Servers that were not offered in time, as `<node>: <server>`. */
  missing: string[]
  /** What the nodes printed, for a look at what went wrong. */
  output(): string
  dispose(): Promise<void>
}

export interface NodesOptions {
  kinds: readonly Eras[]
  /** None: the fixtures alone. */
  transports: readonly Transport[]
  /** A and b listen nowhere and reach each other over a third node alone: what was one hop is two. */
  relayed?: boolean
  signal?: AbortSignal
}

/** Node a with a server for each kind and transport, node b joined to it, and the fixtures behind the HTTP ones. */
export async function startConformanceNodes({ kinds, transports, relayed = false, signal }: NodesOptions): Promise<ConformanceNodes> {
  const fixtures = new Map<Eras, { url: string; child: ChildProcess }>()
  const nodes: SkeinProcess[] = []
  // A child is started within a call; one scenario gives such a call 600 ms, and other work shares the cores.
  const compiled = mkdtempSync(join(tmpdir(), 'skein-fixture-'))
  async function dispose(): Promise<void> {
    await Promise.all(nodes.map((node) => node.dispose()))
    await Promise.all(
      [...fixtures.values()].map(async ({ child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGTERM')
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
        await ended
        clearTimeout(late)
      })
    )
    rmSync(compiled, { recursive: true, force: true })
  }
  try {
    for (const eras of kinds) fixtures.set(eras, await startFixture(eras))
    const direct = (eras: Eras) => fixtures.get(eras)?.url as string
    const offered = kinds.flatMap((eras) => transports.map((transport) => ({ eras, transport, name: serverName(eras, transport) })))
    const servers = Object.fromEntries(
      offered.map(({ eras, transport, name }) => [
        name,
        transport === 'http'
          ? { url: direct(eras) }
          : { command: process.execPath, args: [FIXTURE, '--era', eras, '--stdio'], env: { NODE_COMPILE_CACHE: compiled } }
      ])
    )
    if (transports.length === 0) return { url: direct, missing: [], output: () => '', dispose }
    const relay = relayed ? await startSkein({ config: { node: { id: 'relay' }, mcp: { graph: { enabled: false } } } }) : undefined
    if (relay !== undefined) nodes.push(relay)
    const network = relay === undefined ? {} : { network: { listen: [], relay: { use: 'off' } } }
    const joining = relay === undefined ? {} : { token: await makeToken(relay, { uses: 2 }) }
    const a = await startSkein({ ...joining, config: { node: { id: 'a' }, ...network, mcp: { graph: { enabled: false }, servers } } })
    nodes.push(a)
    signal?.throwIfAborted()
    const b = await startSkein({ ...(relay === undefined ? { token: await makeToken(a) } : joining), config: { node: { id: 'b' }, ...network, mcp: { graph: { enabled: false } } } })
    nodes.push(b)
    const missing = new Set<string>()
    await waitUntil(
      'all servers are offered at both nodes',
      async () => {
        signal?.throwIfAborted()
        missing.clear()
        for (const node of nodes) {
          const here = new Set((await node.tools()).map((tool) => tool.server))
          for (const { name } of offered) if (!here.has(name)) missing.add(`${node.status().name}: ${name}`)
        }
        return missing.size === 0
      },
      { timeout: READY_MS, every: 250 }
    ).catch((error: unknown) => {
      // What is not offered shows in the table; the rest can be measured all the same.
      if (signal?.aborted === true || missing.size === 0) throw error
    })
    return {
      url(eras, transport, path) {
        if (path === 'direct') return direct(eras)
        return `${(path === 'local' ? a : b).mcpUrl()}/${serverName(eras, transport)}`
      },
      missing: [...missing],
      output: () => nodes.map((node) => node.output()).join('\n'),
      dispose
    }
  } catch (error) {
    await dispose()
    throw error
  }
}
