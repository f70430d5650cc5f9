import type { Command } from 'commander'
import type { TopologyInfo, TopologyNodeInfo } from '../../node/api.ts'
import { MAX_TOPOLOGY_DEPTH } from '../../wire/tiers-topology.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseWhole } from '../duration.ts'
import { plain, printJson, printLine, table } from '../output.ts'

interface Flags extends CommonFlags {
  depth?: string
}

/** ms; the node gives up before. */
const ANSWER_TIMEOUT = 30_000

const label = ({ name, peer, self }: TopologyNodeInfo) => `${name || peer}${self ? ' (self)' : ''}`

function row(node: TopologyNodeInfo, indent: string): string[] {
  return [
    indent + label(node),
    node.tier,
    node.region || '-',
    node.role,
    node.alive ? (node.draining ? 'draining' : 'alive') : 'dead',
    node.load === undefined ? '-' : `${Math.round(node.load * 100)} %`,
    node.rtt === undefined ? '-' : `${node.rtt.toFixed(1)} ms`,
    String(node.servers),
    node.peer
  ]
}

/** `before`: the lines that come down from the nodes above. */
function rowsBelow(node: TopologyNodeInfo, before: string): string[][] {
  const more = node.more === undefined || node.more === 0 ? [] : [[`${before}└─ ${node.more} more`, '', '', '', '', '', '', '', '']]
  const below = node.children.flatMap((child, index) => {
    const last = index === node.children.length - 1 && more.length === 0
    return [row(child, `${before}${last ? '└─ ' : '├─ '}`), ...rowsBelow(child, `${before}${last ? '   ' : '│  '}`)]
  })
  return [...below, ...more]
}

/** The tree, a line for each node. */
export function topologyText({ tiered, nodes, notice }: TopologyInfo): string {
  const shown = table(['NODE', 'TIER', 'REGION', 'ROLE', 'STATE', 'LOAD', 'RTT', 'SERVERS', 'PEER'], nodes.flatMap((node) => [row(node, ''), ...rowsBelow(node, '')]))
  if (notice !== undefined) return `${shown}\n\n! ${plain(notice)}`
  return tiered ? shown : `${shown}\n\nA flat federation: all nodes are in one pool and none is a hub.`
}

export function addTopology(program: Command, context: CliContext): void {
  withCommonOptions(program.command('topology'))
    .description('show the federation as a tree: the hub at the top, below each hub the members of its pool, with state, load and the round trip from the node above')
    .option('--depth <levels>', 'levels below the top (default: all)')
    .action(async (flags: Flags) => {
      const depth = flags.depth === undefined ? {} : { depth: parseWhole(flags.depth, '--depth', 0, MAX_TOPOLOGY_DEPTH) }
      const client = await clientOf(context, flags)
      const found = await client.stream<TopologyInfo>('/topology', depth, () => {}, ANSWER_TIMEOUT)
      if (flags.json === true) printJson(context.io, found)
      else printLine(context.io, topologyText(found))
    })
}
