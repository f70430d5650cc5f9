import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isSkeinError } from '../../src/base/errors.ts'
import { createControlClient, type ControlClient } from '../../src/cli/client.ts'
import type { CallTrace, ConsensusStatus, NodeStatus, ToolInfo, TopologyInfo } from '../../src/node/api.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from './skein-process.ts'
import { waitUntil } from './wait-until.ts'

export type TierName = 'global' | 'regional' | 'local' | 'leaf'

export interface TierPlan {
  /** Name of the node, and of its only server if it is a leaf. */
  id: string
  tier: TierName
  region: string
  /** Name of the hub above; absent for the top. */
  parent?: string
  /** Servers it has, by name: each has the tools `append` and `read`. @default a leaf has one of its own name */
  servers?: readonly string[]
  /** Where it listens, also after a restart. @default a free one, another one each time */
  port?: number
  /** Merged into its configuration, after that of all nodes. */
  config?: Sections
}

/** One global hub, two regions of two sites with three leaves each: 1 + 2 + 4 + 12. */
export const TREE: readonly TierPlan[] = [
  { id: 'g', tier: 'global', region: 'hq' },
  ...['us', 'eu'].flatMap((region): TierPlan[] => [
    { id: region, tier: 'regional', region, parent: 'g' },
    ...[`${region}1`, `${region}2`].flatMap((site): TierPlan[] => [
      { id: site, tier: 'local', region, parent: region },
      ...['a', 'b', 'c'].map((letter): TierPlan => ({ id: site + letter, tier: 'leaf', region, parent: site }))
    ])
  ])
]

/** Two cores start so many nodes at a time without their deadlines noticing. */
const WAVE = 4
/** Handshakes of many nodes at once share two cores, ms. */
const READY_WITHIN = 60_000

export interface TierNode extends TierPlan {
  dataDir: string
  process: SkeinProcess
  /** Over the control socket, which is reached from outside a network namespace too. */
  control: ControlClient
  peer: string
}

/** One call, made once. Times are unix ms. */
export interface TierCall {
  id: string
  from: string
  to: string
  tool: 'append' | 'read'
  began: number
  ended: number
  /** `ok`, or that of the error. */
  code: string
  trace?: CallTrace
}

export interface TierProcessesOptions {
  /** The top first. @default TREE */
  plan?: readonly TierPlan[]
  /** Where a node runs: the words before its command, and the address it listens at. @default here, on loopback */
  place?(plan: TierPlan): { prefix?: readonly string[]; address: string }
  /** Merged into the configuration of every node. */
  config?: Sections
}

export interface TierProcesses {
  readonly nodes: ReadonlyMap<string, TierNode>
  node(id: string): TierNode
  leaves(): TierNode[]
  /** Name of a peer. */
  nameOf(peer: string): string
  /** Id of the pool that a node founded; `root` for the top. */
  poolOf(id: string): string
  /** Calls `<to>__<tool>` at a node and says how that ended; never rejects. @param timeout ms */
  call(from: string, to: string, tool: 'append' | 'read', id: string, options: { timeout: number; trace?: boolean }): Promise<TierCall>
  status(id: string): Promise<NodeStatus>
  consensus(id: string): Promise<ConsensusStatus>
  topology(id: string): Promise<TopologyInfo>
  /** Names of the servers whose tools a node lists. */
  servers(id: string): Promise<Set<string>>
  /** Who acts as hub, by pool, of the nodes that run. */
  hubs(): Promise<Map<string, string>>
  /** How often each call was executed, by its id. */
  executions(): Map<string, number>
  /** A node more, with a token of the top, once it is ready. */
  add(plan: TierPlan): Promise<TierNode>
  /** kill -9; its data stay. */
  kill(id: string): Promise<void>
  /** SIGTERM; its data stay. */
  stop(id: string): Promise<void>
  pause(id: string): void
  resume(id: string): void
  resumeAll(): void
  /** Starts one that was killed or stopped again. @param changes what it is from now on */
  restart(id: string, changes?: Partial<TierPlan>): Promise<void>
  dispose(): Promise<void>
}

