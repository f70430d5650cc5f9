import type { DetectionTimes } from '../../support/large-pools.ts'
import { PARTS, type LargeNode, type Part, type Sent } from '../../support/large-node.ts'
import { createLargeWorld, tenTools, type LargeWorld, type Shape } from '../../support/large-world.ts'
import type { SwimCost } from './large-swim.ts'

export const ROLES = ['global', 'regional', 'local', 'leaf'] as const
export type Role = (typeof ROLES)[number]

export interface Spread {
  median: number
  max: number
}

/** Of the nodes of one role, without the membership. */
export interface RoleCost {
  nodes: number
  startMessages: Spread
  startBytes: Spread
  /** Per second. */
  messages: Spread
  bytes: Spread
  /** Messages and bytes a second by what they are for, mean. */
  parts: Record<Part, Sent>
  /** By kind of message, mean: a second, and until the start-up was over. */
  kinds: Record<string, { steady: Sent; start: Sent }>
  /** Own objects on the heap, bytes; undefined: not weighed. */
  heap: number | undefined
}

/** What leaves that come and go cost everybody else, of the summaries alone: mean messages and bytes a second of each role. */
export type ChurnCost = Record<Role, { messages: number; bytes: number }>

export interface PublishTimes {
  /** Seconds until a leaf of the farthest region could call it, whatever it knew before. */
  resolvable: number | undefined
  /** … until it was in the `distant()` of that leaf unasked; undefined: it is one of those beyond catalog.max_tools. */
  shown: number | undefined
  /** … and of a leaf there that had said that it is interested. */
  shownWhenAsked: number | undefined
}

export interface HealTime {
  role: Role
  how: keyof DetectionTimes
  /** Everybody has a way to the top again, s; undefined: not within two minutes. */
  ways: number | undefined
  /** Everything is resolvable again, s. */
  resolved: number | undefined
  problem?: string
}

export interface LargeResult {
  shape: Shape
  nodes: number
  /** Since the last node was started, until each had its way to the top, s. */
  settled: number
  costs: Record<Role, RoleCost>
  published: PublishTimes
  publishedWithLoss: PublishTimes
  churn: ChurnCost
  heals: HealTime[]
  virtual: number
  real: number
}

export interface LargeOptions {
  detection(size: number): DetectionTimes
  /** Length of the window of steady state, ms. */
  window: number
  /** Between start-up and steady state, ms: who agrees with others compares ever more rarely, and that takes some rounds. */
  rest: number
  /** Leaves are started over this time, ms. */
  spread: number
  /** After a death, ms: where a pool has three voters only, the dead one must be replaced before another dies, which takes a minute. */
  between: number
  heals: readonly { role: Exclude<Role, 'leaf'>; how: keyof DetectionTimes }[]
  /** Bytes on the heap after a collection; undefined: nothing is weighed. */
  heapUsed?: () => number
  print(line: string): void
}

/** Leaves of a pool are started within this time, and those of the next one after them, ms. */
const TOGETHER = 2_000
/** Between two hubs that are started, ms. */
const HUB_EVERY = 200
const SETTLE_WITHIN = 120_000
/** Tables and voters are complete after it, ms. */
const QUIET = 30_000
/** Records are renewed at half their life, ms: nodes that started together get another place in it. */
const RENEWAL = 300_000
const PUBLISH_WITHIN = 60_000
/** Of the leaves, in a minute. */
const CHURN = 0.01
/** How long a leaf is away that restarts, ms. */
const RESTART = 5_000
const HEAL_WITHIN = 120_000
const RESOLVE_TIMEOUT = 5_000

