import { describe, expect, test } from 'vitest'
import { barOf, plan, type Run } from '../../conformance/plan.ts'
import { holds, reasons, table, type Measured } from '../../conformance/report.ts'
import { required, type ScenarioResult } from '../../conformance/tool.ts'

const run = (part: Partial<Run> = {}): Run => ({ eras: 'both', transport: 'stdio', path: 'local', revision: '2026-07-28', ...part })
const result = (scenario: string, passed = true, warnings: string[] = []): ScenarioResult => ({ scenario, passed, failures: passed ? [] : ['no'], warnings })
const many = (passed: number, missed: number) => Array.from({ length: passed + missed }, (_, index) => result(`s${index}`, index < passed))

describe('the plan', () => {
  test('is every kind, transport, path and revision, and the fixture alone where it can be asked', () => {
    const all = plan()
    expect(all.filter(({ path }) => path !== 'direct')).toHaveLength(24)
    expect(all.filter(({ path }) => path === 'direct').map(({ eras, revision }) => `${eras} ${revision}`)).toEqual([
      'both 2025-11-25', 'both 2026-07-28', '2025 2025-11-25', '2026 2026-07-28'
    ])
  })
  test('keeps what matches every word', () => {
    expect(plan(['both', 'stdio', 'hop'])).toEqual([
      run({ path: 'hop', revision: '2025-11-25' }),
      run({ path: 'hop', revision: '2026-07-28' })
    ])
  })
})

describe('the sets', () => {
  test('are those of the tool, without what is about authorization', () => {
    expect(required('2025-11-25', 'server')).toHaveLength(30)
    expect(required('2026-07-28', 'server')).toHaveLength(37)
    expect(required('2025-11-25', 'client')).toEqual(['initialize', 'tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry'])
    expect(required('2026-07-28', 'client').filter((name) => name.startsWith('auth/'))).toEqual([])
  })
})

describe('the bars', () => {
  test('ask for all where the eras match, and for all but two where they do not', () => {
    expect(barOf(run(), 37)).toBe(37)
    expect(barOf(run({ eras: '2025', revision: '2025-11-25' }), 30)).toBe(30)
    expect(barOf(run({ eras: '2026' }), 37)).toBe(37)
    expect(barOf(run({ eras: '2025' }), 37)).toBe(35)
    expect(barOf(run({ eras: '2026', revision: '2025-11-25' }), 30)).toBe(28)
  })
  test('hold from the bar on', () => {
    expect(holds({ run: run(), results: many(37, 0) })).toBe(true)
    expect(holds({ run: run(), results: many(36, 1) })).toBe(false)
    expect(holds({ run: run({ eras: '2025' }), results: many(35, 2) })).toBe(true)
    expect(holds({ run: run({ eras: '2025' }), results: many(34, 3) })).toBe(false)
  })
})

describe('the table', () => {
  const measured: Measured[] = [
    { run: run({ eras: '2025', revision: '2025-11-25' }), results: [result('ping'), result('prompts-list', true, ['slow'])] },
    { run: run({ eras: '2025' }), results: [result('caching'), result('input-required-result-basic-elicitation', false), result('x', false), result('y', false)] }
  ]
  test('has a line per server and place, with what was missed', () => {
    expect(table(measured)).toEqual([
      'client     server speaks  attached by  2025-11-25      2026-07-28   missed',
      'same node  2025 only      stdio        2/2 (1 warned)  1/4 below 2  input-required-result-basic-elicitation, x, y'
    ])
  })
  test('says nothing about what was not measured', () => {
    expect(table(measured.slice(0, 1))[1]).toBe('same node  2025 only      stdio        2/2 (1 warned)  -')
  })
  test('explains a miss only where the eras differ', () => {
    expect(reasons(measured)).toHaveLength(1)
    expect(reasons([{ run: run(), results: [result('input-required-result-basic-elicitation', false)] }])).toEqual([])
  })
})
