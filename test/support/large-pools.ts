import type { Random } from '../../src/base/random.ts'
import type { TierMember, TierMemberEvent } from '../../src/federation/tiers/ports.ts'
import type { LargeClock } from './large-clock.ts'

/** How long a pool takes to learn of a death, ms: what the membership's own simulation has measured for pools of this size. */
export interface Detection {
  first: number
  median: number
  last: number
}

export interface DetectionTimes {
  /** Its address refuses connections. */
  killed: Detection
  /** It says nothing any more. */
  silent: Detection
}

/** A process that is in pools. */
export interface PoolNode {
  readonly peer: string
  alive: boolean
  /** It is only seen by others: it runs no machines, so it hears nothing. */
  readonly stands: boolean
  /** Pool -> what it has not heard yet: the member as it believes it to be, or undefined where it knows of none. */
  readonly late: Map<string, Map<string, TierMember | undefined>>
  heard(pool: string, events: readonly TierMemberEvent[]): void
}

/** The membership of all pools, with the times of the real one and none of its messages. */
export interface LargePools {
  enter(node: PoolNode, pool: string, facts: Pick<TierMember, 'name' | 'addresses' | 'tier' | 'region'>): void
  leave(node: PoolNode, pool: string): void
  /** To be called when it is dead already. */
  died(node: PoolNode, how: keyof DetectionTimes): void
  members(node: PoolNode, pool: string): readonly TierMember[]
  member(node: PoolNode, pool: string, peer: string): TierMember | undefined
  /** Nodes in the pool, living. */
  nodes(pool: string): Iterable<PoolNode>
  has(pool: string, peer: string): boolean
}

interface Entry {
  node: PoolNode
  member: TierMember
  inside: boolean
}

/** A joining node is known to all after this time at most: what a storm of a hundred that join together takes, ms. */
const KNOWN_AFTER = 1_000
/** Gossip of the membership comes this often, all news together, ms. */
const GOSSIP_EVERY = 200
const MEETS_AFTER = 300
const LEFT_AFTER = 200