/** Grows the tree, measures it at rest, publishes a tool, and lets hubs die. */
export async function runLarge(shape: Shape, options: LargeOptions): Promise<LargeResult> {
  const began = performance.now()
  const { print } = options
  const world = createLargeWorld(shape, options.detection)
  const { clock, nodes } = world
  const line = (text: string) => print(`${((performance.now() - began) / 1_000).toFixed(0)} s, virtual ${(clock.now() / 1_000).toFixed(0)} s: ${text}`)
  const settled = await grow(world, options)
  line(`${nodes.length} nodes have their places, ${(settled / 1_000).toFixed(1)} s after the last was started`)
  // The servers of a node start after the node itself.
  for (const node of nodes) if (node.plan.servers.length > 0) clock.after(world.random.float() * TOGETHER, () => world.serve(node, node.plan.servers))
  const wrong = misplaced(world)
  if (wrong.length > 0) line(`${wrong.length} nodes are not where they belong, such as ${wrong[0]?.plan.name}`)
  await clock.run(QUIET)
  const start = snapshot(nodes)
  line('start-up measured')
  await clock.run(options.rest)
  await desynchronize(world)
  const costs = await measure(world, options.window, start)
  line(`steady state measured: ${ROLES.map((role) => `${role} ${costs[role].messages.median.toFixed(1)} messages/s, ${(costs[role].bytes.median / 1_000).toFixed(2)} kB/s`).join('; ')}`)
  const published = await publish(world, 'news', 0)
  const publishedWithLoss = await publish(world, 'weather', 0.01)
  line(`published: ${JSON.stringify(published)}, with loss ${JSON.stringify(publishedWithLoss)}`)
  const churn = await changeAll(world, options.window)
  line(`churn measured: ${ROLES.map((role) => `${role} ${churn[role].messages.toFixed(2)} messages/s, ${(churn[role].bytes / 1_000).toFixed(2)} kB/s`).join('; ')}`)
  const heals: HealTime[] = []
  const hit = new Set<string>()
  for (const { role, how } of options.heals) {
    const healed = await heal(world, role, how, hit)
    heals.push(healed)
    line(`${role} hub ${how}: ways ${healed.ways?.toFixed(1) ?? '-'} s, all resolvable ${healed.resolved?.toFixed(1) ?? '-'} s${healed.problem === undefined ? '' : `, ${healed.problem}`}`)
    await clock.run(options.between)
  }
  if (options.heapUsed !== undefined) {
    weigh(world, costs, options.heapUsed)
    line('weighed')
  }
  return {
    shape, nodes: nodes.length, settled: settled / 1_000, costs, published, publishedWithLoss, churn, heals,
    virtual: clock.now() / 1_000, real: (performance.now() - began) / 1_000
  }
}

async function grow(world: LargeWorld, { spread, print }: LargeOptions): Promise<number> {
  const { clock, nodes } = world
  const hubs = nodes.filter(({ plan }) => plan.tier !== 'leaf')
  const leaves = nodes.filter(({ plan }) => plan.tier === 'leaf')
  for (const hub of hubs) {
    world.boot(hub)
    await clock.run(HUB_EVERY)
  }
  print(`${hubs.length} hubs are started`)
  // Pool by pool: what a pool costs when it forms does not depend on the others.
  const order = leaves.map((leaf, index) => ({ leaf, at: (spread * index) / leaves.length + world.random.float() * TOGETHER })).toSorted((a, b) => a.at - b.at)
  const first = clock.now()
  let told = performance.now()
  for (const [index, { leaf, at }] of order.entries()) {
    if (first + at >= clock.now() + 1) await clock.run(Math.floor(first + at - clock.now()))
    world.boot(leaf)
    if (performance.now() - told > 15_000) {
      told = performance.now()
      print(`${index} leaves are started, virtual ${(clock.now() / 1_000).toFixed(0)} s`)
    }
  }
  const last = clock.now()
  while (world.astray().length > 0) {
    if (clock.now() - last > SETTLE_WITHIN) throw new Error(`${world.astray().length} nodes have no way to the top, such as ${world.astray()[0]?.plan.name}`)
    await clock.run(500)
  }
  return clock.now() - last
}

/** Nodes whose home is not the pool that they were invited to. */
function misplaced(world: LargeWorld): LargeNode[] {
  const named = new Map(world.nodes.map((node) => [node.plan.name, node.peer]))
  return world.nodes.filter(({ plan, machines }) => plan.tier === 'leaf' && machines !== undefined && machines.tiers.state().home !== named.get(plan.parent ?? ''))
}

