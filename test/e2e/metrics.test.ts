import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { declaredMetrics } from '../../scripts/gen-metrics.ts'
import { parseExposition, type ParsedMetrics } from '../support/exposition.ts'
import { httpClients, type AnyClient } from '../support/mcp-clients.ts'
import { makeToken, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const scrape = async (node: SkeinProcess): Promise<ParsedMetrics> => {
  const response = await fetch(node.metricsUrl())
  expect(response.headers.get('content-type')).toContain('text/plain')
  return parseExposition(await response.text())
}

describe('/metrics of two real nodes', () => {
  let a: SkeinProcess
  let b: SkeinProcess
  beforeAll(async () => {
    a = await startSkein({ config: { node: { id: 'a' }, mcp: { graph: { expose: true } } } })
    const token = await makeToken(a)
    b = await startSkein({ token, config: { node: { id: 'b' }, network: { bootstrap: a.status().addresses }, mcp: { graph: { enabled: false } } } })
    await waitUntil('b sees the graph tools of a', async () => (await b.tools()).some((tool) => tool.server === 'graph'), { every: 250 })
    const client = await (httpClients[0] as { connect(url: string): Promise<AnyClient> }).connect(b.mcpUrl())
    await client.call('graph__list_graphs')
    await client.close()
  })
  afterAll(() => Promise.all([a, b].map((node) => node?.dispose())))

  test('every family is documented, and every documented one is there, with its type and help', async () => {
    const declared = new Map((await declaredMetrics()).map((metric) => [metric.name, metric]))
    const { types, help, samples } = await scrape(b)
    const ours = [...types.keys()].filter((name) => !/^(process|nodejs|libp2p)_/.test(name))
    expect(ours.sort()).toEqual([...declared.keys()].sort())
    for (const name of ours) {
      expect([name, types.get(name), help.get(name)]).toEqual([name, declared.get(name)?.type, declared.get(name)?.help])
    }
    for (const { name, labels } of samples) {
      const metric = declared.get(name) ?? declared.get(name.replace(/_(bucket|sum|count)$/, ''))
      if (metric !== undefined) expect(Object.keys(labels).filter((label) => label !== 'le').sort(), name).toEqual(metric.labels.toSorted())
    }
  })

  test('what was promised counts what happened', async () => {
    const metrics = await scrape(b)
    expect(metrics.value('mcp_requests_total', { method: 'tools/call', status: 'ok', transport: 'http' })).toBe(1)
    expect(metrics.value('mcp_request_duration_seconds_count', { method: 'tools/call', transport: 'http' })).toBe(1)
    expect(metrics.value('skein_rpc_sessions')).toBe(1)
    expect(metrics.value('skein_rpc_requests_total', { side: 'client', status: 'ok' })).toBeGreaterThan(0)
    expect(metrics.value('skein_rpc_request_duration_seconds_count')).toBeGreaterThan(0)
    expect(metrics.value('p2p_peer_discoveries_total', { status: 'success' })).toBeGreaterThan(0)
    for (const quantile of ['p50', 'p99', 'max']) expect(metrics.value('skein_event_loop_lag_seconds', { quantile }), quantile).toBeGreaterThanOrEqual(0)
    expect(metrics.samples.some(({ name, value }) => name === 'libp2p_data_transfer_bytes_total' && value > 0)).toBe(true)
    expect(metrics.samples.some(({ name }) => name === 'process_resident_memory_bytes')).toBe(true)
  })

  test('no label holds a peer id', async () => {
    for (const node of [a, b]) {
      const { samples } = await scrape(node)
      expect(samples.filter(({ labels }) => Object.values(labels).some((value) => value.includes('12D3KooW')))).toEqual([])
    }
  })
})
