import { silentLogger } from '../../src/base/logger.ts'
import { createMeter, type MemoryMeter } from '../../src/base/meter.ts'
import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { createSummary, type Summary } from '../../src/federation/summary/driver.ts'
import type { Edges } from '../../src/federation/summary/ports.ts'
import type { NodeRecord, ServerEntry } from '../../src/wire/catalog-types.ts'
import { peerIdOfKey } from '../../src/wire/peer-id.ts'
import { readBody, type SummaryBody } from '../../src/wire/summary-row.ts'
import { summaryKey } from '../../src/wire/summary-types.ts'
import { createSimClock, type SimClock } from './sim-clock.ts'

export interface WorldNode {
  peer: string
  name: string
  summary: Summary
  meter: MemoryMeter
  alive: boolean
  servers: ServerEntry[]
  sequence: number
  /** What it believes, by pool and peer. */
  records: Map<string, Map<string, NodeRecord>>
  /** Round trip that it has measured, ms. */
  rtt: number
}

export interface WorldPool {
  id: string
  hub: string | undefined
  token: number
  parent: string | undefined
  members: Set<string>
}

export interface SummaryWorld {
  clock: SimClock
  random: Random
  nodes: Map<string, WorldNode>
  pools: Map<string, WorldPool>
  /** Chance that an exchange is lost: one half on the way there, one on the way back. */
  loss: number
  calls: { method: number; bytes: number }[]
  add(name: string, pools: readonly string[]): WorldNode
  pool(id: string, hub: string, parent?: string): WorldPool
  serve(peer: string, servers: ServerEntry[]): void
  /** All nodes see the tree as it is at once; later changes travel with delays. */
  settle(): void
  /** Without a word. Members see it after seconds; nobody is hub of its pools until `succeed`. */
  kill(peer: string): void
  /** It is hub of the pool now, and in the pool above. */
  succeed(pool: string, peer: string): void
  poolsOf(peer: string): string[]
  /** What `distant()` should be: key -> providers and hops. */
  truth(peer: string): Map<string, { providers: number; hops: number; tools: string }>
  shown(peer: string): Map<string, { providers: number; hops: number; tools: string }>
}

