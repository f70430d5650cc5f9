import { SkeinError } from '../base/errors.ts'
import { TIERS } from './admission-documents.ts'
import { isWireName, MAX_NAME, MAX_PEER, MAX_SCOPE, readPeer } from './catalog-record.ts'
import { decodeCbor, encodeCbor, fields, readInt, readString } from './cbor.ts'
import { readRow, scope, tierAt } from './tiers.ts'
import type { TopologyNode, TopologyRequest } from './tiers-types.ts'

/** Nodes in one answer: what a person can look at, and a quarter of a body. */
export const MAX_TOPOLOGY_NODES = 1_000
/** Levels below a node: the deepest tree of three tiers of hubs has four. */
export const MAX_TOPOLOGY_DEPTH = 6
/** Hubs that pass a question on: three up and three down is the most that tiers allow. */
export const MAX_TOPOLOGY_HOPS = 8
/** A thousand nodes with the longest names and regions. */
export const MAX_TOPOLOGY_BYTES = 512 * 1024
const MAX_REQUEST_BYTES = 1_024
const MAX_WITHIN_MS = 60_000
/** Later versions may add columns. */
const MAX_COLUMNS = 24
const MAX_SERVERS = 1_000_000
/** Round trips travel in microseconds, load in hundredths. */
const MICROS = 1_000
const HUNDREDTHS = 100
const HUB = 1
const ALIVE = 2
const DRAINING = 4

export function encodeTopologyRequest(request: TopologyRequest): Uint8Array {
  return encodeCbor({ ...request })
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeTopologyRequest(bytes: Uint8Array): TopologyRequest {
  const read = fields(decodeCbor(bytes, { max: MAX_REQUEST_BYTES, what: 'the question for the tree' }), 'topology')
  const hops = read.optionalInt('hops', { max: MAX_TOPOLOGY_HOPS })
  return {
    up: read.bool('up'),
    ...(read.has('pool') ? { pool: scope(read, 'pool') } : {}),
    depth: read.int('depth', { max: MAX_TOPOLOGY_DEPTH }),
    max: read.int('max', { min: 1, max: MAX_TOPOLOGY_NODES }),
    within: read.int('within', { min: 1, max: MAX_WITHIN_MS }),
    ...(hops === undefined ? {} : { hops })
  }
}

/**
 * The tree as rows, each after its parent: [parent's row, peer, name, tier, region, flags, load, servers, more, pool or '', round trip + 1 or 0].
 * Flat, so that no depth of nesting has to be trusted.
 */
export function encodeTopology(root: TopologyNode): Uint8Array {
  const rows: unknown[][] = []
  const add = (node: TopologyNode, parent: number) => {
    if (rows.length >= MAX_TOPOLOGY_NODES) return
    const at = rows.length
    const flags = (node.role === 'hub' ? HUB : 0) + (node.alive ? ALIVE : 0) + (node.draining ? DRAINING : 0)
    const rtt = node.rtt === undefined ? 0 : Math.round(node.rtt * MICROS) + 1
    const load = Math.round(Math.min(1, Math.max(0, node.load)) * HUNDREDTHS)
    rows.push([parent, node.peer, node.name, TIERS.indexOf(node.tier), node.region, flags, load, node.servers, node.more ?? 0, node.pool ?? '', rtt])
    for (const child of node.children) add(child, at)
  }
  add(root, 0)
  return encodeCbor({ rows, ...(root.above === undefined ? {} : { above: root.above }) })
}

/** Throws SKEIN_PROTOCOL naming the bad row. */
export function decodeTopology(bytes: Uint8Array): TopologyNode {
  const read = fields(decodeCbor(bytes, { max: MAX_TOPOLOGY_BYTES, what: 'the tree' }), 'tree')
  const nodes: TopologyNode[] = []
  read.array('rows', { max: MAX_TOPOLOGY_NODES }, (item, path) => {
    const row = readRow(item, path, MAX_COLUMNS)
    const node = readNode(row, path)
    const parent = readInt(row[0], `${path}[0]`, { max: Math.max(0, nodes.length - 1) })
    if (nodes.length > 0) nodes[parent]?.children.push(node)
    nodes.push(node)
  })
  const [root] = nodes
  if (root === undefined) throw new SkeinError('SKEIN_PROTOCOL', 'the tree has no rows')
  const above = read.optionalString('above', { max: MAX_PEER })
  return above === undefined ? root : { ...root, above: above === '' ? above : readPeer(above, 'tree.above') }
}

function readNode(row: readonly unknown[], path: string): TopologyNode {
  const flags = readInt(row[5], `${path}[5]`)
  const more = readInt(row[8], `${path}[8]`)
  const pool = readText(row[9], `${path}[9]`, MAX_SCOPE)
  const rtt = readInt(row[10], `${path}[10]`)
  return {
    peer: readPeer(readString(row[1], `${path}[1]`, { max: MAX_PEER }), `${path}[1]`),
    name: readText(row[2], `${path}[2]`, MAX_NAME),
    tier: tierAt(row[3], `${path}[3]`),
    region: readText(row[4], `${path}[4]`, MAX_NAME),
    role: (flags & HUB) === 0 ? 'member' : 'hub',
    alive: (flags & ALIVE) !== 0,
    draining: (flags & DRAINING) !== 0,
    load: readInt(row[6], `${path}[6]`, { max: HUNDREDTHS }) / HUNDREDTHS,
    servers: readInt(row[7], `${path}[7]`, { max: MAX_SERVERS }),
    children: [],
    ...(more === 0 ? {} : { more }),
    ...(pool === '' ? {} : { pool }),
    ...(rtt === 0 ? {} : { rtt: (rtt - 1) / MICROS })
  }
}

function readText(value: unknown, path: string, max: number): string {
  const text = readString(value, path, { max })
  if (text !== '' && !isWireName(text)) throw new SkeinError('SKEIN_PROTOCOL', `${path} must not have control characters`)
  return text
}
