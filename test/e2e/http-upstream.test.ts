import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { leanClient } from '../support/lean-mcp.ts'
import { startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** The upstream is the HTTP edge of another federation's node: a real sessionful server that listens on loopback only. */
describe('a real server over streamable HTTP', () => {
  let port: number
  let upstream: SkeinProcess
  let node: SkeinProcess
  const dataDir = tempDataDir()
  const startUpstream = () => startSkein({ dataDir, config: { network: { http_port: port }, mcp: { graph: { enabled: true } } } })

  beforeAll(async () => {
    port = await freePort()
    upstream = await startUpstream()
    node = await startSkein({ config: { mcp: { graph: { enabled: false }, servers: { remote: { url: `http://127.0.0.1:${port}/mcp/graph` } } } } })
    await waitUntil('its tools are listed', async () => (await node.tools()).some((tool) => tool.name === 'remote__create_graph'), { timeout: 20_000, every: 200 })
  })
  afterAll(async () => {
    await node?.dispose()
    await upstream?.dispose()
  })

  test('is attached by its URL and called', async () => {
    const client = await leanClient(node.mcpUrl())
    const { result } = await client.call('remote__create_graph', { id: 'over-http' })
    expect(result?.isError, JSON.stringify(result)).not.toBe(true)
    expect(JSON.stringify((await client.call('remote__list_graphs', {})).result)).toContain('over-http')
    client.close()
  })

  test('when it dies calls fail with a reason; when it is back the same client session goes on', async () => {
    const client = await leanClient(node.mcpUrl())
    await upstream.kill('SIGKILL')
    const down = await client.call('remote__list_graphs', {})
    expect(down.result).toBeUndefined()
    expect(down.error?.data?.code).toMatch(/^SKEIN_(UPSTREAM_DOWN|OUTCOME_UNKNOWN|NOT_FOUND|NO_PROVIDER)$/)
    upstream = await startUpstream()
    await waitUntil('it answers again', async () => (await client.call('remote__list_graphs', {})).result !== undefined, { timeout: 30_000, every: 250 })
    client.close()
  })
})