export function createSummaryWorld(seed: number, { maxTools = 100_000, delay = 1_000 } = {}): SummaryWorld {
  const clock = createSimClock()
  const random = seededRandom(seed)
  const nodes = new Map<string, WorldNode>()
  const pools = new Map<string, WorldPool>()
  const bodies = new Map<string, SummaryBody>()
  /** Equal bytes are one object for all nodes. */
  /** Made anew when the world changes. */
  const truths = new Map<string, Map<string, { providers: number; hops: number; tools: string }>>()
  const shared = (bytes: Uint8Array, path: string): SummaryBody => {
    const body = readBody(bytes, path)
    const key = Buffer.from(body.hash).toString('base64')
    const known = bodies.get(key)
    if (known === undefined) bodies.set(key, body)
    return known ?? body
  }
  const later = (most: number, fn: () => void) => void clock.after(random.float() * most, fn)
  const node = (peer: string) => nodes.get(peer) as WorldNode
  const poolsOf = (peer: string) => [...pools.values()].filter(({ members }) => members.has(peer)).map(({ id }) => id)

  function depth(id: string): number {
    const { parent } = pools.get(id) as WorldPool
    return parent === undefined ? 0 : 1 + depth(parent)
  }

  /** Highest first. */
  const ranked = (peer: string) => poolsOf(peer).map((id) => pools.get(id) as WorldPool).sort((a, b) => depth(a.id) - depth(b.id))

  function parentOf(peer: string): WorldPool | undefined {
    const [top] = ranked(peer)
    return top === undefined || top.hub === peer || top.hub === undefined ? undefined : top
  }

  function edgesOf(peer: string): Edges {
    const up = parentOf(peer)
    const hubOf = ranked(peer).filter(({ hub }) => hub === peer).reverse()
    return {
      up: up && { peer: up.hub as string, token: up.token, pool: up.id },
      hubOf: hubOf.map(({ id, token, members }) => ({
        pool: id,
        token,
        children: [...members].filter((member) => node(member).alive).map((member) => {
          const below = ranked(member).find((pool) => pool.hub === member && depth(pool.id) > depth(id))
          return { peer: member, hub: below && { pool: below.id, token: below.token } }
        })
      }))
    }
  }

  function recordOf(peer: string, pool: string): NodeRecord {
    const { name, servers, sequence } = node(peer)
    return {
      federation: 'fed', pool, peer, sequence, expires: 2_000_000_000_000, name, region: 'eu', tier: 'leaf', addresses: ['/ip4/192.0.2.1/tcp/4001'], draining: false, servers
    }
  }

  function tell(peer: string, pool: string, most: number): void {
    for (const other of pools.get(pool)?.members ?? []) {
      later(most, () => {
        if (!node(other).alive || !node(peer).alive) return
        mapOf(node(other).records, pool).set(peer, recordOf(peer, pool))
        node(other).summary.catalogChanged()
      })
    }
  }

  const edges = (peer: string, most: number) => later(most, () => node(peer).alive && node(peer).summary.setEdges(edgesOf(peer)))

  const world: SummaryWorld = {
    clock, random, nodes, pools, loss: 0, calls: [],
    add(name, inPools) {
      const peer = peerIdOfKey(random.bytes(32))
      const meter = createMeter()
      const call = (to: string, method: number, body: Uint8Array, { timeout, signal }: { timeout: number; signal: AbortSignal }) =>
        new Promise<Uint8Array>((resolve, reject) => {
          world.calls.push({ method, bytes: body.length })
          const timer = clock.after(timeout, () => reject(new Error('timeout')))
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
          const share = poolsOf(peer).some((pool) => pools.get(pool)?.members.has(to))
          if (!share) return reject(new Error('no session'))
          if (random.float() < world.loss / 2) return
          clock.after(1 + randomInt(random, 50), () => {
            if (!node(to).alive || !own.alive) return
            node(to).summary.answer(method, body, peer).then(
              (answer) => {
                world.calls.push({ method, bytes: answer.length })
                if (random.float() >= world.loss / 2) clock.after(1 + randomInt(random, 50), () => (timer.cancel(), resolve(answer)))
              },
              (error: unknown) => clock.after(1, () => (timer.cancel(), reject(error as Error)))
            )
          })
        })
      const summary = createSummary(
        { clock, random, meter, logger: silentLogger, call, records: (pool) => [...(own.records.get(pool)?.values() ?? [])], rtt: (other) => nodes.get(other)?.rtt, readBody: shared },
        { self: peer, maxTools }
      )
      const own: WorldNode = { peer, name, summary, meter, alive: true, servers: [], sequence: 1, records: new Map(), rtt: 1 + randomInt(random, 80) }
      nodes.set(peer, own)
      for (const pool of inPools) pools.get(pool)?.members.add(peer)
      return own
    },
    pool(id, hub, parent) {
      const pool: WorldPool = { id, hub, token: 1, parent, members: new Set(hub === '' ? [] : [hub]) }
      pools.set(id, pool)
      return pool
    },
    serve(peer, servers) {
      const own = node(peer)
      truths.clear()
      own.servers = servers
      own.sequence++
      for (const pool of poolsOf(peer)) tell(peer, pool, delay)
    },
    settle() {
      for (const pool of pools.values()) {
        for (const member of pool.members) for (const other of pool.members) mapOf(node(other).records, pool.id).set(member, recordOf(member, pool.id))
      }
      for (const { peer, summary } of nodes.values()) {
        summary.start()
        summary.setEdges(edgesOf(peer))
      }
    },
    kill(peer) {
      const own = node(peer)
      truths.clear()
      own.alive = false
      own.summary.stop()
      for (const id of poolsOf(peer)) {
        const pool = pools.get(id) as WorldPool
        pool.members.delete(peer)
        if (pool.hub === peer) pool.hub = undefined
        for (const member of pool.members) {
          later(3 * delay, () => {
            node(member).records.get(id)?.delete(peer)
            node(member).summary.catalogChanged()
            if (node(member).alive) node(member).summary.setEdges(edgesOf(member))
          })
        }
      }
    },
    succeed(id, peer) {
      truths.clear()
      const pool = pools.get(id) as WorldPool
      pool.hub = peer
      pool.token++
      if (pool.parent !== undefined) {
        const above = pools.get(pool.parent) as WorldPool
        above.members.add(peer)
        tell(peer, above.id, delay)
        for (const member of above.members) {
          edges(member, delay)
          if (member !== peer) later(delay, () => (mapOf(node(peer).records, above.id).set(member, recordOf(member, above.id)), node(peer).summary.catalogChanged()))
        }
      }
      for (const member of pool.members) edges(member, delay)
    },
    poolsOf,
    truth(peer) {
      const kept = truths.get(peer)
      if (kept !== undefined) return kept
      const seen = new Map<string, { providers: number; hops: number; tools: string }>()
      const mine = new Set(poolsOf(peer))
      for (const other of nodes.values()) {
        if (!other.alive || poolsOf(other.peer).some((pool) => mine.has(pool))) continue
        const hops = distance(peer, other.peer)
        for (const entry of other.servers) {
          const key = summaryKey(entry.stateless ? { name: entry.name } : { name: entry.name, owner: other.peer })
          const tools = entry.tools.map(({ name, digest }) => `${name} ${digest}`).sort().join()
          const known = seen.get(key)
          seen.set(key, { providers: (known?.providers ?? 0) + 1, hops: Math.min(known?.hops ?? Infinity, hops), tools })
        }
      }
      truths.set(peer, seen)
      return seen
    },
    shown(peer) {
      return new Map(node(peer).summary.distant().map(({ key, providers, hops, tools }) => [key, { providers, hops, tools: tools.map(({ name, digest }) => `${name} ${digest}`).sort().join() }]))
    }
  }

  /** Hubs between two nodes on the way along hubs. */
  function distance(a: string, b: string): number {
    const line = (peer: string): string[] => {
      const up = parentOf(peer)
      return up?.hub === undefined ? [peer] : [peer, ...line(up.hub)]
    }
    const [one, two] = [line(a), line(b)]
    const meet = one.findIndex((peer) => two.includes(peer))
    const down = two.indexOf(one[meet] as string)
    // A child hub sees the members of its pool itself: the hub of both is not in between.
    const direct = down === 1 && meet > 0 && poolsOf(one[meet - 1] as string).some((pool) => pools.get(pool)?.members.has(b))
    return meet + down - (direct ? 2 : 1)
  }

  return world
}

