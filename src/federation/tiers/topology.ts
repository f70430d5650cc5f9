import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { decodeTopology, encodeTopologyRequest, MAX_TOPOLOGY_DEPTH, MAX_TOPOLOGY_HOPS, MAX_TOPOLOGY_NODES } from '../../wire/tiers-topology.ts'
import type { TopologyNode, TopologyRequest } from '../../wire/tiers-types.ts'
import { believedClaim } from '../hub-claims.ts'
import type { PoolKeeper } from './keeper.ts'
import { isLiving, tierOf } from './order.ts'
import type { TierMember, TiersDeps, TiersOptions } from './ports.ts'
import type { TierEdges } from './types.ts'
import type { TiersView } from './view.ts'
import { createWalks, sizeOf } from './walks.ts'

/** Of the time that is left, for the way back: a hub below that is slow must not cost the whole answer. */
const SHARE_BELOW = 0.7
/** Hubs asked at the same time. */
const PARALLEL = 8
/** Passed on with less, it would come back too late in any case, ms. */
const MIN_WITHIN = 100
/** Each hub on the way up keeps a tenth of the time for the way back. */
const SHARE_ABOVE = 0.9

/** The hub above answers, and what it says is for whoever asks: a moment later there is the whole tree. */
const PASSED_ON = ['SKEIN_BAD_REQUEST', 'SKEIN_HOPS', 'SKEIN_BUSY'] as const

export interface TopologyContext {
  deps: TiersDeps
  options: TiersOptions
  view: TiersView
  keepers: ReadonlyMap<string, PoolKeeper>
  edges(): TierEdges
  home(): string | undefined
}

/**
 * The tree of the federation, asked from hub to hub, cut where it is too deep, too large or too slow. Only neighbours are answered: everybody
 * else asks its own hub.
 */
