import { createServer, request } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { createMetricsServer } from '../../../src/http/metrics-server.ts'
import { createHttpEdge } from '../../../src/http/server.ts'
import { createTelemetry } from '../../../src/telemetry/create-telemetry.ts'
import { parseExposition } from '../../support/exposition.ts'
import { createFakeNodeApi } from '../../support/fake-node-api.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const NO_API = { handle: (_req: IncomingMessage, res: ServerResponse) => void res.end() }

type McpHandler = (req: IncomingMessage, res: ServerResponse, server: string | undefined) => void

async function startEdge(handle: McpHandler = (_req, res) => res.end('mcp'), options: { port?: number; fallbackToFree?: boolean } = {}) {
  const api = createFakeNodeApi()
  const meter = createMeter()
  const edge = createHttpEdge({ api, mcpHttp: { handle }, httpApi: NO_API, logger: silentLogger, meter }, { host: '127.0.0.1', port: 0, ...options })
  ends.push(() => edge.stop())
  return { api, meter, edge, ...(await edge.start()) }
}

async function busyPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

describe('probes', () => {
  test.each([
    ['/health', 'live'],
    ['/ready', 'ready'],
    ['/startup', 'started']
  ] as const)('%s follows the node', async (path, part) => {
    const { api, url } = await startEdge()
    const good = await fetch(url + path)
    expect(good.status).toBe(200)
    expect(await good.json()).toEqual({ status: 'ok', checks: { rpc: { status: 'healthy', detail: 'one session' } } })
    api.setHealth({ [part]: false, checks: { rpc: { status: 'unhealthy', detail: 'no session' } } })
    const bad = await fetch(url + path)
    expect(bad.status).toBe(503)
    expect(await bad.json()).toEqual({ status: 'unavailable', checks: { rpc: { status: 'unhealthy', detail: 'no session' } } })
  })

  test('only the probe that asks about it changes', async () => {
    const { api, url } = await startEdge()
    api.setHealth({ ready: false })
    const statuses = await Promise.all(['/health', '/ready', '/startup'].map(async (path) => (await fetch(url + path)).status))
    expect(statuses).toEqual([200, 503, 200])
  })

  test('other methods are refused with Allow, unknown paths with 404 as JSON', async () => {
    const { url, meter } = await startEdge()
    const post = await fetch(`${url}/health`, { method: 'POST', body: 'x' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const lost = await fetch(`${url}/nowhere`)
    expect([lost.status, await lost.json()]).toMatchObject([404, { error: { code: 'SKEIN_NOT_FOUND' } }])
    const requests = meter.snapshot().find((metric) => metric.name === 'skein_http_requests_total')
    expect(requests?.samples.map(({ labels, value }) => [...labels, value])).toEqual([
      ['health', '405', 1],
      ['other', '404', 1]
    ])
  })
})

describe('MCP paths', () => {
  test('reach the handler raw, body unread, with the name of the server', async () => {
    const seen: unknown[] = []
    const { url, mcpUrl } = await startEdge((req, res, server) => {
      let body = ''
      req.on('data', (chunk) => (body += String(chunk))).on('end', () => {
        seen.push([req.method, server, body])
        res.end('done')
      })
    })
    expect(mcpUrl).toBe(`${url}/mcp`)
    await fetch(mcpUrl, { method: 'POST', body: 'not json' })
    await fetch(`${mcpUrl}/files?x=1`, { method: 'DELETE' })
    expect(seen).toEqual([
      ['POST', undefined, 'not json'],
      ['DELETE', 'files', '']
    ])
  })

  test('a handler that throws costs one answer, not the node', async () => {
    const { mcpUrl, url } = await startEdge(() => {
      throw new Error('bug')
    })
    expect((await fetch(mcpUrl, { method: 'POST' })).status).toBe(500)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })

  test('draining refuses new connections and lets a running request finish; stop ends the rest', async () => {
    let answer: ServerResponse | undefined
    const { edge, mcpUrl, port } = await startEdge((_req, res) => {
      answer = res
      res.write('first ')
    })
    const running = new Promise<string>((resolve, reject) => {
      const req = request(mcpUrl, (res) => {
        let text = ''
        res.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve(text))
        res.once('data', () => {
          edge.stopAccepting()
          const late = connect(port, '127.0.0.1')
          late.on('connect', () => reject(new Error('still accepting')))
          late.on('error', () => answer?.end('last'))
        })
      })
      req.on('error', reject)
      req.end()
    })
    expect(await running).toBe('first last')
    await edge.stop()
  })

  test('stop does not wait for an open stream', async () => {
    const { edge, mcpUrl } = await startEdge((_req, res) => void res.write(': open\n\n'))
    const stream = await fetch(mcpUrl)
    await edge.stop()
    await expect(stream.text()).rejects.toThrow()
  })

  test('oversized headers are refused', async () => {
    const { url } = await startEdge()
    expect((await fetch(`${url}/health`, { headers: { 'x-big': 'x'.repeat(20_000) } })).status).toBe(431)
  })
})

describe('busy ports', () => {
  test('are an error that names the port and the key', async () => {
    const port = await busyPort()
    await expect(startEdge(undefined, { port })).rejects.toMatchObject({
      code: 'SKEIN_PORT_IN_USE',
      message: expect.stringMatching(new RegExp(`${port}.*network\\.http_port`)),
      data: { key: 'network.http_port', port }
    })
  })

  test('or move to a free one where that was asked for', async () => {
    const port = await busyPort()
    const edge = await startEdge(undefined, { port, fallbackToFree: true })
    expect(edge.port).not.toBe(port)
    expect((await fetch(`${edge.url}/health`)).status).toBe(200)
  })

  test('an address this machine does not have names the host key', async () => {
    const edge = createHttpEdge(
      { api: createFakeNodeApi(), mcpHttp: { handle() {} }, httpApi: NO_API, logger: silentLogger, meter: createMeter() },
      { host: '192.0.2.1', port: 0, fallbackToFree: true }
    )
    await expect(edge.start()).rejects.toMatchObject({ code: 'SKEIN_CONFIG', message: expect.stringMatching(/network\.http_host/) })
    await edge.stop()
  })
})

describe('the metrics port', () => {
  test('serves what a Prometheus server can read', async () => {
    const telemetry = await createTelemetry({ destination: { write() {} } })
    const server = createMetricsServer({ metrics: telemetry, logger: silentLogger }, { host: '127.0.0.1', port: 0 })
    ends.push(() => telemetry.stop(), () => server.stop())
    const { url } = await server.start()
    telemetry.meter.counter('mcp_requests_total', 'Requests.', ['method']).with('tools/call').inc(2)
    const answer = await fetch(url)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, telemetry.contentType])
    expect(parseExposition(await answer.text()).value('mcp_requests_total', { method: 'tools/call' })).toBe(2)
    expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404)
    expect((await fetch(url, { method: 'POST' })).status).toBe(405)
  })

  test('a scrape that fails is 500, and a busy port names its key', async () => {
    const metrics = { metricsText: () => Promise.reject(new Error('bug')), contentType: 'text/plain' }
    const server = createMetricsServer({ metrics, logger: silentLogger }, { host: '127.0.0.1', port: 0 })
    ends.push(() => server.stop())
    expect((await fetch((await server.start()).url)).status).toBe(500)
    const second = createMetricsServer({ metrics, logger: silentLogger }, { host: '127.0.0.1', port: await busyPort() })
    await expect(second.start()).rejects.toMatchObject({ code: 'SKEIN_PORT_IN_USE', message: expect.stringMatching(/monitoring\.metrics_port/) })
  })
})
