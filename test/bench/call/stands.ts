import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../support/free-port.ts'
import { installPinned } from '../../support/pinned-tools.ts'
import { descendants } from '../../support/processes.ts'
import { makeToken, startSkein, type SkeinProcess } from '../../support/skein-process.ts'
import { waitUntil } from '../../support/wait-until.ts'

export const ROOT = resolve(import.meta.dirname, '../../..')
const TOOLS = join(import.meta.dirname, 'tools')
const LOOPBACK = join(TOOLS, 'loopback.mjs')
/** The server behind every stand. */
export const ECHO = [process.execPath, join(ROOT, 'test/fixtures/echo-server.ts')] as const
const UP_MS = 30_000

/** One way from a client to the echo server. */
export interface Stand {
  name: string
  /** Undefined: the client starts the server itself. */
  url: string | undefined
  /** Processes between client and server, one name each; their children are the servers. */
  gateways: { name: string; pid: number }[]
  stop(): Promise<void>
}

/** The gateways to compare with, from the pinned lock beside this file. */
async function installTools(print: (line: string) => void): Promise<string> {
  const installed = await installPinned(TOOLS, 'skein-bench-tools', print)
  if ('home' in installed) return installed.home
  throw new Error(`${installed.reason}\nThe gateways to compare with are not there; --only direct,skein,skein-2 does without.`)
}

async function proxy(name: string, args: readonly string[], port: number): Promise<Stand> {
  const child = spawn(process.execPath, ['--import', LOOPBACK, ...args], { stdio: 'ignore' })
  await listening(child, port, name)
  return { name, url: `http://127.0.0.1:${port}/mcp`, gateways: [{ name, pid: child.pid as number }], stop: () => stopTree(child) }
}

async function listening(child: ChildProcess, port: number, name: string): Promise<void> {
  for (const until = performance.now() + UP_MS; performance.now() < until; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    const socket = connect(port, '127.0.0.1')
    const open = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false, () => false)]).catch(() => false)
    socket.destroy()
    if (open) return
  }
  child.kill('SIGKILL')
  throw new Error(`${name} did not listen on ${port} within ${UP_MS} ms`)
}

/** The gateway and the servers it started: not all of them end theirs. */
async function stopTree(child: ChildProcess): Promise<void> {
  const started = descendants(child.pid as number)
  const gone = child.exitCode === null ? once(child, 'exit') : undefined
  child.kill('SIGKILL')
  await gone
  for (const { pid } of started) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

const nodeConfig = (servers: object) => ({ mcp: { graph: { enabled: false }, ...servers } })
const withEcho = nodeConfig({ servers: { echo: { command: ECHO[0], args: [ECHO[1]] } } })

async function hasEcho(node: SkeinProcess): Promise<void> {
  await waitUntil('the echo server is listed', async () => (await node.tools()).some((tool) => tool.name.startsWith('echo__')), { timeout: UP_MS })
}

async function oneNode(env: NodeJS.ProcessEnv): Promise<Stand> {
  const node = await startSkein({ config: withEcho, env })
  await hasEcho(node)
  return { name: 'skein', url: `${node.mcpUrl()}/echo`, gateways: [{ name: 'skein', pid: node.child.pid as number }], stop: () => node.dispose() }
}

async function twoNodes(env: NodeJS.ProcessEnv): Promise<Stand> {
  const provider = await startSkein({ config: withEcho, env })
  const edge = await startSkein({ config: nodeConfig({}), token: await makeToken(provider), env })
  await hasEcho(edge)
  return {
    name: 'skein-2',
    url: `${edge.mcpUrl()}/echo`,
    gateways: [
      { name: 'edge', pid: edge.child.pid as number },
      { name: 'provider', pid: provider.child.pid as number }
    ],
    async stop() {
      await edge.dispose()
      await provider.dispose()
    }
  }
}

export const STANDS = ['direct', 'mcp-proxy', 'supergateway', 'skein', 'skein-2'] as const
export type StandName = (typeof STANDS)[number]

/** Starts one stand; `env` is for our own nodes. */
export async function startStand(name: StandName, print: (line: string) => void, env: NodeJS.ProcessEnv = {}): Promise<Stand> {
  if (name === 'direct') return { name, url: undefined, gateways: [], stop: async () => {} }
  if (name === 'skein') return oneNode(env)
  if (name === 'skein-2') return twoNodes(env)
  const home = await installTools(print)
  const port = await freePort()
  if (name === 'mcp-proxy') {
    const main = join(home, 'node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs')
    return proxy(name, [main, '--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--', ...ECHO], port)
  }
  const main = join(home, 'node_modules/supergateway/dist/index.js')
  return proxy(name, [main, '--stdio', ECHO.join(' '), '--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none', '--port', String(port)], port)
}
