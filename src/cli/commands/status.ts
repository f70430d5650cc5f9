import type { Command } from 'commander'
import type { NodeStatus, ServerStatus, TiersStatus } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { formatSeconds } from '../duration.ts'
import { fields, printJson, printLine, shorten, table } from '../output.ts'

const ERROR_WIDTH = 60

const label = ({ name, peer }: { name: string; peer: string }) => name || peer

function tierRows({ pools, up }: TiersStatus): [string, string][] {
  const lines = pools.map(({ pool, name, tier, isHub, hub }) => `${name || pool} (${tier}): ${isHub ? 'this node is its hub' : hub === undefined ? 'no hub' : `hub ${label(hub)}`}`)
  return [...lines.map((line, index): [string, string] => [index === 0 ? 'pools' : '', line]), ...(up === undefined ? [] : [['up', label(up)] as [string, string]])]
}

export function summary(status: NodeStatus, now: number): string {
  const { federation } = status
  const rows: [string, string][] = [
    ['node', `${status.name} (${status.peer})`],
    ['version', `${status.version}, process ${status.pid}, up ${formatSeconds(status.uptimeSeconds)}`],
    ['federation', `${federation.name} (${federation.id})${federation.issuer ? ', issues tokens' : ''}`],
    ['credential', `good for ${formatSeconds((status.credentialExpires - now) / 1000)}`],
    ['MCP', status.mcpUrl],
    ['metrics', status.metricsUrl ?? 'off'],
    ...status.addresses.map((address, index): [string, string] => [index === 0 ? 'addresses' : '', address]),
    ['data', status.dataDir],
    ['members', `${status.members.total}, this node included${status.members.healthy === status.members.total ? '' : `; ${status.members.total - status.members.healthy} suspected`}`],
    ...(status.tiers === undefined ? [] : tierRows(status.tiers)),
    ['peers', String(status.peers)],
    ['tools', String(status.tools)]
  ]
  return fields(rows)
}

function serverRow(server: ServerStatus): string[] {
  const error = server.error === undefined ? '' : shorten(server.error, ERROR_WIDTH)
  return [server.name, server.state, server.kind, server.protocol ?? '', server.exposed ? 'yes' : 'no', String(server.tools), String(server.restarts), error]
}

export function addStatus(program: Command, context: CliContext): void {
  withCommonOptions(program.command('status'))
    .description('the running node: addresses, servers, and what needs attention')
    .action(async (flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const status = await client.request<NodeStatus>('GET', '/status')
      if (flags.json === true) return printJson(context.io, status)
      printLine(context.io, summary(status, context.clock.wall()))
      const servers = status.servers.map(serverRow)
      if (servers.length > 0) printLine(context.io, `\n${table(['SERVER', 'STATE', 'KIND', 'SPEAKS', 'EXPOSED', 'TOOLS', 'RESTARTS', 'ERROR'], servers)}`)
      if (status.notices.length > 0) printLine(context.io, `\n${status.notices.map((notice) => `! ${shorten(notice, 1000)}`).join('\n')}`)
    })
}
