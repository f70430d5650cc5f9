import type { Command } from 'commander'
import { withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { dataDirOf } from '../data-dir.ts'
import { printJson, printLine } from '../output.ts'

export function addJoin(program: Command, context: CliContext): void {
  withCommonOptions(program.command('join'))
    .description('store a join token; the next `skein start` joins its federation')
    .argument('<token>', 'the token that `skein token create` printed at another node')
    .action(async (token: string, flags: CommonFlags) => {
      const dataDir = dataDirOf(flags.dataDir, context.io)
      const summary = await context.actions.joinFederation(dataDir, token.trim())
      if (flags.json === true) return printJson(context.io, { dataDir, ...summary })
      const expires = new Date(summary.expires).toISOString()
      printLine(context.io, `The token for federation ${summary.federation} is stored in ${dataDir}; it is good until ${expires}.`)
      // The same directory again: the default of `start` is the same one unless it was named here.
      printLine(context.io, `Join now with: skein start${flags.dataDir === undefined ? '' : ` --data-dir ${flags.dataDir}`}`)
    })
}