/** Starts the whole tree, from the top, and waits until every node is ready; what is attached where takes a while longer. */
export async function startTiers({ plan = TREE, place = () => ({ address: '127.0.0.1' }), config = {} }: TierProcessesOptions = {}): Promise<TierProcesses> {
  const folder = tempDataDir()
  const log = join(folder, 'executions.log')
  const nodes = new Map<string, TierNode>()
  const paused = new Set<string>()

  const node = (id: string): TierNode => {
    const found = nodes.get(id)
    if (found === undefined) throw new Error(`there is no node ${id}`)
    return found
  }

  function start(one: TierPlan, dataDir: string, token: string | undefined): Promise<SkeinProcess> {
    const { prefix, address } = place(one)
    const server = { command: process.execPath, args: [join(ROOT, 'test/fixtures/log-server.ts')], env: { SKEIN_LOG: log }, repeatable: ['read'] }
    const { node: nodeConfig, federation, ...rest } = mergeSections(config, one.config)
    const servers = one.servers ?? (one.tier === 'leaf' ? [one.id] : [])
    return startSkein({
      dataDir,
      ...(prefix === undefined ? {} : { prefix }),
      ...(token === undefined ? {} : { token }),
      readyWithin: READY_WITHIN,
      config: {
        node: { id: one.id, hub_tier: one.tier, region: one.region, ...nodeConfig },
        network: { listen: [`/ip4/${address}/tcp/${one.port ?? 0}`] },
        monitoring: { metrics_enabled: false },
        federation: { ...(one.parent === undefined ? {} : { parent: one.parent }), ...federation },
        mcp: { graph: { enabled: false }, servers: Object.fromEntries(servers.map((name) => [name, server])) },
        ...rest
      }
    })
  }

  async function add(one: TierPlan, token: string | undefined): Promise<TierNode> {
    const dataDir = join(folder, one.id)
    mkdirSync(dataDir)
    const started = await start(one, dataDir, token)
    const added = { ...one, dataDir, process: started, control: await createControlClient(dataDir), peer: started.status().peer }
    nodes.set(one.id, added)
    return added
  }

  function resume(id: string): void {
    paused.delete(id)
    node(id).process.child.kill('SIGCONT')
  }
  const resumeAll = () => [...paused].forEach(resume)

  async function dispose(): Promise<void> {
    resumeAll()
    // All at once and without a goodbye: nobody has to take anything over.
    await Promise.allSettled([...nodes.values()].map((one) => one.process.kill('SIGKILL')))
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    const [top, ...below] = plan
    if (top === undefined) throw new Error('a tree has a top')
    await add(top, undefined)
    for (const tier of ['regional', 'local', 'leaf'] as const) {
      const level = below.filter((one) => one.tier === tier)
      if (level.length === 0) continue
      const token = await makeToken(node(top.id).process, { uses: level.length, tier })
      for (let first = 0; first < level.length; first += WAVE) await Promise.all(level.slice(first, first + WAVE).map((one) => add(one, token)))
    }
  } catch (error) {
    await dispose()
    throw error
  }

  const get = <T>(id: string, path: string) => node(id).control.request<T>('GET', path)
  const running = () => [...nodes.values()].filter(({ id, process: { child } }) => child.exitCode === null && child.signalCode === null && !paused.has(id))

  return {
    nodes,
    node,
    leaves: () => [...nodes.values()].filter(({ tier }) => tier === 'leaf'),
    nameOf: (peer) => [...nodes.values()].find((one) => one.peer === peer)?.id ?? peer,
    poolOf: (id) => (node(id).tier === 'global' ? 'root' : node(id).peer),
    async call(from, to, tool, id, { timeout, trace = false }) {
      const began = Date.now()
      let traced: CallTrace | undefined
      let code: string
      try {
        // The node ends it; the request itself waits a little longer.
        const result = await node(from).control.stream<{ content?: { text?: string }[]; isError?: boolean }>(
          '/call', { name: `${to}__${tool}`, arguments: { id }, timeout, trace }, (line) => 'trace' in line && (traced = line.trace as CallTrace), timeout + 5_000
        )
        code = result.isError !== true && result.content?.[0]?.text === `${tool} ${id}` ? 'ok' : `a wrong answer: ${JSON.stringify(result).slice(0, 200)}`
      } catch (error) {
        code = isSkeinError(error) ? error.code : String(error)
      }
      return { id, from, to, tool, began, ended: Date.now(), code, ...(traced === undefined ? {} : { trace: traced }) }
    },
    status: (id) => get(id, '/status'),
    consensus: (id) => get(id, '/consensus'),
    topology: (id) => node(id).control.stream('/topology', {}, () => {}, 15_000),
    servers: async (id) => new Set((await get<ToolInfo[]>(id, '/tools')).map(({ server }) => server)),
    async hubs() {
      const all = await Promise.all(running().map(async ({ id }) => ({ id, status: await get<NodeStatus>(id, '/status').catch(() => undefined) })))
      return new Map(all.flatMap(({ id, status }) => (status?.tiers?.pools ?? []).filter(({ isHub }) => isHub).map(({ pool }) => [pool, id] as const)))
    },
    executions() {
      const runs = new Map<string, number>()
      for (const line of existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []) {
        const id = line.split(' ')[1]
        if (id !== undefined) runs.set(id, (runs.get(id) ?? 0) + 1)
      }
      return runs
    },
    add: async (one) => add(one, await makeToken(node((plan[0] as TierPlan).id).process, { uses: 1, tier: one.tier })),
    kill: (id) => node(id).process.kill('SIGKILL'),
    stop: (id) => node(id).process.kill('SIGTERM'),
    pause(id) {
      paused.add(id)
      node(id).process.child.kill('SIGSTOP')
    },
    resume,
    resumeAll,
    async restart(id, changes = {}) {
      const one = { ...node(id), ...changes }
      nodes.set(id, { ...one, process: await start(one, one.dataDir, undefined), control: await createControlClient(one.dataDir) })
    },
    dispose
  }
}

