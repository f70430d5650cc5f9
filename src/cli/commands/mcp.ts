import type { Command } from 'commander'
import { findSocket } from '../client.ts'
import { withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { dataDirOf } from '../data-dir.ts'

interface Flags extends CommonFlags {
  server?: string
}

export function addMcp(program: Command, context: CliContext): void {
  withCommonOptions(program.command('mcp'))
    .description('speak MCP on standard input and output, for clients that only start processes; a node that restarts is a pause, not the end')
    .option('--server <name>', 'only this server, with its own tool names, resources and prompts, or a view such as @search (default: the tools of all)')
    .action(async (flags: Flags) => {
      const { runMcpBridge } = await import('../mcp-bridge.ts')
      const socketPath = await findSocket(dataDirOf(flags.dataDir, context.io))
      const target = { socketPath, stderr: context.io.stderr, ...(flags.server === undefined ? {} : { server: flags.server }) }
      context.exit(await runMcpBridge(target, context.io.stdin, context.io.stdout))
    })
}
