import type { Command } from 'commander'
import type { ReloadResult } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { fields, printJson, printLine } from '../output.ts'
import { withProgress } from '../progress.ts'

function summary(result: ReloadResult): string {
  const rows: [string, string][] = [
    ['attached', result.attached.join(', ') || '-'],
    ['detached', result.detached.join(', ') || '-'],
    ['restarted', result.restarted.join(', ') || '-'],
    ['unchanged', result.unchanged.join(', ') || '-'],
    ...(result.needsRestart.length === 0 ? [] : [['after restart', result.needsRestart.join(', ')] as [string, string]])
  ]
  return fields(rows)
}

export function addReload(program: Command, context: CliContext): void {
  withCommonOptions(program.command('reload'))
    .description('read the configuration again: attach and detach servers, apply what may change while running')
    .action(async (flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const result = await withProgress(context, 'reloading', () => client.request<ReloadResult>('POST', '/reload', {}))
      if (flags.json === true) printJson(context.io, result)
      else printLine(context.io, summary(result))
    })
}