type Sections = Record<string, Record<string, unknown>>

function mergeSections(all: Sections, own: Sections = {}): Sections {
  const merged = { ...all }
  for (const [name, section] of Object.entries(own)) merged[name] = { ...merged[name], ...section }
  return merged
}

/** Every pool has found its hub, and every leaf lists the servers of all of them. */
export async function isWhole(world: TierProcesses, timeout: number): Promise<void> {
  const leaves = world.leaves().map(({ id }) => id)
  const missing = async (): Promise<string[]> => {
    const led = await world.hubs()
    const hubs = [...world.nodes.values()].flatMap(({ id, tier }) => (tier === 'leaf' || led.has(world.poolOf(id)) ? [] : [`the pool of ${id} has no hub`]))
    const lists = await Promise.all(
      leaves.map(async (id) => {
        const servers = await world.servers(id)
        const lacking = leaves.filter((other) => !servers.has(other))
        return lacking.length === 0 ? [] : [`${id} does not list ${lacking.join(', ')}`]
      })
    )
    return [...hubs, ...lists.flat()]
  }
  let last: string[] = []
  await waitUntil('the tree is whole', async () => (last = await missing()).length === 0, { timeout, every: 250 }).catch((error: Error) => {
    throw new Error(`${error.message}: ${last.join('; ')}`)
  })
}

/** Why the pools of a node could not choose another hub if it died now; undefined: they could. */
export async function cannotLose(world: TierProcesses, id: string): Promise<string | undefined> {
  const { groups } = await world.consensus(id)
  for (const { pool, voters, needed, settled } of groups) {
    const living = voters.filter(({ alive, peer }) => alive && peer !== world.node(id).peer)
    if (!settled || living.length < needed.lease) return `${world.nameOf(pool)}: ${living.length} of ${voters.length} voters would live, ${needed.lease} are needed`
  }
  return undefined
}
