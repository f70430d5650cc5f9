import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import type { LeanAnswer, LeanClient } from './lean-mcp.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from './skein-process.ts'
import { slowLink, type SlowLink } from './slow-link.ts'
import { waitUntil } from './wait-until.ts'

/** A node that the edge, and everybody else, reaches only over a link that takes its time, whoever dials whom. */
export interface DistantNode {
  readonly id: string
  readonly dataDir: string
  node: SkeinProcess
  /** Starts it again where it was, with another mcp section if there is one. */
  start(mcp?: Record<string, unknown>): Promise<void>
  /** As its machine would: while it is gone, its address refuses. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

export interface DistantWorld {
  readonly edge: SkeinProcess
  /** @param ms round trip between the edge and this node */
  add(id: string, ms: number, mcp: Record<string, unknown>, more?: Record<string, Record<string, unknown>>): Promise<DistantNode>
  /** The edge again, after it was killed. */
  restartEdge(): Promise<void>
  dispose(): Promise<void>
}

/**
 * An edge with distant nodes. Each of these announces a link to itself and was told of the edge by a link of its own (`network.bootstrap`);
 * what the edge announces answers nobody, so no connection goes past the links.
 */
export async function distantWorld(edgeConfig: Record<string, Record<string, unknown>>, members: number): Promise<DistantWorld> {
  const links: SlowLink[] = []
  const nodes: DistantNode[] = []
  const open = async (options: { to: number; ms: number }) => {
    const made = await slowLink(options)
    links.push(made)
    return made
  }
  const port = await freePort()
  const nobody = await open({ to: port, ms: 0 })
  await nobody.become('silent')
  const edgeDir = tempDataDir()
  const listen = (at: number) => [`/ip4/127.0.0.1/tcp/${at}`]
  const startEdge = () => {
    const { network, ...rest } = edgeConfig
    return startSkein({ dataDir: edgeDir, config: { network: { listen: listen(port), announce: [nobody.address], ...network }, ...rest } })
  }
  let edge = await startEdge()
  const token = await makeToken(edge, { uses: members })

  return {
    get edge() {
      return edge
    },
    async add(id, ms, firstMcp, more = {}) {
      const dataDir = tempDataDir()
      const own = await freePort()
      const [toIt, toEdge] = await Promise.all([open({ to: own, ms }), open({ to: port, ms })])
      const network = { listen: listen(own), announce: [toIt.address], bootstrap: [toEdge.address] }
      const run = (mcp: Record<string, unknown>, join?: string) =>
        startSkein({ dataDir, config: { node: { id }, network, mcp: { graph: { enabled: false }, ...mcp }, ...more }, ...(join === undefined ? {} : { token: join }) })
      let mcp = firstMcp
      const made: DistantNode = {
        id,
        dataDir,
        node: await run(mcp, token),
        async start(next) {
          mcp = next ?? mcp
          await toIt.become('pass')
          made.node = await run(mcp)
        },
        async kill(signal = 'SIGKILL') {
          await made.node.kill(signal)
          await toIt.become('refuse')
        }
      }
      nodes.push(made)
      return made
    },
    async restartEdge() {
      await edge.kill('SIGKILL')
      edge = await startEdge()
    },
    async dispose() {
      await Promise.all([edge.dispose(), ...nodes.map(({ node }) => node.dispose())])
      await Promise.all(links.map((link) => link.close()))
    }
  }
}

/** A server of the work fixture, one of several replicas of the same name. */
export function workServer(name: string, options: { log?: string; limit?: number; ms?: number; more?: Record<string, unknown> } = {}): Record<string, unknown> {
  const { log, limit = 8, ms = 50, more = {} } = options
  return {
    command: process.execPath,
    args: [join(ROOT, 'test/fixtures/work-server.ts')],
    env: { SKEIN_WORK_NAME: name, SKEIN_WORK_LIMIT: String(limit), SKEIN_WORK_MS: String(ms), ...(log === undefined ? {} : { SKEIN_WORK_LOG: log }) },
    stateless: true,
    ...more
  }
}

/** One call as its client saw it. */
export interface Made {
  id: string
  /** Unix ms, and how long it took. */
  at: number
  ms: number
  answer: LeanAnswer
  /** The first word of the answer's text: who worked. Undefined for anything but a success. */
  by: string | undefined
  /** The code of skein, or the number of the error. */
  code: string | undefined
}

