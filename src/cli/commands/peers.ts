import type { Command } from 'commander'
import type { PeerInfo } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { printJson, printLine, shorten, table } from '../output.ts'

const ERROR_WIDTH = 50

function row(peer: PeerInfo): string[] {
  const rtt = peer.rtt === undefined ? '-' : `${peer.rtt.toFixed(1)} ms`
  const error = peer.lastError === undefined ? '' : shorten(peer.lastError, ERROR_WIDTH)
  const state = peer.via === undefined ? peer.state : `${peer.state} (${peer.via.join(', ')})`
  return [peer.name, state, peer.tier, peer.region || '-', rtt, peer.servers.join(', ') || '-', peer.peer, error]
}

export function addPeers(program: Command, context: CliContext): void {
  withCommonOptions(program.command('peers'))
    .description('the other nodes that this node can dial or tried to: their servers, and why the last dial failed (who lives: see members)')
    .action(async (flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const peers = await client.request<PeerInfo[]>('GET', '/peers')
      if (flags.json === true) return printJson(context.io, peers)
      if (peers.length === 0) return printLine(context.io, 'No other nodes yet. `skein token create` prints the command that lets one join.')
      printLine(context.io, table(['NAME', 'STATE', 'TIER', 'REGION', 'RTT', 'SERVERS', 'PEER', 'LAST ERROR'], peers.map(row)))
    })
}
