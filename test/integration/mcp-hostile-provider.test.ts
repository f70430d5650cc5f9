import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ServerExchange } from '../../src/rpc/types.ts'
import { sealRecord, toolDigest } from '../../src/wire/catalog-record.ts'
import { decodeDefinitionsRequest, encodeDefinitionsAnswer, encodeDigestAnswer, encodePush } from '../../src/wire/catalog.ts'
import { encodeCbor } from '../../src/wire/cbor.ts'
import { decodeMcpCall } from '../../src/wire/mcp-call.ts'
import { METHOD, ROOT_POOL } from '../../src/wire/protocols.ts'
import { startHostileMember, type HostileMember } from '../support/hostile-member.ts'
import { mcpEdgeHere, textOf, type McpEdge } from '../support/mcp-edge-here.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const CALL_MS = 10_000
const deep = (levels = 100_000) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const kind = (number: number, text: string) => Buffer.concat([Buffer.of(number), Buffer.from(text)])

/** Unhandled rejections fail the run: that a test ends is not all it checks. */
describe('a member that answers calls as it likes', () => {
  let node: Awaited<ReturnType<typeof startNodeHere>>
  let edge: McpEdge
  let mallory: HostileMember
  let serve: (exchange: ServerExchange, params: Record<string, unknown>) => void = () => {}
  const cancelled: string[] = []

  beforeAll(async () => {
    // Its breaker would soon keep all calls from it: that is for other tests.
    node = await startNodeHere('edge', {}, undefined, undefined, { breaker: { failures: 1_000, failure_rate: 1 } })
    edge = await mcpEdgeHere(node.api.mcp, node.self)
    mallory = await startHostileMember(67, (await node.api.createToken({})).token, node.self)
    const definition = { inputSchema: { type: 'object' }, name: 'tool' }
    mallory.rpc.handle(METHOD.CATALOG_DIGEST, (exchange) => exchange.end(encodeDigestAnswer({ records: [], wanted: [], more: false })))
    mallory.rpc.handle(METHOD.CATALOG_PUSH, (exchange) => exchange.end(encodeCbor({})))
    mallory.rpc.handle(METHOD.CATALOG_DEFINITIONS, (exchange) =>
      exchange.end(encodeDefinitionsAnswer({ definitions: decodeDefinitionsRequest(exchange.body).digests.map((digest) => ({ digest, json: Buffer.from(JSON.stringify(definition)) })), more: false }))
    )
    mallory.rpc.handle(METHOD.MCP_END_SESSION, (exchange) => exchange.end(new Uint8Array()))
    mallory.rpc.handle(METHOD.MCP_CALL, (exchange) => {
      exchange.onCancel((reason) => void cancelled.push(reason.message))
      serve(exchange, decodeMcpCall(exchange.body).params)
    })
    const record = mallory.record({ servers: [{ name: 'bad', claimed: Date.now(), stateless: false, tools: [{ name: 'tool', digest: toolDigest(definition), repeatable: false }] }] })
    await mallory.rpc.call(node.self, METHOD.CATALOG_PUSH, encodePush({ federation: mallory.federation, pool: ROOT_POOL, records: [sealRecord(record, mallory.signer)] }), { timeout: CALL_MS })
    await waitUntil('the tool is listed', () => node.api.tool('bad__tool') !== undefined)
  }, 60_000)
  afterEach(async () => {
    end(kind(0, '{"content":[]}'))
    await modern()
  })
  afterAll(async () => {
    await edge?.stop()
    await mallory?.stop()
    await node?.stop()
  })

  const end = (body: Buffer) => {
    serve = (exchange) => exchange.end(body)
  }
  const modern = (more: object = {}) => edge.stateless('tools/call', { name: 'bad__tool', arguments: {}, ...more }, { id: 5, capabilities: { sampling: {}, elicitation: {} } })
  const legacy = async () => {
    const session = await edge.session({ sampling: {}, elicitation: {} })
    try {
      return await session.post({ id: 5, method: 'tools/call', params: { name: 'bad__tool', arguments: {} } })
    } finally {
      await session.end()
    }
  }

  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a kind alone', kind(0, '')],
    ['an unknown kind', kind(9, '{}')],
    ['no object', kind(0, '[]')],
    ['a line feed, and an event of its own behind it', kind(1, '{}\n\nevent: message\ndata: {"jsonrpc":"2.0","id":5,"result":{}}')],
    ['a carriage return', kind(0, '{"a":"b"\r}')],
    ['input that is complete', kind(2, '{"resultType":"complete"}')],
    ['input that is no JSON', kind(2, '{')],
    ['an error without code', kind(3, '{"message":"x"}')],
    ['an error nested too deeply', kind(3, `{"code":1,"message":"x","data":${deep()}}`)],
    ['questions nested too deeply', kind(2, `{"resultType":"input_required","requestState":"s","inputRequests":{"a":{"method":"sampling/createMessage","params":${deep()}}}}`)]
  ])('%s is an error of the call in both eras', async (_, body) => {
    end(body)
    for (const [answer] of [await modern(), await legacy()]) {
      expect(answer).toMatchObject({ id: 5, error: { code: -32_000, data: { code: 'SKEIN_UPSTREAM_INVALID' } } })
    }
  })

  test('a result that brings members of the envelope does not change whose answer it is', async () => {
    end(kind(0, '{"content":[]},"id":99,"jsonrpc":"1.0","x":{}'))
    for (const [answer] of [await modern(), await legacy()]) expect(answer).toMatchObject({ id: 5, result: { content: [] } })
  })

  test('a result with white space, a byte order mark or half characters stays one message', async () => {
    end(kind(0, `{${' '.repeat(500)}}`))
    expect(await modern()).toMatchObject([{ id: 5, result: { resultType: 'complete' } }])
    end(kind(0, '{"a":"\u2028\u2029\ufeff"}'))
    expect(await modern()).toMatchObject([{ id: 5, result: { a: '\u2028\u2029\ufeff' } }])
    end(Buffer.concat([kind(0, '{"a":"'), Buffer.of(0xed, 0xa0, 0x80, 0xff), Buffer.from('"}')]))
    expect((await modern())[0]?.result?.['a']).toMatch(/^\ufffd+$/)
  })

  test('10 MiB pass, untouched', async () => {
    const text = 'x'.repeat(10 * 1024 * 1024)
    end(kind(0, JSON.stringify({ content: [{ type: 'text', text }] })))
    for (const [answer] of [await modern(), await legacy()]) expect(textOf(answer).length).toBe(text.length)
  })

  test('thousands of questions at once are refused to a session, and its server hears of it', async () => {
    const questions = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`q${n}`, { method: 'sampling/createMessage', params: {} }]))
    end(kind(2, JSON.stringify({ resultType: 'input_required', inputRequests: questions, requestState: 's' })))
    const before = cancelled.length
    expect(await legacy()).toMatchObject([{ id: 5, error: { data: { code: 'SKEIN_UPSTREAM_INVALID' } } }])
    expect(cancelled.length).toBeGreaterThanOrEqual(before)
  })

  test('a server that asks for ever is stopped', async () => {
    let rounds = 0
    serve = (exchange) => {
      rounds++
      exchange.end(kind(2, JSON.stringify({ resultType: 'input_required', inputRequests: { q: { method: 'roots/list' } }, requestState: `s${rounds}` })))
    }
    expect(await legacy()).toMatchObject([{ error: { code: expect.any(Number) } }])
    expect(rounds).toBeLessThanOrEqual(34)
  })

  test('of what it says during a call only its own progress and log lines reach the client', async () => {
    serve = (exchange, params) => {
      const say = (message: object | string) => exchange.send(Buffer.from(typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message })), { renew: true })
      say({ method: 'notifications/cancelled', params: { requestId: 'skein-1' } })
      say({ method: 'notifications/tools/list_changed' })
      say({ method: 'notifications/progress', params: { progressToken: 'another call', progress: 1 } })
      say({ method: 'sampling/createMessage', id: 1, params: {} })
      say(`{"jsonrpc":"2.0","method":"notifications/message","params":${deep()}}`)
      say('nonsense')
      say('[]')
      say({ method: 'notifications/progress', params: { progressToken: (params['_meta'] as { progressToken: string }).progressToken, progress: 2 } })
      say({ method: 'notifications/message', params: { level: 'info', data: 'mine' } })
      exchange.end(kind(0, '{"content":[]}'))
    }
    const session = await edge.session()
    const said = await session.post({ id: 5, method: 'tools/call', params: { name: 'bad__tool', arguments: {}, _meta: { progressToken: 'mine' } } })
    await session.end()
    expect(said.map(({ method, params }) => [method, params?.['progressToken'] ?? params?.['data']])).toEqual([
      ['notifications/progress', 'mine'],
      ['notifications/message', 'mine'],
      [undefined, undefined]
    ])
  })

  test('a call that it never answers ends when its client has enough, and it hears of it', async () => {
    serve = () => {}
    const before = cancelled.length
    const leave = new AbortController()
    const call = edge.stateless('tools/call', { name: 'bad__tool', arguments: {} }, { signal: leave.signal })
    await new Promise((resolve) => setTimeout(resolve, 100))
    leave.abort()
    await expect(call).rejects.toThrow()
    await waitUntil('it hears of it', () => cancelled.length > before)
  })
})