interface Counts {
  messages: Record<Part, number>
  bytes: Record<Part, number>
  kinds: ReadonlyMap<string, Sent>
}

function snapshot(nodes: readonly LargeNode[]): Map<LargeNode, Counts> {
  return new Map(nodes.map((node) => [node, { messages: { ...node.messages }, bytes: { ...node.bytes }, kinds: new Map([...node.kinds].map(([kind, sent]) => [kind, { ...sent }])) }]))
}

/** Twenty thousand nodes that were started within a minute would renew their records within a minute. */
async function desynchronize({ nodes, random, clock }: LargeWorld): Promise<void> {
  for (const node of nodes) {
    const shift = random.float() * RENEWAL
    for (const catalog of node.machines?.catalogs.values() ?? []) catalog.shift(shift)
  }
  // All compare at once now, for their clocks say that it is time.
  await clock.run(5_000)
}

async function measure({ nodes, clock }: LargeWorld, window: number, start: ReadonlyMap<LargeNode, Counts>): Promise<Record<Role, RoleCost>> {
  const before = snapshot(nodes)
  await clock.run(window)
  const seconds = window / 1_000
  const total = (counts: Record<Part, number>) => PARTS.reduce((sum, part) => sum + counts[part], 0)
  const cost = (role: Role): RoleCost => {
    const mine = nodes.filter(({ plan, real }) => real && plan.tier === role)
    const over = (pick: (node: LargeNode) => number) => spreadOf(mine.map(pick))
    const rate = (node: LargeNode, what: 'messages' | 'bytes') => (total(node[what]) - total((before.get(node) as Counts)[what])) / seconds
    const mean = (part: Part, what: 'messages' | 'bytes') => mine.reduce((sum, node) => sum + node[what][part] - (before.get(node) as Counts)[what][part], 0) / mine.length / seconds
    return {
      nodes: mine.length,
      startMessages: over((node) => total((start.get(node) as Counts).messages)), startBytes: over((node) => total((start.get(node) as Counts).bytes)),
      messages: over((node) => rate(node, 'messages')), bytes: over((node) => rate(node, 'bytes')),
      parts: Object.fromEntries(PARTS.map((part) => [part, { messages: mean(part, 'messages'), bytes: mean(part, 'bytes') }])) as RoleCost['parts'],
      kinds: kindsOf(mine, start, before, seconds),
      heap: undefined
    }
  }
  return { global: cost('global'), regional: cost('regional'), local: cost('local'), leaf: cost('leaf') }
}

function kindsOf(mine: readonly LargeNode[], start: ReadonlyMap<LargeNode, Counts>, before: ReadonlyMap<LargeNode, Counts>, seconds: number): RoleCost['kinds'] {
  const kinds = [...new Set(mine.flatMap((node) => [...node.kinds.keys()]))].toSorted()
  const mean = (of: (node: LargeNode) => Sent | undefined): Sent => {
    const all = mine.flatMap((node) => of(node) ?? [])
    return { messages: all.reduce((sum, { messages }) => sum + messages, 0) / mine.length, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) / mine.length }
  }
  const entries = kinds.map((kind) => {
    const now = mean((node) => node.kinds.get(kind))
    const then = mean((node) => before.get(node)?.kinds.get(kind))
    return [kind, { steady: { messages: (now.messages - then.messages) / seconds, bytes: (now.bytes - then.bytes) / seconds }, start: mean((node) => start.get(node)?.kinds.get(kind)) }]
  })
  return Object.fromEntries(entries) as RoleCost['kinds']
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 }
}

