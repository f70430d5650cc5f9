import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import type { DrainStatus } from '../../node/api.ts'
import type { ControlClient } from '../client.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseDuration } from '../duration.ts'
import { printJson, printLine } from '../output.ts'
import { pause } from '../pause.ts'
import { withProgress } from '../progress.ts'

interface Flags extends CommonFlags {
  undo?: boolean
  wait?: boolean
  within?: string
}

/** Short enough to see an idle node drained at once, long enough to cost nothing. ms */
const POLL_INTERVAL = 100

const calls = (running: number) => (running === 1 ? '1 call still runs' : `${running} calls still run`)

/** What the node is doing, in a sentence. */
export function drainSentence({ state, running }: DrainStatus): string {
  if (state === 'serving') return 'The node serves.'
  const back = '`skein drain --undo` takes it back into service, `skein stop` ends it.'
  if (state === 'draining') return `The node takes no new calls; ${calls(running)}. ${back}`
  return running === 0 ? `The node is drained: nothing runs. ${back}` : `The time is over and ${calls(running)}; stopping the node now would cut them off. ${back}`
}

async function waitForDrained(context: CliContext, client: ControlClient, first: DrainStatus, update: (text: string) => void): Promise<DrainStatus> {
  let status = first
  // The node ends it: it has the deadline.
  while (status.state === 'draining') {
    update(`draining: ${calls(status.running)}`)
    await pause(context.clock, POLL_INTERVAL)
    status = await client.request<DrainStatus>('GET', '/drain')
  }
  if (status.state === 'serving') throw new SkeinError('SKEIN_CANCELLED', 'The drain was undone by somebody else: the node serves again.')
  return status
}

export function addDrain(program: Command, context: CliContext): void {
  withCommonOptions(program.command('drain'))
    .description('take the node out of service: other nodes are told, running calls finish, new ones go elsewhere; it stays a member')
    .option('--undo', 'take it back into service')
    .option('--wait', 'return only when nothing runs any more, or the time is over')
    .option('--within <duration>', 'how long running calls may finish (default: mcp.shutdown_timeout)')
    .action(async (flags: Flags) => {
      if (flags.undo === true && (flags.wait === true || flags.within !== undefined)) throw new SkeinError('SKEIN_USAGE', '--undo goes without --wait and --within.')
      const within = flags.within === undefined ? {} : { within: parseDuration(flags.within, '--within') }
      const client = await clientOf(context, flags)
      const first = await client.request<DrainStatus>('POST', flags.undo === true ? '/undrain' : '/drain', flags.undo === true ? {} : within)
      const status = flags.wait === true ? await withProgress(context, 'draining', ({ update }) => waitForDrained(context, client, first, update)) : first
      if (flags.json === true) printJson(context.io, status)
      else printLine(context.io, drainSentence(status))
    })
}
