import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { createControlClient } from '../../src/cli/client.ts'
import type { CreatedToken, MemberInfo, NodeStatus, PeerInfo, TokenOptions, ToolInfo } from '../../src/node/api.ts'
import { waitUntil } from './wait-until.ts'

export const ROOT = resolve(import.meta.dirname, '../..')
const BIN = join(ROOT, 'bin/skein.js')
/** A start takes under a second alone; other tests share the cores. */
const READY_MS = 30_000

export interface SkeinProcess {
  readonly dataDir: string
  readonly child: ChildProcess
  status(): NodeStatus
  mcpUrl(): string
  metricsUrl(): string
  /** Everything it printed so far. */
  output(): string
  /** A command as a person gives it, in a process of its own. */
  cli(...args: string[]): Promise<CliResult>
  /** What `skein status`, `tools ls`, `peers` and `members` print as JSON, asked of the node itself: for conditions that are looked at again and again. */
  state(): Promise<NodeStatus>
  tools(): Promise<ToolInfo[]>
  peers(): Promise<PeerInfo[]>
  members(): Promise<MemberInfo[]>
  kill(signal?: NodeJS.Signals): Promise<void>
  /** SIGTERM, and the data directory is removed. */
  dispose(): Promise<void>
}

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

/** One command in a process of its own. */
export function runSkein(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; prefix?: readonly string[]; input?: string } = {}): Promise<CliResult> {
  const [command, ...rest] = [...(options.prefix ?? []), process.execPath, BIN, ...args] as [string, ...string[]]
  const child = spawn(command, rest, { cwd: options.cwd ?? tmpdir(), env: { ...process.env, ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.end(options.input ?? '')
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('close', (code) => done({ code, stdout, stderr }))
  })
}

export interface StartOptions {
  /** Merged into the configuration file: ports are free ones and listening is on loopback unless said otherwise. */
  config?: Record<string, Record<string, unknown>>
  token?: string
  dataDir?: string
  env?: NodeJS.ProcessEnv
  /** Run under this command, such as `ip netns exec ns`. */
  prefix?: readonly string[]
  /** Without a configuration file of ours. */
  bare?: boolean
  args?: readonly string[]
  /** Prints for people, as on a terminal; the status is asked for over the control socket. */
  human?: boolean
  /** Until it is ready or has ended, ms. @default 30 000 */
  readyWithin?: number
}

export function tempDataDir(): string {
  return mkdtempSync(join(tmpdir(), 'skein-test-'))
}

/** Starts a real node and waits until it is ready. */
export async function startSkein(options: StartOptions = {}): Promise<SkeinProcess> {
  const dataDir = options.dataDir ?? tempDataDir()
  const args = ['start', ...(options.human === true ? [] : ['--json']), '--data-dir', dataDir, ...(options.args ?? [])]
  if (options.bare !== true) {
    const file = join(dataDir, 'node.yaml')
    const { network, monitoring, ...rest } = options.config ?? {}
    writeFileSync(
      file,
      stringify({
        network: { listen: ['/ip4/127.0.0.1/tcp/0'], http_port: 0, ...network },
        monitoring: { metrics_port: 0, log_format: 'json', ...monitoring },
        ...rest
      }),
      { mode: 0o600 }
    )
    args.push('--config', file)
  }
  if (options.token !== undefined) args.push('--token', options.token)
  const [command, ...rest] = [...(options.prefix ?? []), process.execPath, BIN, ...args] as [string, ...string[]]
  const child = spawn(command, rest, { cwd: dataDir, env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let ended: number | string | null | undefined
  const collect = (chunk: Buffer) => (output += chunk.toString())
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  child.once('exit', (code, signal) => (ended = signal ?? code))
  const readStatus = (): NodeStatus | undefined => {
    for (const line of output.split('\n')) {
      if (!line.includes('"mcpUrl"')) continue
      try {
        return JSON.parse(line) as NodeStatus
      } catch {
        // Half a line so far.
      }
    }
    return undefined
  }
  let status: NodeStatus | undefined
  const isReady = () => (options.human === true ? output.includes(' is ready.\n') : (status = readStatus()) !== undefined)
  await waitUntil(
    'the node is ready',
    () => {
      if (ended !== undefined) throw new Error(`skein ended (${ended}) before it was ready:\n${output}`)
      return isReady()
    },
    { timeout: options.readyWithin ?? READY_MS }
  ).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error instanceof Error ? new Error(`${error.message}\n${output}`) : error
  })
  const get = async <T>(path: string): Promise<T> => {
    try {
      return await (await createControlClient(dataDir)).request<T>('GET', path)
    } catch (error) {
      throw ended === undefined ? error : new Error(`the node had ended (${ended}):\n${output}`, { cause: error })
    }
  }
  status ??= await get<NodeStatus>('/status')
  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (ended !== undefined) return
    const gone = new Promise((resolveGone) => child.once('exit', resolveGone))
    child.kill(signal)
    await gone
  }
  return {
    dataDir,
    child,
    status: () => status as NodeStatus,
    mcpUrl: () => (status as NodeStatus).mcpUrl,
    metricsUrl: () => (status as NodeStatus).metricsUrl as string,
    output: () => output,
    cli: (...command) => runSkein([...command, '--data-dir', dataDir]),
    state: () => get<NodeStatus>('/status'),
    tools: () => get<ToolInfo[]>('/tools'),
    peers: () => get<PeerInfo[]>('/peers'),
    members: () => get<MemberInfo[]>('/members'),
    kill,
    async dispose() {
      await kill('SIGTERM')
      rmSync(dataDir, { recursive: true, force: true })
    }
  }
}

/** A join token made by a running issuer. @param options what `skein token create` takes; `expires` in seconds */
export async function makeToken(node: SkeinProcess, options: TokenOptions = {}): Promise<string> {
  const client = await createControlClient(node.dataDir)
  return (await client.request<CreatedToken>('POST', '/tokens', options)).token
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}