/** A tool at a leaf of the first region; leaves of the last one look for it. */
async function publish(world: LargeWorld, name: string, loss: number): Promise<PublishTimes> {
  const { clock } = world
  const leaves = world.nodes.filter(({ plan, alive, real }) => real && alive && plan.tier === 'leaf')
  const [from] = leaves
  const far = leaves.at(-1)
  const asking = leaves.at(-2)
  if (from === undefined || far === undefined || asking === undefined) throw new Error('there are not enough leaves')
  asking.machines?.summary.interest(name)
  await clock.run(1_000)
  world.loss = loss
  const began = clock.now()
  const times: PublishTimes = { resolvable: undefined, shown: undefined, shownWhenAsked: undefined }
  const shows = (node: LargeNode) => node.machines?.summary.distant().some(({ key }) => key === name) === true
  world.serve(from, [...from.servers, tenTools(name)])
  while (clock.now() - began < PUBLISH_WITHIN && (times.resolvable === undefined || times.shownWhenAsked === undefined)) {
    const at = (clock.now() - began) / 1_000
    if (times.shown === undefined && shows(far)) times.shown = at
    if (times.shownWhenAsked === undefined && shows(asking)) times.shownWhenAsked = at
    if (times.resolvable === undefined) {
      void far.machines?.summary.resolve(name, { signal: new AbortController().signal, timeout: RESOLVE_TIMEOUT }).then((found) => {
        if (found.some((provider) => world.callable(far, provider))) times.resolvable ??= (clock.now() - began) / 1_000
      })
    }
    await clock.run(100)
  }
  world.loss = 0
  await clock.run(5_000)
  return times
}

/** Leaves take their servers away for some seconds, as at a restart: 1 % of them in a minute. */
async function changeAll(world: LargeWorld, window: number): Promise<ChurnCost> {
  const { nodes, clock, random } = world
  const leaves = nodes.filter(({ alive, plan, servers }) => alive && plan.tier === 'leaf' && servers.length > 0)
  const all = nodes.filter(({ alive, real }) => alive && real)
  const before = new Map(all.map((node) => [node, { messages: node.messages.summary, bytes: node.bytes.summary }]))
  const count = Math.max(1, Math.round((leaves.length * CHURN * window) / 60_000))
  for (let index = 0; index < count; index++) {
    const leaf = leaves[Math.floor(random.float() * leaves.length)] as LargeNode
    const at = random.float() * Math.max(0, window - RESTART)
    const { servers } = leaf
    clock.after(at, () => world.serve(leaf, []))
    clock.after(at + RESTART, () => world.serve(leaf, servers))
  }
  await clock.run(window)
  const seconds = window / 1_000
  const mean = (role: Role, what: 'messages' | 'bytes') => {
    const mine = all.filter(({ plan }) => plan.tier === role)
    return mine.reduce((sum, node) => sum + node[what].summary - (before.get(node)?.[what] ?? 0), 0) / mine.length / seconds
  }
  return Object.fromEntries(ROLES.map((role) => [role, { messages: mean(role, 'messages'), bytes: mean(role, 'bytes') }])) as ChurnCost
}

/** Pairs of an observer and a server that it cannot call, of those that were asked for. */
async function unresolved(world: LargeWorld, observers: readonly LargeNode[], keys: readonly string[]): Promise<{ node: LargeNode; key: string }[]> {
  const missing: { node: LargeNode; key: string }[] = []
  const waiting = new Set<Promise<unknown>>()
  for (const node of observers) {
    for (const key of keys) {
      const { machines } = node
      if (machines === undefined) continue
      const near = [...node.pools].some((pool) => [...(machines.catalogs.get(pool)?.records() ?? [])].some((record) => record.servers.some((entry) => entry.name === key) && machines.catalogs.get(pool)?.live().has(record.peer) === true))
      const found = near ? Promise.resolve(undefined) : machines.summary.resolve(key, { signal: new AbortController().signal, timeout: RESOLVE_TIMEOUT })
      waiting.add(found)
      void found.then((providers) => {
        waiting.delete(found)
        if (providers !== undefined && !providers.some((provider) => world.callable(node, provider))) missing.push({ node, key })
      })
    }
  }
  while (waiting.size > 0) await world.clock.run(20)
  return missing
}

