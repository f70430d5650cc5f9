import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeMcpCall } from '../../src/wire/mcp-call.ts'
import { METHOD } from '../../src/wire/protocols.ts'
import { startHostileMember, type HostileMember } from '../support/hostile-member.ts'
import { mcpEdgeHere, type McpEdge } from '../support/mcp-edge-here.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const FEATURES = { command: process.execPath, args: [join(import.meta.dirname, '../fixtures/feature-server.ts')] }
const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`

/** Unhandled rejections and exceptions fail the run: that a test ends is not all it checks. */
describe('a member that calls as it likes', () => {
  let node: Awaited<ReturnType<typeof startNodeHere>>
  let edge: McpEdge
  let mallory: HostileMember

  beforeAll(async () => {
    node = await startNodeHere('provider', { servers: { features: { ...FEATURES, expose: true } } })
    edge = await mcpEdgeHere(node.api.mcp, node.self)
    mallory = await startHostileMember(68, (await node.api.createToken({})).token, node.self)
    await waitUntil('the tools are listed', () => node.api.tool('features__pid') !== undefined)
  }, 60_000)
  afterAll(async () => {
    await edge?.stop()
    await mallory?.stop()
    await node?.stop()
  })

  const value = (name: string) => (node.meter.snapshot().find((family) => family.name === name)?.samples ?? []).reduce((sum, sample) => sum + sample.value, 0)
  function open(method: string, params: object | string, client: { session?: string; capabilities?: Record<string, unknown> } = {}) {
    const head = { server: 'features', method, client: { clientInfo: { name: 'm', version: '1' }, capabilities: {}, ...client } }
    const call = mallory.rpc.open(node.self, METHOD.MCP_CALL, encodeMcpCall(head, typeof params === 'string' ? params : JSON.stringify(params)), { timeout: 60_000 })
    const answer = call.answer.then(({ body }) => Buffer.from(body).toString(), (error: { code: string }) => error.code)
    return { answer, cancel: (reason: string) => call.cancel(reason) }
  }
  /** A client of this node's own that can be asked, and so has a process of its own. */
  async function othersWork(capabilities: object = { sampling: {} }): Promise<void> {
    const session = await edge.session(capabilities)
    const [answer] = await session.post({ id: 1, method: 'tools/call', params: { name: 'features__pid', arguments: {} } })
    await session.end()
    expect(answer).toMatchObject({ result: { content: [{ type: 'text' }] } })
  }

  test('params and heads nested too deeply are refused', async () => {
    expect(await open('tools/call', `{"name":"pid","arguments":${deep}}`).answer).toBe('SKEIN_PROTOCOL')
    expect(await open('tools/call', `{"name":"pid","arguments":{},"inputResponses":${deep},"requestState":"x"}`).answer).toBe('SKEIN_PROTOCOL')
    const capabilities = JSON.parse('{"a":'.repeat(2_000) + '1' + '}'.repeat(2_000)) as Record<string, unknown>
    expect(await open('tools/call', { name: 'pid' }, { capabilities }).answer).toBe('SKEIN_PROTOCOL')
    await othersWork()
  })

  test('tickets that are guessed, or of another tool, answer nothing', async () => {
    const client = { capabilities: { sampling: {} } }
    const first = await open('tools/call', { name: 'sample', arguments: {} }, client).answer
    const { requestState, inputRequests } = JSON.parse(first.slice(first.indexOf('{'))) as { requestState: string; inputRequests: Record<string, unknown> }
    const inputResponses = Object.fromEntries(Object.keys(inputRequests).map((key) => [key, { role: 'assistant', model: 'm', content: { type: 'text', text: 'mine' } }]))
    const retry = (name: string, state: string, more: object = client) => open('tools/call', { name, arguments: {}, inputResponses, requestState: state }, more).answer
    for (const wrong of ['', '0'.repeat(32), requestState.slice(0, -1), `${requestState} `, requestState.toUpperCase().replace(/[A-F]/g, '0')]) {
      if (wrong !== requestState) expect(await retry('sample', wrong)).toBe('SKEIN_BAD_REQUEST')
    }
    expect(await retry('pid', requestState)).toBe('SKEIN_BAD_REQUEST')
    expect(await retry('sample', requestState, { ...client, session: `${mallory.self}/s` })).toBe('SKEIN_BAD_REQUEST')
    expect(await retry('sample', requestState)).toContain('mine')
    // Used once.
    expect(await retry('sample', requestState)).toBe('SKEIN_BAD_REQUEST')
  })

  test('its listens end with it', async () => {
    const listens = Array.from({ length: 100 }, (_, n) => open('subscriptions/listen', { notifications: { resourceSubscriptions: [`test://${n}`] } }))
    await waitUntil('they are open', () => value('skein_upstream_listeners') >= 100)
    void listens
    await mallory.stop()
    await waitUntil('they are gone', () => value('skein_upstream_listeners') === 0)
    await othersWork()
  })
})