export function createLargePools(clock: LargeClock, random: Random, detection: (size: number) => DetectionTimes): LargePools {
  const pools = new Map<string, { entries: Map<string, Entry>; list: TierMember[] | undefined }>()
  const inPools = new Map<string, Set<string>>()
  /** Those who joined, by pool and time at which a node hears of them. */
  const coming = new WeakMap<PoolNode, Map<string, string[]>>()

  function poolOf(pool: string) {
    const found = pools.get(pool) ?? { entries: new Map<string, Entry>(), list: undefined }
    pools.set(pool, found)
    return found
  }

  function lateOf(node: PoolNode, pool: string): Map<string, TierMember | undefined> {
    const found = node.late.get(pool) ?? new Map<string, TierMember | undefined>()
    node.late.set(pool, found)
    return found
  }

  function put(pool: string, entry: Entry): void {
    const known = poolOf(pool)
    known.entries.set(entry.member.peer, entry)
    known.list = undefined
  }

  /** The node hears of it after `ms`; until then it believes what it believed. */
  function tell(node: PoolNode, pool: string, peers: readonly string[], ms: number, type: TierMemberEvent['type'], evidence?: 'silence' | 'refused'): void {
    if (node.stands) return
    const at = Math.ceil((clock.now() + ms) / GOSSIP_EVERY) * GOSSIP_EVERY + phaseOf(node)
    if (type === 'joined') {
      const id = `${pool} ${at}`
      const news = coming.get(node) ?? new Map<string, string[]>()
      coming.set(node, news)
      const together = news.get(id)
      if (together !== undefined) return void together.push(...peers)
      const all = [...peers]
      news.set(id, all)
      return deliver(node, pool, all, at - clock.now(), type, evidence, () => void news.delete(id))
    }
    deliver(node, pool, peers, ms, type, evidence, () => {})
  }

  function deliver(node: PoolNode, pool: string, peers: readonly string[], ms: number, type: TierMemberEvent['type'], evidence: 'silence' | 'refused' | undefined, done: () => void): void {
    clock.after(ms, () => {
      done()
      if (!node.alive || poolOf(pool).entries.get(node.peer)?.inside !== true) return
      const late = lateOf(node, pool)
      const events: TierMemberEvent[] = []
      for (const peer of peers) {
        if (!late.delete(peer)) continue
        const member = poolOf(pool).entries.get(peer)?.member
        if (member !== undefined) events.push({ type: type === 'joined' && member.state !== 'alive' ? 'failed' : type, member, ...(evidence === undefined ? {} : { evidence }) })
      }
      if (events.length > 0) node.heard(pool, events)
    })
  }

  function phaseOf({ peer }: PoolNode): number {
    return (peer.charCodeAt(peer.length - 1) * 31 + peer.charCodeAt(peer.length - 2)) % GOSSIP_EVERY
  }

  function hearsLater(node: PoolNode, pool: string, peer: string, before: TierMember | undefined): void {
    if (node.stands) return
    const late = lateOf(node, pool)
    // What it believed first is what it still believes.
    if (!late.has(peer)) late.set(peer, before)
  }

  const others = (pool: string, peer: string) => [...poolOf(pool).entries.values()].filter((entry) => entry.inside && entry.node.alive && entry.node.peer !== peer)

  /** Half of the observers by the median. */
  function draw({ first, median, last }: Detection): number {
    const at = random.float()
    return at < 0.5 ? first + (median - first) * at * 2 : median + (last - median) * (at - 0.5) * 2
  }

  function change(pool: string, peer: string, state: TierMember['state']): TierMember | undefined {
    const entry = poolOf(pool).entries.get(peer)
    if (entry === undefined) return undefined
    const before = entry.member
    put(pool, { ...entry, inside: false, member: { ...before, state, since: clock.now() } })
    return before
  }

  return {
    enter(node, pool, facts) {
      const known = others(pool, node.peer)
      put(pool, { node, inside: true, member: { peer: node.peer, state: 'alive', since: clock.now(), ...facts } })
      inPools.set(node.peer, (inPools.get(node.peer) ?? new Set()).add(pool))
      for (const other of known) {
        hearsLater(other.node, pool, node.peer, undefined)
        tell(other.node, pool, [node.peer], 50 + random.float() * KNOWN_AFTER, 'joined')
        hearsLater(node, pool, other.member.peer, undefined)
      }
      if (known.length > 0) tell(node, pool, known.map(({ member }) => member.peer), 50 + random.float() * MEETS_AFTER, 'joined')
    },
    leave(node, pool) {
      const before = change(pool, node.peer, 'left')
      inPools.get(node.peer)?.delete(pool)
      node.late.delete(pool)
      for (const other of others(pool, node.peer)) {
        hearsLater(other.node, pool, node.peer, before)
        tell(other.node, pool, [node.peer], 20 + random.float() * LEFT_AFTER, 'left')
      }
    },
    died(node, how) {
      for (const pool of inPools.get(node.peer) ?? []) {
        const before = change(pool, node.peer, 'dead')
        const witnesses = others(pool, node.peer)
        const times = detection(witnesses.length + 1)[how]
        for (const other of witnesses) {
          hearsLater(other.node, pool, node.peer, before)
          tell(other.node, pool, [node.peer], draw(times), 'failed', how === 'killed' ? 'refused' : 'silence')
        }
      }
      inPools.delete(node.peer)
    },
    members(node, pool) {
      const known = poolOf(pool)
      known.list ??= [...known.entries.values()].map(({ member }) => member)
      const late = node.late.get(pool)
      if (late === undefined || late.size === 0) return known.list
      const list: TierMember[] = []
      for (const member of known.list) {
        const believed = late.has(member.peer) ? late.get(member.peer) : member
        if (believed !== undefined) list.push(believed)
      }
      return list
    },
    member(node, pool, peer) {
      const late = node.late.get(pool)
      return late?.has(peer) === true ? late.get(peer) : poolOf(pool).entries.get(peer)?.member
    },
    *nodes(pool) {
      for (const { node, inside } of poolOf(pool).entries.values()) if (inside && node.alive) yield node
    },
    has: (pool, peer) => poolOf(pool).entries.get(peer)?.inside === true
  }
}
