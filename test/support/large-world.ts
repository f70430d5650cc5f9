import { createHash } from 'node:crypto'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type { ServerEntry } from '../../src/wire/catalog-types.ts'
import { peerIdOfKey } from '../../src/wire/peer-id.ts'
import { METHOD } from '../../src/wire/protocols.ts'
import { readBody, type SummaryBody } from '../../src/wire/summary-row.ts'
import type { ResolvedProvider } from '../../src/wire/summary-types.ts'
import { createRecordBoard, createRecordDesk, type CatalogWire, type LargeCatalog, type RecordBoard } from './large-catalog.ts'
import { createLargeClock, type LargeClock } from './large-clock.ts'
import { bootNode, createLargeNode, serve, standIn, type LargeNode, type NodeWorld, type Part } from './large-node.ts'
import { createLargePools, type DetectionTimes, type LargePools } from './large-pools.ts'

/** Length, method, ids and state of an exchange, yamux' and TLS' own. */
const FRAME = 100
/** gossip.fanout: neighbours in the mesh of a topic. */
const FANOUT = 6
/** gossipsub's envelope: author, sequence number, key and signature, topic. */
const GOSSIP_ENVELOPE = 220
const DIAL_FAILS_AFTER = 50
const RESET_AFTER = 20

export interface Shape {
  regions: number
  /** Local hubs of a region. */
  areas: number
  /** Leaves of a local hub, which is in their pool too. */
  leaves: number
  /** Distinct servers, ten tools each. */
  servers: number
  /** Leaves that have a server. */
  copies: number
  /** Of so many pools of leaves one runs the real machine of the catalog; those of hubs all do. */
  every: number
  /** Leaves that run in each of the other pools: its voters. The rest of those only stand there, with their records. */
  running: number
  seed: number
}

export interface LargeWorld {
  readonly clock: LargeClock
  readonly random: Random
  readonly nodes: readonly LargeNode[]
  readonly byPeer: ReadonlyMap<string, LargeNode>
  readonly pools: LargePools
  readonly keys: readonly string[]
  /** Chance that an exchange is lost: one half on the way there, one on the way back; and that of a gossiped record at each member. */
  loss: number
  boot(node: LargeNode): void
  serve(node: LargeNode, servers: readonly ServerEntry[]): void
  die(node: LargeNode, how: keyof DetectionTimes): void
  session(a: LargeNode, b: LargeNode): boolean
  /** The way that was resolved can be gone. */
  callable(from: LargeNode, provider: ResolvedProvider): boolean
  /** Living nodes that have no way to the top, or are not seen from there. */
  astray(): LargeNode[]
}

/** What a message is for, by a glance at its bytes: to decode each once more would double the work. */
const KINDS: Readonly<Record<number, (body: Buffer) => string>> = {
  [METHOD.QUORUM_PREPARE]: () => 'prepare',
  [METHOD.QUORUM_ACCEPT]: () => 'accept',
  [METHOD.QUORUM_LEARN]: (body) => (!body.includes(NOTHING_TOLD) ? 'told' : body.includes(HASH) ? 'compare' : 'fetch'),
  [METHOD.QUORUM_FORWARD]: () => 'forward',
  [METHOD.TIER_ATTACH]: (body) => (body.includes(LOOK) ? 'look' : 'attach'),
  [METHOD.TIER_TOPOLOGY]: () => 'topology',
  [METHOD.SUMMARY_SYNC]: (body) => `${directionOf(body)} ${body.includes(WANT) ? 'rows' : 'sync'}`,
  [METHOD.SUMMARY_CHANGED]: (body) => `${directionOf(body)} changed`,
  [METHOD.SUMMARY_RESOLVE]: () => 'resolve',
  [METHOD.SUMMARY_SEARCH]: () => 'search'
}
/** Keys and values as CBOR has them: `l: []`, `h: 32 bytes`, `look: true`, `want`. */
const NOTHING_TOLD = Buffer.from('al\x80', 'latin1')
const HASH = Buffer.from('ahX ', 'latin1')
const LOOK = Buffer.from('dlook\xf5', 'latin1')
const WANT = Buffer.from('dwant', 'latin1')

/** The longest key, and so the last one. */
function directionOf(body: Buffer): string {
  return body.at(-1) === 'p'.charCodeAt(0) ? 'up' : 'down'
}

function kindOf(method: number, body: Uint8Array): string {
  return KINDS[method]?.(Buffer.from(body.buffer, body.byteOffset, body.length)) ?? String(method)
}

/** One server with ten tools, stateless: all its copies are one. */
export function tenTools(name: string): ServerEntry {
  const tools = Array.from({ length: 10 }, (_, index) => {
    const tool = `${name}-tool-${index}`
    return { name: tool, digest: createHash('sha256').update(tool).digest('hex'), repeatable: index % 2 === 0 }
  })
  return { name, claimed: 1_700_000_000_000, stateless: true, capacity: 8, tools }
}