export function createTopology({ deps, options, view, keepers, edges, home }: TopologyContext): {
  tree(options: { signal: AbortSignal; timeout: number; depth: number }): Promise<TopologyNode>
  answer(request: TopologyRequest, from: string, signal: AbortSignal): Promise<TopologyNode>
} {
  const { clock, members } = deps
  const { self } = options

  async function tree({ signal, timeout, depth }: { signal: AbortSignal; timeout: number; depth: number }): Promise<TopologyNode> {
    return walked({ up: true, depth: Math.min(depth, MAX_TOPOLOGY_DEPTH), max: MAX_TOPOLOGY_NODES, within: timeout }, signal)
  }

  async function answer(request: TopologyRequest, from: string, signal: AbortSignal): Promise<TopologyNode> {
    if (![...keepers.keys()].some((pool) => view.isThere(from, pool))) {
      throw new SkeinError('SKEIN_BAD_REQUEST', 'only members of a pool of this node are told its tree: ask a node of your own pool')
    }
    // Two hubs may take each other for the one above, for a moment: the question would wait for itself.
    if (request.up && from === edges().up?.peer) throw new SkeinError('SKEIN_HOPS', 'the hub above asks this node for what is above it: hubs are changing, ask again in a few seconds')
    // A hub that is one no more has nothing to look for.
    if (!request.up && request.pool !== undefined && edges().hubOf.every(({ pool }) => pool !== request.pool)) throw notItsHub()
    return walked(request, signal)
  }

  const walked = createWalks(clock, async (request, end, signal) => {
    if (!request.up) return below(request, end, signal)
    const { up, hubOf } = edges()
    if (up === undefined) return hubOf.some(({ pool }) => pool === ROOT_POOL) ? below(request, end, signal) : topless(request, '', end, signal)
    const passed = onwards({ ...request, within: request.within * SHARE_ABOVE })
    try {
      return await send(up.peer, passed, signal)
    } catch (error) {
      if (signal.aborted || isSkeinError(error, ...PASSED_ON)) throw error
      return topless(request, up.peer, end, signal)
    }
  })

  /** What is left to see of the tree while the hub above is away: that is when one looks. */
  async function topless(request: TopologyRequest, above: string, end: number, signal: AbortSignal): Promise<TopologyNode> {
    return { ...(await below(request, end, signal)), above }
  }

  /** The question as the next hub gets it. */
  function onwards(asked: TopologyRequest): TopologyRequest {
    const request = { ...asked, within: Math.floor(asked.within), hops: (asked.hops ?? 0) + 1 }
    if (request.within < MIN_WITHIN) throw new SkeinError('SKEIN_DEADLINE', 'too little time is left to ask the next hub for the tree: ask again')
    if (request.hops > MAX_TOPOLOGY_HOPS) throw new SkeinError('SKEIN_HOPS', `the question for the tree was passed on ${MAX_TOPOLOGY_HOPS} times without end: hubs are changing, ask again in a few seconds`)
    return request
  }

  async function send(peer: string, request: TopologyRequest, signal: AbortSignal): Promise<TopologyNode> {
    return decodeTopology(await deps.ask(peer, 'topology', encodeTopologyRequest(request), { timeout: request.within, signal }))
  }

  const ask = async (peer: string, asked: TopologyRequest, signal: AbortSignal) => send(peer, onwards(asked), signal)

  /** The tree below this node: of the pool that is asked for, or of the highest it is hub of; in a flat federation of all. */
  async function below(request: TopologyRequest, end: number, signal: AbortSignal): Promise<TopologyNode> {
    const hubs = edges().hubOf
    const edge = request.pool === undefined ? hubs.at(-1) : hubs.find(({ pool }) => pool === request.pool)
    if (request.pool !== undefined && edge === undefined) throw notItsHub()
    const pool = edge?.pool ?? home() ?? ROOT_POOL
    // A hub of several pools appears once, with the members of all of them that are not above the one asked for.
    const pools = edge === undefined ? [pool] : hubs.slice(0, hubs.indexOf(edge) + 1).map((one) => one.pool)
    const records = new Map(pools.flatMap((one) => deps.catalog.records(one).map((record) => [record.peer, record] as const)))
    const root = ownNode(records.get(self), edge?.pool)
    // Dead ones too: that they are missing is what one looks for.
    const there = new Map(pools.flatMap((one) => members.members(one).filter((member) => member.peer !== self && member.state !== 'left').map((member) => [member.peer, member] as const)))
    const shown = request.depth === 0 ? [] : [...there.values()].slice(0, request.max - 1)
    if (there.size > shown.length) root.more = there.size - shown.length
    root.children = await descend(shown.map((member) => memberNode(member, records.get(member.peer))), records, request, end, signal)
    return root
  }

  async function descend(nodes: TopologyNode[], records: ReadonlyMap<string, NodeRecord>, request: TopologyRequest, end: number, signal: AbortSignal): Promise<TopologyNode[]> {
    const claims = nodes.flatMap((node, at) => {
      const hub = records.get(node.peer)?.hub
      return hub === undefined ? [] : [{ at, node, hub }]
    })
    const hubs = claims.filter(({ node }) => node.alive)
    const answered = new Map<string, Set<string>>()
    let room = request.max - 1 - nodes.length
    const share = Math.max(1, Math.floor((room + hubs.length) / Math.max(1, hubs.length)))
    const queue = [...hubs]
    async function work(): Promise<void> {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { at, node, hub } = next
        const within = (end - clock.now()) * SHARE_BELOW
        let found: TopologyNode | undefined
        if (request.depth > 1 && room > 0 && within >= MIN_WITHIN) {
          found = await ask(node.peer, { up: false, pool: hub.pool, depth: request.depth - 1, max: share, within, ...(request.hops === undefined ? {} : { hops: request.hops }) }, signal).catch(() => undefined)
        }
        if (found === undefined || found.peer !== node.peer) node.more = hub.children
        else {
          room -= sizeOf(found) - 1
          answered.set(hub.pool, (answered.get(hub.pool) ?? new Set<string>()).add(node.peer))
          nodes[at] = { ...found, ...(node.rtt === undefined ? {} : { rtt: node.rtt }) }
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(PARALLEL, queue.length) }, work))
    const ofPools = Map.groupBy(claims, ({ hub }) => hub.pool)
    for (const [pool, ofPool] of ofPools) {
      const hubsOfIt = answered.get(pool) ?? believed(ofPool)
      for (const { at, node } of ofPool) if (!hubsOfIt.has(node.peer)) nodes[at] = asMember(node)
    }
    return nodes
  }

  function ownNode(record: NodeRecord | undefined, pool: string | undefined): TopologyNode {
    return {
      peer: self, name: options.name, tier: options.tier, region: options.region, role: pool === undefined ? 'member' : 'hub', ...(pool === undefined ? {} : { pool }),
      alive: true, draining: deps.draining?.() ?? record?.draining ?? false, load: deps.load(), servers: record?.servers.length ?? 0, children: []
    }
  }

  function memberNode(member: TierMember, record: NodeRecord | undefined): TopologyNode {
    const rtt = deps.rtt(member.peer)
    const hub = record?.hub
    return {
      // What it says itself, as it does where it is the hub; its credential has what was written into its token.
      peer: member.peer, name: member.name, tier: record?.tier ?? tierOf(member.tier), region: record?.region || member.region, role: hub === undefined ? 'member' : 'hub',
      ...(hub === undefined ? {} : { pool: hub.pool }),
      alive: isLiving(member), draining: record?.draining ?? false, load: hub?.load ?? 0, ...(rtt === undefined ? {} : { rtt }), servers: record?.servers.length ?? 0, children: []
    }
  }

  return { tree, answer }
}

/** Of several that say to be hub of one pool, when none of them tells what is below it. */
function believed(claims: readonly { node: TopologyNode; hub: { token: number } }[]): ReadonlySet<string> {
  const living = claims.filter(({ node }) => node.alive)
  const { best } = believedClaim((living.length > 0 ? living : claims).map(({ node, hub }) => ({ peer: node.peer, token: hub.token })))
  return new Set(best === undefined ? [] : [best.peer])
}

/** Whatever its record says of an office, of a load and of children. */
function asMember({ pool: _pool, more: _more, ...node }: TopologyNode): TopologyNode {
  return { ...node, role: 'member', load: 0 }
}

function notItsHub(): SkeinError {
  return new SkeinError('SKEIN_NOT_FOUND', 'this node is not the hub of that pool any more: ask again in a few seconds')
}
