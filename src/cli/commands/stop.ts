import type { Command } from 'commander'
import { SkeinError, isSkeinError } from '../../base/errors.ts'
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
  wait?: boolean
  timeout?: string
  within?: string
}

/** Running calls get 30 s (`mcp.shutdown_timeout`), the rest of stopping a few more. ms */
const DEFAULT_WAIT = 60_000
/** A person does not notice; the machine neither. ms */
const POLL_INTERVAL = 100

/** Whether the process lives; our own (a node embedded in this process) ends with its control socket. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** What still runs there; 0 when it cannot say any more, undefined when nobody answers. */
async function runningAt(client: ControlClient): Promise<number | undefined> {
  try {
    return (await client.request<DrainStatus>('GET', '/drain')).running
  } catch (error) {
    return isSkeinError(error, 'SKEIN_NOT_RUNNING') ? undefined : 0
  }
}

async function waitForEnd(context: CliContext, client: ControlClient, pid: number, timeout: number, update: (text: string) => void): Promise<void> {
  const deadline = context.clock.now() + timeout
  for (;;) {
    const running = await runningAt(client)
    if (running === undefined && !isAlive(pid)) return
    if (context.clock.now() > deadline) {
      throw new SkeinError('SKEIN_DEADLINE', `The node is still stopping (process ${pid}); wait longer with --timeout, or end the process yourself.`)
    }
    update(running === undefined || running === 0 ? 'waiting for the node to stop' : `waiting for the node to stop: ${running} calls still run`)
    await pause(context.clock, POLL_INTERVAL)
  }
}

export function addStop(program: Command, context: CliContext): void {
  withCommonOptions(program.command('stop'))
    .description('stop the node gracefully: running calls finish, other nodes are told')
    .option('--wait', 'return only when the process has ended')
    .option('--timeout <duration>', 'how long --wait waits (default: 60s)')
    .option('--within <duration>', 'how long running calls may finish (default: mcp.shutdown_timeout)')
    .action(async (flags: Flags) => {
      const timeout = flags.timeout === undefined ? DEFAULT_WAIT : parseDuration(flags.timeout, '--timeout')
      const within = flags.within === undefined ? {} : { within: parseDuration(flags.within, '--within') }
      const client = await clientOf(context, flags)
      const { pid } = await client.request<{ pid: number }>('POST', '/stop', within)
      if (flags.wait === true) await withProgress(context, 'waiting for the node to stop', ({ update }) => waitForEnd(context, client, pid, timeout, update))
      if (flags.json === true) printJson(context.io, { pid, stopped: flags.wait === true })
      else printLine(context.io, flags.wait === true ? 'The node has stopped.' : 'The node is stopping.')
    })
}
