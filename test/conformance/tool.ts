import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import type { Revision } from './plan.ts'

const TOOL = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'))
/** A scenario takes well under a second; the slowest waits 1.5 s for a change that should not come. */
const SCENARIO_MS = 20_000
/** A whole set takes seconds; one where every scenario hangs must end too. */
const SET_MS = 600_000
/** Of what a broken client printed. */
const LAST_LINES = 12
/** Enough for any message; more is a loop. */
const MAX_OUTPUT = 4_000_000

export interface ScenarioResult {
  scenario: string
  passed: boolean
  /** Messages of failed checks. */
  failures: string[]
  warnings: string[]
}

interface Check {
  name: string
  status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED'
  description?: string
  errorMessage?: string
}

/** The scenarios that a revision requires, frozen in the tool; those about authorization are not ours. */
export function required(revision: Revision, leg: 'server' | 'client'): string[] {
  const file = join(dirname(TOOL), '../requirements', `${revision}.yaml`)
  const names = (parse(readFileSync(file, 'utf8')) as Record<string, string[]>)[leg] ?? []
  return names.filter((name) => !name.startsWith('auth/'))
}

function run(args: readonly string[], signal: AbortSignal): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(SET_MS)])
    const child = spawn(process.execPath, [TOOL, ...args], { stdio: ['ignore', 'pipe', 'pipe'], signal: deadline })
    let output = ''
    const collect = (part: Buffer) => {
      if (output.length < MAX_OUTPUT) output += part.toString()
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', (error) => {
      if (signal.aborted) reject(signal.reason)
      // Over its time: what it wrote so far counts.
      else if (error.name !== 'AbortError') reject(error)
    })
    child.once('close', (code) => resolve({ code, output }))
  })
}

/** What the tool wrote about a scenario; undefined when it could not run it. */
function readChecks(folder: string, prefix: string): Check[] | undefined {
  if (!existsSync(folder)) return undefined
  // The tool adds the time to the name: `<prefix>-2026-11-21T…`.
  const found = readdirSync(folder).find((name) => name.startsWith(prefix) && /^-\d{4}-\d{2}-\d{2}T/.test(name.slice(prefix.length)))
  const file = found === undefined ? undefined : join(folder, found, 'checks.json')
  return file !== undefined && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Check[]) : undefined
}

function judge(scenario: string, checks: Check[] | undefined): ScenarioResult {
  if (checks === undefined) return { scenario, passed: false, failures: ['The tool could not run this scenario.'], warnings: [] }
  const messages = (status: Check['status']) => checks.filter((check) => check.status === status).map((check) => `${check.name}: ${check.errorMessage ?? check.description ?? ''}`)
  const failures = messages('FAILURE')
  return { scenario, passed: failures.length === 0, failures, warnings: messages('WARNING') }
}

/** Runs what `revision` requires of a server at `url`; `folder` is empty or not there yet. */
export async function runServerSet(url: string, revision: Revision, folder: string, signal: AbortSignal): Promise<ScenarioResult[]> {
  await run(['server', '--url', url, '--requirements', revision, '--timeout', String(SCENARIO_MS), '-o', folder], signal)
  return required(revision, 'server').map((scenario) => judge(scenario, readChecks(folder, `server-${scenario}`)))
}

/** Runs one scenario that `revision` requires of a client, with `command` as the client. */
export async function runClientScenario(command: string, scenario: string, revision: Revision, folder: string, signal: AbortSignal): Promise<ScenarioResult> {
  const args = ['client', '--command', command, '--scenario', scenario, '--spec-version', revision, '--timeout', String(SCENARIO_MS), '-o', folder]
  const { output } = await run(args, signal)
  const result = judge(scenario, readChecks(folder, scenario))
  // As for a required set: warnings are told, not counted. A client that failed or hung may have been checked for half of it.
  const broken = /CLIENT (TIMED OUT|EXITED WITH ERROR)/.exec(output)?.[0]
  return broken === undefined ? result : { ...result, passed: false, failures: [...result.failures, `${broken}: ${output.trim().split('\n').slice(-LAST_LINES).join('\n')}`] }
}