async function heal(world: LargeWorld, role: Exclude<Role, 'leaf'>, how: keyof DetectionTimes, hit: Set<string>): Promise<HealTime> {
  const { clock, random } = world
  const hubs = world.nodes.filter(({ alive, machines, plan }) => alive && plan.tier === role && machines?.tiers.edges().hubOf.some(({ pool }) => (role === 'global' ? pool === 'root' : pool !== 'root')) === true)
  // Whoever is hub of the top by now may be another node than at the start.
  const top = world.nodes.filter(({ alive, machines }) => alive && machines?.tiers.edges().hubOf.some(({ pool }) => pool === 'root') === true)
  // One death in each region as long as there are others: two voters of three that die within a minute are more than a pool promises to bear.
  const spared = hubs.filter(({ plan }) => !hit.has(plan.region))
  const candidates = role === 'global' ? top : spared.length > 0 ? spared : hubs
  const victim = candidates[Math.floor(random.float() * candidates.length)]
  if (victim === undefined) throw new Error(`there is no ${role} hub to kill`)
  hit.add(victim.plan.region)
  const below = [...victim.pools].flatMap((pool) => [...world.pools.nodes(pool)] as LargeNode[])
  const leaves = world.nodes.filter(({ alive, plan, stands }) => alive && !stands && plan.tier === 'leaf')
  const sample = <T>(items: readonly T[], count: number) => Array.from({ length: Math.min(count, items.length) }, () => items[Math.floor(random.float() * items.length)] as T)
  const region = leaves.filter(({ plan }) => plan.region === victim.plan.region)
  const observers = [...new Set([...sample(below.filter((node) => node !== victim && !node.stands), 12), ...sample(region, 8), ...sample(leaves, 12)])]
  const keys = sample(world.keys, 12)
  const before = await unresolved(world, observers, keys)
  const began = clock.now()
  world.die(victim, how)
  const since = () => (clock.now() - began) / 1_000
  let ways: number | undefined
  // Something must have been noticed first: right after the death all look well.
  await clock.run(100)
  for (;;) {
    const at = since()
    const astray = world.astray().length
    if (astray === 0) ways ??= at
    else ways = undefined
    const missing = astray > 0 ? [] : await unresolved(world, observers, keys)
    if (astray === 0 && missing.length <= before.length) {
      const whole = await unresolved(world, [observers[0], observers.at(-1)].filter((node) => node !== undefined), world.keys)
      if (whole.length === 0) return { role, how, ways: ways ?? at, resolved: at }
    }
    if (clock.now() - began > HEAL_WITHIN) {
      return { role, how, ways, resolved: undefined, problem: `${astray} without a way, such as ${world.astray()[0]?.plan.name}; ${missing.length} not resolvable, such as ${missing[0]?.key} from ${missing[0]?.node.plan.name}` }
    }
    await clock.run(500)
  }
}

/** What only these nodes hold: they are taken out of a world that stands still, and the heap is compared. */
function weigh(world: LargeWorld, costs: Record<Role, RoleCost>, heapUsed: () => number): void {
  for (const role of ['leaf', 'local', 'regional', 'global'] as const) {
    const nodes = world.nodes.filter(({ alive, plan, real }) => real && alive && plan.tier === role).slice(0, 1_000)
    if (nodes.length === 0) continue
    world.clock.sweep()
    const before = heapUsed()
    for (const node of nodes) {
      node.alive = false
      node.machines = undefined
      node.heard = () => {}
      node.sessionDown = () => {}
      node.answer = () => Promise.reject(new Error('taken apart'))
      node.late.clear()
    }
    world.clock.sweep()
    costs[role].heap = Math.max(0, before - heapUsed()) / nodes.length
  }
}

/** What the membership of its pools adds to a node of that role. */
export function swimOf(role: Role, { regions, areas, leaves }: Shape, cost: (size: number) => SwimCost): { messages: number; bytes: number; startMessages: number; startBytes: number; heap: number } {
  const sizes = { global: [regions + 1], regional: [regions + 1, areas + 1], local: [areas + 1, leaves + 1], leaf: [leaves + 1] }[role]
  const all = sizes.map(cost)
  const sum = (pick: (one: SwimCost) => number) => all.reduce((total, one) => total + pick(one), 0)
  return {
    messages: sum((one) => one.messagesPerSecond), bytes: sum((one) => one.bytesPerSecond), startMessages: sum((one) => one.startMessages), startBytes: sum((one) => one.startBytes),
    heap: sum((one) => one.heap)
  }
}