/** Never rejects: a broken connection to the edge is the code `broken`. */
export async function makeCall(client: LeanClient, tool: string, id: string, args: Record<string, unknown> = {}): Promise<Made> {
  const at = Date.now()
  const began = performance.now()
  const answer = await client.call(tool, { id, ...args }).catch((error: unknown): LeanAnswer => ({ error: { code: 0, message: String(error), data: { code: 'broken' } } }))
  const ok = answer.result !== undefined && answer.result.isError !== true
  const by = ok ? answer.result?.content?.[0]?.text?.split(' ')[0] : undefined
  const code = answer.error === undefined ? (answer.result?.isError === true ? 'isError' : undefined) : (answer.error.data?.code ?? String(answer.error.code))
  return { id, at, ms: performance.now() - began, answer, by, code }
}

/** Keeps so many calls in flight until it is stopped, or until `calls` were made. */
export function keepCalling(client: LeanClient, tool: string, options: { inFlight: number; calls?: number; prefix: string; args?: Record<string, unknown> }): { readonly made: Made[]; done: Promise<void>; stop(): Promise<void> } {
  const made: Made[] = []
  let issued = 0
  const stopped = new AbortController()
  async function worker(): Promise<void> {
    while (!stopped.signal.aborted && issued < (options.calls ?? Infinity)) {
      const one = await makeCall(client, tool, `${options.prefix}-${issued++}`, options.args)
      made.push(one)
      // Without an edge there is nothing more to ask.
      if (one.code === 'broken') return
    }
  }
  const done = Promise.all(Array.from({ length: options.inFlight }, worker)).then(() => {})
  return {
    made,
    done,
    stop() {
      stopped.abort()
      return done
    }
  }
}

/** Share of each answerer, failures under their codes. */
export function sharesOf(made: readonly Made[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { by, code } of made) {
    const key = by ?? code ?? 'nothing'
    counts[key] = (counts[key] ?? 0) + 1
  }
  return Object.fromEntries(Object.entries(counts).sort().map(([key, count]) => [key, count / made.length]))
}

export const printed = (shares: Record<string, number>) => Object.entries(shares).map(([key, share]) => `${key} ${(share * 100).toFixed(1)} %`).join(', ')

/** The value below which this share of the others is. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

export interface Worked {
  what: 'start' | 'end'
  id: string
  /** Unix ms. */
  at: number
  /** In the server after this step. */
  running: number
  waiting: number
}

export function workedIn(log: string): Worked[] {
  if (!existsSync(log)) return []
  return readFileSync(log, 'utf8').split('\n').filter((line) => line !== '').map((line) => {
    const [what, id = '', at, running, waiting] = line.split(' ')
    return { what: what as Worked['what'], id, at: Number(at), running: Number(running), waiting: Number(waiting) }
  })
}

/** Waits until the node lists this many providers of a tool; 0: until it is not listed at all. */
export async function providersListed(node: SkeinProcess, tool: string, count: number, timeout = 20_000): Promise<void> {
  await waitUntil(`${node.status().name} lists ${count} providers of ${tool}`, async () => ((await node.tools()).find(({ name }) => name === tool)?.providers.length ?? 0) === count, { timeout, every: 50 })
}

/** Waits until the round trip of this one is known at the edge. */
export async function isMeasured(edge: SkeinProcess, id: string): Promise<void> {
  await waitUntil(`the edge has measured ${id}`, async () => (await edge.peers()).some(({ name, rtt, state }) => name === id && state === 'connected' && rtt !== undefined), { timeout: 20_000, every: 100 })
}

/** Those without an answer, a line each. */
export const failed = (made: readonly Made[]) => made.filter(({ by }) => by === undefined).map(({ id, code, answer }) => `${id} ${code} ${JSON.stringify(answer).slice(0, 200)}`)

/** Calls one after the other until nearly all of the last twenty were answered by this one, none without an answer; resolves with the ms it took. */
export async function hasTheCalls(client: LeanClient, tool: string, id: string, { within, prefix }: { within: number; prefix: string }): Promise<number> {
  const began = Date.now()
  const made: Made[] = []
  await waitUntil(
    `${id} has the calls`,
    async () => {
      made.push(await makeCall(client, tool, `${prefix}-${made.length}`))
      const last = made.slice(-20)
      return last.length === 20 && last.filter(({ by }) => by === id).length / last.length >= 0.9
    },
    { timeout: within, every: 10 }
  )
  const lost = failed(made)
  if (lost.length > 0) throw new Error(`calls without an answer: ${lost.join('; ')}`)
  return Date.now() - began
}
