import type { Tiers, TiersState } from '../../federation/tiers/types.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { Member } from '../../membership/types.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { MAX_TOPOLOGY_DEPTH } from '../../wire/tiers-topology.ts'
import type { TopologyNode } from '../../wire/tiers-types.ts'
import { saidPlace } from './said-place.ts'
import type { NamedPeer, TiersStatus, TopologyInfo, TopologyNodeInfo, TopologyOptions } from './tiers-overview.ts'

/** ms; within the 10 s that the edges wait, with room for the answer itself. */
const TIMEOUT = 8_000

export interface TopologyParts {
  self: string
  federation: string
  tiers: Pick<Tiers, 'state' | 'topology'>
  /** Of all pools. */
  members(): readonly Member[]
  record(peer: string): NodeRecord | undefined
  /** Round trip, ms, once measured. */
  rtt(peer: string): number | undefined
  /** '' where it is not known. */
  nameOf(peer: string): string
}

/** Whether anybody is, or was, hub of a pool that this node knows. */
export function isTiered({ pools }: TiersState): boolean {
  return pools.some(({ pool, hub }) => pool !== ROOT_POOL || hub !== undefined)
}

/** Where this node stands; undefined in a flat federation. @param nameOf '' where it is not known */
export function tiersStatus(state: TiersState, nameOf: (peer: string) => string): TiersStatus | undefined {
  if (!isTiered(state)) return undefined
  const named = (peer: string): NamedPeer => ({ peer, name: nameOf(peer) })
  return {
    home: state.home,
    role: state.pools.some(({ isHub }) => isHub) ? 'hub' : 'member',
    pools: state.pools.map(({ pool, tier, isHub, hub }) => ({ pool, name: nameOf(pool), tier, isHub, ...(hub === undefined ? {} : { hub: named(hub) }) })),
    ...(state.up === undefined ? {} : { up: named(state.up.peer) })
  }
}

/** The federation as a tree; a flat one as all of its members side by side, by name. Rejects with the signal's reason, or as `Tiers.topology` does. */
export async function topologyView(parts: TopologyParts, { signal, depth = MAX_TOPOLOGY_DEPTH }: TopologyOptions): Promise<TopologyInfo> {
  const { self, federation, tiers } = parts
  if (!isTiered(tiers.state())) return { federation, peer: self, tiered: false, nodes: flat(parts) }
  const { above, ...top } = await tiers.topology({ signal, timeout: TIMEOUT, depth: Math.min(depth, MAX_TOPOLOGY_DEPTH) })
  return { federation, peer: self, tiered: true, nodes: [nodeInfo(top, self)], ...(above === undefined ? {} : { notice: partNotice(top, above, parts) }) }
}

function partNotice({ peer, name, pool }: TopologyNode, above: string, { self, nameOf }: TopologyParts): string {
  const who = above === '' ? 'No hub above is known now' : `The hub above, ${nameOf(above) || above}, does not answer`
  const what = pool !== undefined ? `what is below ${name || peer}` : `the pool of ${peer === self ? 'this node' : name || peer}`
  return `${who}: this is only ${what}.`
}

function nodeInfo(node: TopologyNode, self: string): TopologyNodeInfo {
  return { ...node, self: node.peer === self, children: node.children.map((child) => nodeInfo(child, self)) }
}

function flat({ self, members, record, rtt }: TopologyParts): TopologyNodeInfo[] {
  return members()
    .filter(({ state }) => state !== 'left')
    .map(({ peer, name, state, ...member }): TopologyNodeInfo => {
      const known = record(peer)
      const measured = peer === self ? undefined : rtt(peer)
      return {
        peer, name, ...saidPlace(known, member), role: 'member', alive: state === 'alive' || state === 'suspect', draining: known?.draining === true,
        ...(measured === undefined ? {} : { rtt: measured }),
        servers: known?.servers.length ?? 0, self: peer === self, children: []
      }
    })
    .sort((a, b) => (a.name === b.name ? (a.peer < b.peer ? -1 : 1) : a.name < b.name ? -1 : 1))
}
