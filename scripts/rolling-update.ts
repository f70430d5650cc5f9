/** `npm run rolling-update -- --help`: replaces every node of a running federation, one by one, without a failed call. */
import { parseArgs } from 'node:util'
import { parseDuration } from '../src/cli/duration.ts'
import { localTargets, readTargets, type Target } from './rolling-update/targets.ts'
import { rollingUpdate, UpdateFailed, type Row } from './rolling-update/update.ts'

const USAGE = `npm run rolling-update -- (--nodes <file> | --data-dir <dir> ...) [options]

  --nodes <file>            JSON or YAML: a list of { url, token_file | token_env, restart } or { data_dir, restart }
  --data-dir <dir>          a node on this machine; may be repeated
  --restart <command>       starts a node again, for a shell, where the list has none; {name}, {url}, {data_dir} are its own
  --within <duration>       how long running calls may finish (default: 30s)
  --ready-within <duration> for each of stopping, starting, being seen, being healthy (default: 60s)
  --from <name>             begin with this node: those before it in the list are done
  --dry-run                 only look whether all is well, and say what would be done
  --json                    print the table as JSON
`

const COLUMNS: [string, (row: Row) => string][] = [
  ['NODE', ({ name }) => name],
  ['VERSION', ({ from, to }) => (from === to ? to : `${from} -> ${to}`)],
  ['DRAINED', ({ drained }) => `${drained} ms`],
  ['STOPPED', ({ stopped }) => `${stopped} ms`],
  ['READY', ({ ready }) => `${ready} ms`],
  ['SEEN', ({ seen }) => `${seen} ms`],
  ['OUT', ({ out }) => `${out} ms`]
]

function table(rows: readonly Row[]): string {
  const lines = [COLUMNS.map(([head]) => head), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))]
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)))
  return lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] as number)).join('  ').trimEnd()).join('\n')
}

function options() {
  return parseArgs({
    options: {
      nodes: { type: 'string' },
      'data-dir': { type: 'string', multiple: true },
      restart: { type: 'string' },
      within: { type: 'string', default: '30s' },
      'ready-within': { type: 'string', default: '60s' },
      from: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  }).values
}

async function targetsOf({ nodes, 'data-dir': dirs, restart }: ReturnType<typeof options>): Promise<Target[]> {
  if ((nodes === undefined) === (dirs === undefined)) throw new Error('say which nodes: --nodes <file>, or --data-dir <dir> for each')
  return nodes === undefined ? localTargets(dirs as string[], restart) : await readTargets(nodes, restart)
}

const say = (line: string) => void process.stderr.write(`${line}\n`)
const rows: Row[] = []
let wanted: ReturnType<typeof options> | undefined
try {
  wanted = options()
  if (wanted.help) process.stdout.write(USAGE)
  else {
    const { within, 'ready-within': readyWithin, 'dry-run': dryRun, from } = wanted
    const times = { within: parseDuration(within, '--within'), readyWithin: parseDuration(readyWithin, '--ready-within') }
    await rollingUpdate(await targetsOf(wanted), { ...times, from, dryRun, say }, (row) => rows.push(row))
    if (dryRun) say('All is well; nothing was changed.')
  }
} catch (error) {
  say(`rolling-update: ${(error as Error).message}`)
  if (error instanceof UpdateFailed) process.exitCode = 1
  else {
    say('rolling-update: --help says how it is used.')
    process.exitCode = 2
  }
}
// Also after a failure: what is done is done.
if (wanted?.json === true) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
else if (rows.length > 0) process.stdout.write(`${table(rows)}\n`)
