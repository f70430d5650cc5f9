import { Command } from 'commander'
import { addCall } from './commands/call.ts'
import { addConfig } from './commands/config.ts'
import { addConsensus } from './commands/consensus.ts'
import { addDrain } from './commands/drain.ts'
import { addImport } from './commands/import.ts'
import { addJoin } from './commands/join.ts'
import { addMcp } from './commands/mcp.ts'
import { addMembers } from './commands/members.ts'
import { addNet } from './commands/net.ts'
import { addPeers } from './commands/peers.ts'
import { addReload } from './commands/reload.ts'
import { addRoute } from './commands/route.ts'
import { addStart } from './commands/start.ts'
import { addStatus } from './commands/status.ts'
import { addStop } from './commands/stop.ts'
import { addToken } from './commands/token.ts'
import { addTools } from './commands/tools.ts'
import { addTopology } from './commands/topology.ts'
import type { CliContext } from './context.ts'
import { EXIT_CODES } from './exit-codes.ts'

const ADD = [addStart, addJoin, addStatus, addMembers, addPeers, addTopology, addTools, addCall, addRoute, addConsensus, addToken, addConfig, addImport, addNet, addMcp, addReload, addDrain, addStop]

function exitCodeHelp(): string {
  return `\nExit codes:\n${EXIT_CODES.map(([code, meaning]) => `  ${code}  ${meaning}`).join('\n')}`
}

/** The whole command tree; docs/cli.md is generated from it. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('skein')
    .description('a peer-to-peer federation of MCP tools: every client at any node sees and calls every tool it may use')
    .version(context.actions.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.io.stdout.write(text),
      writeErr: (text) => context.io.stderr.write(text),
      // Thrown as well; main.ts prints it the way it prints every error.
      outputError: () => {}
    })
    .addHelpText('afterAll', exitCodeHelp())
  for (const add of ADD) add(program, context)
  return program
}
