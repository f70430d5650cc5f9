import type { Command } from 'commander'
import { sleep } from '../../base/clock.ts'
import { SkeinError, isSkeinError } from '../../base/errors.ts'
import type { ControlClient } from '../client.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseDuration } from '../duration.ts'
import { printJson, printLine } from '../output.ts'
import { withProgress } from '../progress.ts'

interface Flags extends CommonFlags {
  wait?: boolean
  timeout?: string
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

async function answers(client: ControlClient): Promise<boolean> {
  try {
    await client.request('GET', '/health')
    return true
  } catch (error) {
    return !isSkeinError(error, 'SKEIN_NOT_RUNNING')
  }
}

async function waitForEnd(context: CliContext, client: ControlClient, pid: number, timeout: number): Promise<void> {
  const deadline = context.clock.now() + timeout
  while ((await answers(client)) || isAlive(pid)) {
    if (context.clock.now() > deadline) {
      throw new SkeinError('SKEIN_DEADLINE', `The node is still stopping (process ${pid}); wait longer with --timeout, or end the process yourself.`)
    }
    // The clock's timers do not keep a process alive; this one has to.
    const keepAlive = setInterval(() => {}, POLL_INTERVAL)
    await sleep(context.clock, POLL_INTERVAL).finally(() => clearInterval(keepAlive))
  }
}

export function addStop(program: Command, context: CliContext): void {
  withCommonOptions(program.command('stop'))
    .description('stop the node gracefully: running calls finish, other nodes are told')
    .option('--wait', 'return only when the process has ended')
    .option('--timeout <duration>', 'how long --wait waits (default: 60s)')
    .action(async (flags: Flags) => {
      const timeout = flags.timeout === undefined ? DEFAULT_WAIT : parseDuration(flags.timeout, '--timeout')
      const client = await clientOf(context, flags)
      const { pid } = await client.request<{ pid: number }>('POST', '/stop', {})
      if (flags.wait === true) await withProgress(context, 'waiting for the node to stop', () => waitForEnd(context, client, pid, timeout))
      if (flags.json === true) printJson(context.io, { pid, stopped: flags.wait === true })
      else printLine(context.io, flags.wait === true ? 'The node has stopped.' : 'The node is stopping.')
    })
}
