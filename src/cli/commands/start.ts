import { resolve } from 'node:path'
import type { Command } from 'commander'
import { errorMessage, isSkeinError } from '../../base/errors.ts'
import type { NodeStatus } from '../../node/api.ts'
import { collect, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext, StartFlags, StartedNode } from '../context.ts'
import { fallbackDataDir } from '../data-dir.ts'
import { parseWhole } from '../duration.ts'
import { EXIT_FAILED } from '../exit-codes.ts'
import { fields, printError, printLine } from '../output.ts'

/**
 * One Ctrl-C often arrives twice, from the terminal and again from npm or the launcher; only a later one means
 * "stop now". ms.
 */
const SAME_SIGNAL_WITHIN = 500
const MAX_PORT = 65_535
const EXIT_INTERRUPTED = 130

/** As the command line has them: numbers are text until they are checked. */
interface Flags extends CommonFlags, Omit<StartFlags, 'dataDir' | 'fallbackDataDir' | 'httpPort' | 'metricsPort'> {
  httpPort?: string
  metricsPort?: string
}

const port = (text: string | undefined, option: string) => (text === undefined ? undefined : parseWhole(text, option, 0, MAX_PORT))

function startFlags(flags: Flags, context: CliContext): StartFlags {
  const { json: _json, httpPort, metricsPort, dataDir, ...rest } = flags
  const places = { dataDir: dataDir === undefined ? undefined : resolve(context.io.cwd, dataDir) }
  const numbers = { httpPort: port(httpPort, '--http-port'), metricsPort: port(metricsPort, '--metrics-port') }
  const given = Object.fromEntries(Object.entries({ ...rest, ...places, ...numbers }).filter(([, value]) => value !== undefined))
  return { ...given, fallbackDataDir: fallbackDataDir(context.io) }
}

/** What a person needs next, once the node is ready. */
export function banner(status: NodeStatus): string {
  const rows: [string, string][] = [
    ['node', `${status.name} (${status.peer})`],
    ['federation', status.federation.name],
    ['MCP', status.mcpUrl],
    ['metrics', status.metricsUrl ?? 'off'],
    ...status.addresses.map((address, index): [string, string] => [index === 0 ? 'addresses' : '', address]),
    ['data', status.dataDir],
    ...(status.joinCommand === undefined ? [] : [['join with', status.joinCommand] as [string, string]]),
    ...status.notices.map((notice): [string, string] => ['note', notice])
  ]
  return `skein ${status.version} is ready.\n\n${fields(rows)}\n`
}

/**
 * Starts the node and runs until it has stopped. SIGTERM and SIGINT stop it gracefully, ready or not; a second one at once.
 * SIGHUP reloads.
 */
async function run(start: (signal: AbortSignal) => Promise<StartedNode>, context: CliContext, json: boolean): Promise<void> {
  const { signals } = context.io
  const starting = new AbortController()
  let node: StartedNode | undefined
  let asked: number | undefined
  const abandoned = Promise.withResolvers<'abandoned'>()
  const stop = () => {
    starting.abort()
    // Errors of stopping reach `stopped` as well; here they would be reported twice.
    node?.api.stop().catch(() => {})
  }
  const onStop = () => {
    const now = context.clock.now()
    if (asked === undefined) {
      asked = now
      stop()
    } else if (now - asked > SAME_SIGNAL_WITHIN) abandoned.resolve('abandoned')
  }
  const onReload = () => {
    if (node === undefined) return context.io.stderr.write('skein: not reloaded: the node is still starting and reads the configuration anyway\n')
    node.api.reload().catch((error: unknown) => context.io.stderr.write(`skein: reload failed: ${errorMessage(error)}\n`))
  }
  async function untilStopped(): Promise<'stopped'> {
    node = await start(starting.signal)
    const status = node.api.status()
    printLine(context.io, json ? JSON.stringify(status) : banner(status))
    // The signal may have come in the very moment it became ready.
    if (asked !== undefined) stop()
    await node.stopped
    return 'stopped'
  }
  signals?.on('SIGTERM', onStop)
  signals?.on('SIGINT', onStop)
  signals?.on('SIGHUP', onReload)
  try {
    const end = await Promise.race([untilStopped(), abandoned.promise])
    if (end === 'abandoned') context.exit(EXIT_INTERRUPTED)
  } catch (error) {
    // A node that failed while it ran is no mistake of the command line or the configuration.
    if (node !== undefined) {
      printError(context.io, error, json)
      context.exit(EXIT_FAILED)
    } else if (isSkeinError(error, 'SKEIN_CANCELLED')) context.io.stderr.write(`skein: ${errorMessage(error)}\n`)
    else throw error
  } finally {
    signals?.off('SIGTERM', onStop)
    signals?.off('SIGINT', onStop)
    signals?.off('SIGHUP', onReload)
  }
}

export function addStart(program: Command, context: CliContext): void {
  withCommonOptions(program.command('start'))
    .description('start a node and keep it running; the first start founds a federation, or joins one with a token')
    .option('--config <file>', 'YAML configuration (default: SKEIN_CONFIG)')
    .option('--node-id <name>', "the node's display name (node.id)")
    .option('--region <name>', 'region (node.region)')
    .option('--hub-tier <tier>', 'global, regional, local or leaf (node.hub_tier)')
    .option('--parent <hub>', 'name, peer id or multiaddr of the hub to belong to (federation.parent)')
    .option('--federation <name>', 'name of a new federation (security.federation)')
    .option('--http-host <address>', 'address of the HTTP port (network.http_host)')
    .option('--http-port <port>', 'port for MCP and probes, 0 takes any (network.http_port)')
    .option('--metrics-port <port>', 'port for Prometheus, 0 takes any (monitoring.metrics_port)')
    .option('--listen <multiaddr>', 'where other nodes connect to; may be repeated (network.listen)', collect)
    .option('--announce <multiaddr>', 'address to publish instead of the own interfaces; may be repeated (network.announce)', collect)
    .option('--bootstrap <multiaddr>', 'a node to connect to first; may be repeated (network.bootstrap)', collect)
    .option('--token <token>', 'join token of a federation (security.token)')
    .option('--log-level <level>', 'debug, info, warn or error (monitoring.log_level)')
    .option('--log-format <format>', 'auto, json or pretty (monitoring.log_format)')
    .action(async (flags: Flags) => {
      const given = startFlags(flags, context)
      await run((signal) => context.actions.startNode(given, { signal }), context, flags.json === true)
    })
}
