import { barOf, type Run } from './plan.ts'
import type { ScenarioResult } from './tool.ts'

export interface Measured {
  run: Run
  results: ScenarioResult[]
}

/** Why a scenario cannot pass where the eras differ; printed only beside a miss that was measured. */
const REASONS: Record<string, Record<string, string>> = {
  '2025': {
    'input-required-result-basic-elicitation': 'it wants the question under the key `user_name`; servers of the 2025 revisions ask without keys, so the keys are ours'
  }
}

export const missedOf = (results: readonly ScenarioResult[]) => results.filter((result) => !result.passed)

export function holds({ run, results }: Measured): boolean {
  return results.length - missedOf(results).length >= barOf(run, results.length)
}

function line(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ').trimEnd()
}

function cell(measured: Measured | undefined): string {
  if (measured === undefined) return '-'
  const { results } = measured
  const warned = results.filter((result) => result.passed && result.warnings.length > 0).length
  const passed = `${results.length - missedOf(results).length}/${results.length}`
  return `${passed}${holds(measured) ? '' : ` below ${barOf(measured.run, results.length)}`}${warned === 0 ? '' : ` (${warned} warned)`}`
}

/** The table, one line per kind, transport and path. */
export function table(all: readonly Measured[]): string[] {
  const rows = new Map<string, Measured[]>()
  for (const each of all) {
    const key = `${each.run.path} ${each.run.eras} ${each.run.transport}`
    rows.set(key, [...(rows.get(key) ?? []), each])
  }
  const header = ['client', 'server speaks', 'attached by', '2025-11-25', '2026-07-28', 'missed']
  const lines = [...rows.values()].map((row) => {
    const { path, eras, transport } = (row[0] as Measured).run
    const missed = row.flatMap(({ results }) => missedOf(results).map((result) => result.scenario))
    return [
      path === 'direct' ? 'without skein' : path === 'local' ? 'same node' : 'one hop away',
      eras === 'both' ? 'both' : `${eras} only`,
      path === 'direct' ? '-' : transport,
      cell(row.find(({ run }) => run.revision === '2025-11-25')),
      cell(row.find(({ run }) => run.revision === '2026-07-28')),
      missed.join(', ')
    ]
  })
  const widths = header.map((title, index) => Math.max(title.length, ...lines.map((each) => (each[index] as string).length)))
  return [header, ...lines].map((cells) => line(cells, widths))
}

/** A sentence for each miss that has a known reason. */
export function reasons(all: readonly Measured[]): string[] {
  const found = new Map<string, string>()
  for (const { run, results } of all) {
    for (const { scenario } of missedOf(results)) {
      const reason = run.revision.startsWith(run.eras) ? undefined : REASONS[run.eras]?.[scenario]
      if (reason !== undefined) found.set(scenario, `${scenario} on a ${run.eras}-only server: ${reason}`)
    }
  }
  return [...found.values()]
}

/** Every failing check with its message, for `--verbose`. */
export function details(label: string, results: readonly ScenarioResult[]): string[] {
  return results.flatMap(({ scenario, failures, warnings }) => [
    ...failures.map((failure) => `${label} ${scenario}: FAILED ${failure}`),
    ...warnings.map((warning) => `${label} ${scenario}: warned ${warning}`)
  ])
}
