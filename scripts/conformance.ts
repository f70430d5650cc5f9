/**
 * `npm run conformance`: what the MCP conformance tool says of real nodes, for servers of both eras and of one, as child and over HTTP,
 * at the same node and one hop away; of our side towards servers; and of the fixture alone, as a baseline. Prints what it measured;
 * the exit code is 0 only if every bar holds (test/conformance/plan.ts).
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startConformanceNodes } from '../test/conformance/nodes.ts'
import { plan, REVISIONS, WORDS, type Revision, type Run } from '../test/conformance/plan.ts'
import { details, holds, missedOf, reasons, table, type Measured } from '../test/conformance/report.ts'
import { required, runClientScenario, runServerSet, type ScenarioResult } from '../test/conformance/tool.ts'

const USAGE = `npm run conformance -- [--only <words>] [--relayed] [--verbose]

  --only     comma-separated words that a run must all match: ${WORDS.join(', ')}; or clients
  --relayed  the two nodes reach each other over a third one alone: one hop becomes two
  --verbose  the message of every failing check, and what the nodes printed
`
/** Two cores: the tool, the nodes and the fixtures keep them busy with two runs at a time. */
const PARALLEL = 2
const CLIENT = join(import.meta.dirname, '../test/conformance/client/run.ts')

const print = (line: string) => void process.stdout.write(`${line}\n`)

/** Runs `jobs` in order, a few at a time. */
async function pool<T>(jobs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < jobs.length; index = next++) results[index] = await (jobs[index] as () => Promise<T>)()
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return results
}

async function measureServers(runs: readonly Run[], folder: string, { relayed, verbose }: { relayed: boolean; verbose: boolean }, signal: AbortSignal): Promise<Measured[]> {
  if (runs.length === 0) return []
  const behind = runs.filter((run) => run.path !== 'direct')
  const kinds = [...new Set(runs.map((run) => run.eras))]
  const nodes = await startConformanceNodes({ kinds, transports: [...new Set(behind.map((run) => run.transport))], relayed, signal })
  try {
    for (const each of nodes.missing) print(`not offered in time: ${each}`)
    return await pool(
      runs.map((run) => async () => {
        const url = nodes.url(run.eras, run.transport, run.path)
        const label = `${run.path} ${run.eras} ${run.transport} ${run.revision}`
        const results = await runServerSet(url, run.revision, join(folder, label.replaceAll(' ', '-')), signal)
        if (verbose) for (const line of details(label, results)) print(line)
        return { run, results }
      })
    )
  } finally {
    if (verbose) print(nodes.output())
    await nodes.dispose()
  }
}

interface ClientResult {
  revision: Revision
  result: ScenarioResult
}

async function measureClients(folder: string, verbose: boolean, signal: AbortSignal): Promise<ClientResult[]> {
  if (!existsSync(CLIENT)) throw new Error(`${CLIENT} is not there.`)
  const command = `${process.execPath} ${CLIENT}`
  return pool(
    REVISIONS.flatMap((revision) =>
      required(revision, 'client').map((scenario) => async () => {
        const result = await runClientScenario(command, scenario, revision, join(folder, `client-${revision}`), signal)
        if (verbose) for (const line of details(`client ${revision}`, [result])) print(line)
        return { revision, result }
      })
    )
  )
}

function printClients(results: readonly ClientResult[]): void {
  print('\nour side towards servers, scenarios without auth/')
  for (const revision of REVISIONS) {
    const of = results.filter((each) => each.revision === revision).map((each) => each.result)
    const missed = missedOf(of).map((each) => each.scenario)
    const warned = of.filter((each) => each.passed && each.warnings.length > 0).length
    print(`${revision}  ${of.length - missed.length}/${of.length}${warned === 0 ? '' : ` (${warned} warned)`}${missed.length === 0 ? '' : `  missed: ${missed.join(', ')}`}`)
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, relayed: { type: 'boolean', default: false }, verbose: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } })
  if (values.help) {
    print(USAGE)
    return 0
  }
  const only = values.only?.split(',') ?? []
  const unknown = only.find((word) => word !== 'clients' && !WORDS.includes(word))
  if (unknown !== undefined) throw new Error(`--only does not know ${unknown}.\n${USAGE}`)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)))
  const folder = mkdtempSync(join(tmpdir(), 'skein-conformance-'))
  const started = performance.now()
  try {
    const servers = await measureServers(only.includes('clients') ? [] : plan(only), folder, values, stop.signal)
    const clients = only.length === 0 || only.includes('clients') ? await measureClients(folder, values.verbose, stop.signal) : []
    if (servers.length > 0) for (const line of table(servers)) print(line)
    if (clients.length > 0) printClients(clients)
    for (const [index, reason] of reasons(servers).entries()) print(`${index === 0 ? '\n' : ''}${reason}`)
    const below = servers.filter((each) => !holds(each)).length
    const lost = missedOf(clients.map((each) => each.result)).length
    const all = [...servers.flatMap((each) => each.results), ...clients.map((each) => each.result)]
    const took = ((performance.now() - started) / 1000).toFixed(0)
    const verdict = below === 0 && lost === 0 ? 'every bar holds' : `${below} runs below their bar, ${lost} client scenarios missed`
    print(`\ntotal: ${all.length - missedOf(all).length} of ${all.length} scenarios passed in ${servers.length} server runs and ${clients.length} client runs, ${took} s; ${verdict}`)
    return all.length > 0 && below === 0 && lost === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`conformance: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