function mapOf<V>(maps: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const found = maps.get(key) ?? new Map<string, V>()
  maps.set(key, found)
  return found
}

/** root - regions - areas - leaves; the ids of pools are p<region> and p<region>.<area>. */
export function createTree(world: SummaryWorld, regions: number, areas: number, leaves: number): { leaves: WorldNode[]; hubs: Map<string, WorldNode> } {
  const hubs = new Map<string, WorldNode>()
  const all: WorldNode[] = []
  world.pool('root', '')
  const top = world.add('global', ['root'])
  ;(world.pools.get('root') as WorldPool).hub = top.peer
  hubs.set('root', top)
  for (let region = 0; region < regions; region++) {
    const hub = world.add(`region-${region}`, ['root'])
    hubs.set(`p${region}`, hub)
    world.pool(`p${region}`, hub.peer, 'root')
    for (let area = 0; area < areas; area++) {
      const id = `p${region}.${area}`
      const local = world.add(`area-${region}-${area}`, [`p${region}`])
      hubs.set(id, local)
      world.pool(id, local.peer, `p${region}`)
      for (let leaf = 0; leaf < leaves; leaf++) all.push(world.add(`leaf-${region}-${area}-${leaf}`, [id]))
    }
  }
  return { leaves: all, hubs }
}