/** The whole tree: 1 global, `regions` regional, `regions x areas` local hubs, and the leaves. */
export function createLargeWorld(shape: Shape, detection: (size: number) => DetectionTimes): LargeWorld {
  const { regions, areas, leaves, servers, copies, every, running, seed } = shape
  const clock = createLargeClock()
  const random = seededRandom(seed)
  const pools = createLargePools(clock, random, detection)
  const desk = createRecordDesk()
  const bodies = new Map<string, SummaryBody>()
  const nodes: LargeNode[] = []
  const byPeer = new Map<string, LargeNode>()

  function add(name: string, tier: LargeNode['plan']['tier'], region: string, above: LargeNode | undefined, real: boolean, provided: readonly ServerEntry[] = [], stands = false): LargeNode {
    const index = nodes.length
    const plan = { peer: peerIdOfKey(random.bytes(32)), name, tier, region, parent: above?.plan.name, servers: provided }
    const node = createLargeNode(plan, `/ip4/10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/tcp/4001`, real, stands)
    // It was invited by the hub above.
    if (above !== undefined) node.links.add(above.peer)
    nodes.push(node)
    byPeer.set(plan.peer, node)
    return node
  }

  const entries = Array.from({ length: servers }, (_, index) => tenTools(`server-${index}`))
  const count = regions * areas * leaves
  const placed = Array.from({ length: count }, (): ServerEntry[] => [])
  for (const entry of entries) {
    for (let copy = 0; copy < copies; ) {
      const at = placed[Math.floor(random.float() * count)] as ServerEntry[]
      if (at.includes(entry)) continue
      at.push(entry)
      copy++
    }
  }
  const top = add('global', 'global', 'r0', undefined, true)
  const regional = Array.from({ length: regions }, (_, r) => add(`region-${r}`, 'regional', `r${r}`, top, true))
  const local = regional.flatMap((hub, r) => Array.from({ length: areas }, (_, a) => add(`area-${r}-${a}`, 'local', `r${r}`, hub, (r * areas + a) % every === 0)))
  local.forEach((hub, index) => {
    for (let leaf = 0; leaf < leaves; leaf++) add(`leaf-${index}-${leaf}`, 'leaf', hub.plan.region, hub, hub.real, placed[index * leaves + leaf], !hub.real && leaf >= running)
  })

  const reaches = (a: LargeNode, b: LargeNode) => a.alive && b.alive
  function session(a: LargeNode, b: LargeNode): boolean {
    if (!reaches(a, b)) return false
    if (a.links.has(b.peer) || b.links.has(a.peer)) return true
    for (const pool of a.pools) if (pools.has(pool, b.peer)) return true
    return false
  }

  /** One way, ms: within a pool of leaves, within a region, across. */
  function distance(a: LargeNode, b: LargeNode): number {
    if (a.plan.region !== b.plan.region) return 40
    return a.plan.tier === 'leaf' || b.plan.tier === 'leaf' ? 3 : 10
  }
  const travel = (a: LargeNode, b: LargeNode) => distance(a, b) * (1 + random.float() / 4)

  function count1(node: LargeNode, part: Part, kind: string, bytes: number, messages = 1): void {
    node.messages[part] += messages
    node.bytes[part] += bytes * messages
    const name = `${part} ${kind}`
    const sent = node.kinds.get(name) ?? { messages: 0, bytes: 0 }
    node.kinds.set(name, sent)
    sent.messages += messages
    sent.bytes += bytes * messages
  }

  const timedOut = new Error('no answer in time')
  const noSession = new Error('no session')

  function call(node: LargeNode, part: Part, peer: string, method: number, body: Uint8Array, { timeout, signal }: { timeout: number; signal: AbortSignal }): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const other = byPeer.get(peer) as LargeNode
      let over = false
      const end = (settle: () => void) => {
        if (over) return
        over = true
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = () => end(() => reject(signal.reason as Error))
      const own = clocks.get(node) ?? clock
      const timer = own.after(timeout, () => end(() => reject(timedOut)))
      signal.addEventListener('abort', onAbort)
      if (!session(node, other)) {
        // What was killed refuses; what fell silent does not.
        if (other.alive || killed.has(other)) own.after(DIAL_FAILS_AFTER, () => end(() => reject(noSession)))
        return
      }
      const kind = kindOf(method, body)
      count1(node, part, `${kind} ask`, FRAME + body.length)
      if (random.float() < world.loss / 2) return
      clock.after(travel(node, other), () => {
        if (!reaches(node, other)) return
        other.answer(method, body, node.peer).then(
          (answer) => {
            count1(other, part, `${kind} answer`, FRAME + answer.length)
            if (random.float() >= world.loss / 2) clock.after(travel(other, node), () => reaches(node, other) && end(() => resolve(answer)))
          },
          (error: unknown) => clock.after(travel(other, node), () => end(() => reject(error as Error)))
        )
      })
    })
  }

  function wire(node: LargeNode, pool: string): CatalogWire {
    const catalogOf = (other: LargeNode): LargeCatalog | undefined => (other.alive ? other.machines?.catalogs.get(pool) : undefined)
    return {
      gossip(handle, bytes) {
        const others = [...pools.nodes(pool)].filter((other) => other !== node) as LargeNode[]
        count1(node, 'gossip', 'own', GOSSIP_ENVELOPE + bytes, Math.min(FANOUT, others.length))
        const hops = Math.max(1, Math.ceil(Math.log(others.length + 1) / Math.log(FANOUT)))
        const push = { federation: world.federation, pool, records: [handle] }
        for (const other of others) {
          // Everybody passes on what it sees first, but not to whom it came from.
          count1(other, 'gossip', 'passed on', GOSSIP_ENVELOPE + bytes, Math.max(0, Math.min(FANOUT, others.length) - 1))
          if (random.float() < world.loss) continue
          clock.after((1 + Math.floor(random.float() * hops)) * travel(node, other), () => catalogOf(other)?.step({ type: 'push', push, from: node.peer }))
        }
      },
      exchange(peer, kind, bytes, answer, done, timeout) {
        const other = byPeer.get(peer) as LargeNode
        let over = false
        const end = (value: Parameters<typeof done>[0]) => {
          if (over) return
          over = true
          timer.cancel()
          done(value)
        }
        const own = clocks.get(node) ?? clock
        const timer = own.after(timeout, () => end(undefined))
        if (!session(node, other)) {
          own.after(DIAL_FAILS_AFTER, () => end(undefined))
          return
        }
        count1(node, 'catalog', `${kind} ask`, FRAME + bytes)
        if (random.float() < world.loss / 2) return
        clock.after(travel(node, other), () => {
          const theirs = catalogOf(other)
          if (theirs === undefined) return
          const { value, bytes: size } = answer(theirs)
          count1(other, 'catalog', `${kind} answer`, FRAME + size)
          if (random.float() >= world.loss / 2) own.after(travel(other, node), () => end(value))
        })
      }
    }
  }

  const clocks = new Map<LargeNode, ReturnType<LargeClock['of']>>()
  const killed = new Set<LargeNode>()
  const boards = new Map<string, RecordBoard>()
  const world: LargeWorld & NodeWorld = {
    clock, random, nodes, byPeer, pools, desk, keys: entries.map(({ name }) => name), federation: 'fed', founder: top.peer, loss: 0,
    readBody(bytes, path) {
      const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
      const known = bodies.get(key) ?? readBody(bytes.slice(), path)
      bodies.set(key, known)
      return known
    },
    clockOf(node) {
      const own = clock.of(node)
      clocks.set(node, own)
      return own
    },
    rtt: (node, peer) => 2 * distance(node, byPeer.get(peer) ?? node),
    call, wire,
    connect(node, peer) {
      const other = byPeer.get(peer)
      return new Promise((resolve, reject) => {
        const own = clocks.get(node) ?? clock
        if (other === undefined || !reaches(node, other)) return void own.after(DIAL_FAILS_AFTER, () => reject(noSession))
        if (session(node, other)) return resolve()
        own.after(3 * travel(node, other), () => {
          if (!reaches(node, other)) return reject(noSession)
          node.links.add(peer)
          other.machines?.tiers.peerUp(node.peer)
          resolve()
        })
      })
    },
    boot(node) {
      const [home] = node.links
      if (node.stands && home !== undefined) standIn(node, world, home)
      else bootNode(node, world)
    },
    serve: (node, provided) => serve(node, provided, world.board),
    board(pool) {
      if (byPeer.get(pool)?.real !== false) return undefined
      const board = boards.get(pool) ?? createRecordBoard()
      boards.set(pool, board)
      return board
    },
    die(node, how) {
      node.alive = false
      if (how === 'killed') killed.add(node)
      for (const pool of node.pools) {
        for (const other of pools.nodes(pool)) if (how === 'killed') clock.after(RESET_AFTER, () => other.alive && (other as LargeNode).sessionDown(node.peer))
      }
      pools.died(node, how)
    },
    session,
    callable(from, { peer, via }) {
      let at = from
      for (const next of [...via, peer]) {
        const other = byPeer.get(next)
        if (other === undefined || !session(at, other)) return false
        at = other
      }
      return true
    },
    astray() {
      const children = new Map<string, Set<string>>()
      const tops = new Set<LargeNode>()
      for (const node of nodes) {
        if (!node.alive) continue
        const edges = node.machines?.tiers.edges()
        for (const { pool, children: below } of edges?.hubOf ?? []) {
          children.set(`${pool} ${node.peer}`, new Set(below.map(({ peer }) => peer)))
          if (pool === 'root') tops.add(node)
        }
      }
      const good = new Map<LargeNode, boolean>()
      const hasWay = (node: LargeNode, steps: number): boolean => {
        const known = good.get(node)
        if (known !== undefined) return known
        const up = node.machines?.tiers.edges().up
        const hub = up && byPeer.get(up.peer)
        const way = tops.has(node) || (steps < 6 && up !== undefined && hub?.alive === true && children.get(`${up.pool} ${up.peer}`)?.has(node.peer) === true && hasWay(hub, steps + 1))
        good.set(node, way)
        return way
      }
      return nodes.filter((node) => node.alive && !node.stands && !hasWay(node, 0))
    }
  }
  return world
}
