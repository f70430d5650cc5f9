import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startConformanceNodes, type ConformanceNodes } from '../conformance/nodes.ts'
import { barOf, type Run } from '../conformance/plan.ts'
import { details, missedOf } from '../conformance/report.ts'
import { runServerSet } from '../conformance/tool.ts'

/** A part of `npm run conformance`: one hop away, servers as children, each pairing of eras once. */
describe('the MCP conformance tool one hop away', () => {
  let nodes: ConformanceNodes | undefined
  const folder = mkdtempSync(join(tmpdir(), 'skein-conformance-'))

  beforeAll(async () => {
    nodes = await startConformanceNodes({ kinds: ['both', '2025', '2026'], transports: ['stdio'] })
  }, 120_000)
  afterAll(async () => {
    await nodes?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  test('every server is offered at both nodes', () => {
    expect(nodes?.missing).toEqual([])
  })

  const runs: readonly Run[] = [
    // The fixture alone: when these fail, look there first.
    { eras: 'both', revision: '2025-11-25', transport: 'http', path: 'direct' },
    { eras: 'both', revision: '2026-07-28', transport: 'http', path: 'direct' },
    { eras: 'both', revision: '2025-11-25', transport: 'stdio', path: 'hop' },
    { eras: 'both', revision: '2026-07-28', transport: 'stdio', path: 'hop' },
    { eras: '2025', revision: '2026-07-28', transport: 'stdio', path: 'hop' },
    { eras: '2026', revision: '2025-11-25', transport: 'stdio', path: 'hop' }
  ]
  for (const run of runs) {
    const server = run.eras === 'both' ? 'of both eras' : `of ${run.eras} only`
    test(`a client of ${run.revision} on a server ${server}${run.path === 'direct' ? ', without skein' : ''}`, async ({ signal }) => {
      const url = nodes?.url(run.eras, run.transport, run.path) ?? expect.fail('the nodes did not start')
      const results = await runServerSet(url, run.revision, join(folder, `${run.path}-${run.eras}-${run.revision}`), signal)
      const missed = missedOf(results)
      expect(results.length - missed.length, details('', missed).join('\n')).toBeGreaterThanOrEqual(barOf(run, results.length))
    }, 60_000)
  }
})
