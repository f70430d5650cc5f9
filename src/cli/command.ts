import type { Command } from 'commander'
import { createControlClient } from './client.ts'
import type { ControlClient } from './client.ts'
import type { CliContext } from './context.ts'
import { dataDirOf } from './data-dir.ts'

export interface CommonFlags {
  json?: boolean
  dataDir?: string
}

/** The options of every command. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print the result as JSON on standard output, errors as JSON on standard error')
    .option('--data-dir <dir>', "the node's data directory (default: SKEIN_DATA_DIR, ./.skein if it exists, or ~/.local/state/skein)")
}

/** The running node that the flags mean. */
export function clientOf(context: CliContext, flags: CommonFlags): Promise<ControlClient> {
  return createControlClient(dataDirOf(flags.dataDir, context.io))
}

/** For options that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}
