import { describe, expect, test } from 'vitest'
import { waitUntil } from '../../support/wait-until.ts'
import { serveHttp, type Eras } from '../../fixtures/conformance/http.ts'
import { cleanup, connect, envelope, type Client } from './setup.ts'
import { serveFirstSdk } from './sdk-v1-server.ts'

async function fixture(eras: Eras): Promise<string> {
  const { url, server } = await serveHttp(eras, 0)
  cleanup(() => {
    server.closeAllConnections()
    server.close()
  })
  return url
}
const v1 = async () => (await serveFirstSdk()).url
const v2 = () => fixture('2025')

const call = (name: string, args: object = {}, _meta?: object) => ({ name, arguments: args, ...(_meta === undefined ? {} : { _meta }) })
const methods = (client: Client) => client.received.flatMap(({ message }) => ('method' in message ? [message.method] : []))
const stray = (client: Client) => client.received.filter(({ message }) => 'method' in message && message.method.endsWith('list_changed'))

describe.each([
  ['SDK 1.x, sessions', v1],
  ['SDK 2.x, sessions', v2]
])('%s', (_name, start) => {
  test('a call brings its progress on its own stream, then the result, whose text is cut out', async () => {
    const client = await connect({ url: await start() })
    await client.initialize()
    const answer = await client.ask(7, 'tools/call', call('test_tool_with_progress', {}, { progressToken: 7 }))
    const progress = client.received.filter(({ message }) => 'method' in message)
    expect(progress.length).toBeGreaterThanOrEqual(3)
    expect(progress.every(({ origin }) => origin.related === 7)).toBe(true)
    expect(answer.origin.related).toBe(7)
    expect(JSON.parse(answer.origin.resultText as string)).toEqual(answer.result)
  })

  test('the stream for what the server says by itself is open after initialized: list_changed arrives, of no request', async () => {
    const client = await connect({ url: await start() })
    await client.initialize()
    // The stream opens beside everything else; a change before that is not told to us by any server.
    await waitUntil('list_changed arrives', async () => {
      if (stray(client).length === 0) await client.ask(`c${client.received.length}`, 'tools/call', call('test_trigger_tool_change'))
      return stray(client).some(({ origin }) => origin.related === undefined)
    })
    expect(client.noise).toEqual([])
  })

  test('a question of the server names the call it came in, and our answer reaches the call', async () => {
    const client = await connect({ url: await start() })
    await client.initialize()
    const running = client.ask(9, 'tools/call', call('test_elicitation', { message: 'who?' }))
    await waitUntil('the question is there', () => methods(client).includes('elicitation/create'))
    const { message, origin } = client.received.at(-1) as (typeof client.received)[number]
    expect(origin.related).toBe(9)
    await client.transport.send({ jsonrpc: '2.0', id: (message as { id: number }).id, result: { action: 'accept', content: { username: 'u', email: 'e@x.test' } } })
    expect(JSON.stringify((await running).result)).toContain('e@x.test')
  })

  test('a stream that the server closes before the answer is taken up again where it ended', async () => {
    const client = await connect({ url: await start() })
    await client.initialize()
    const answer = await client.ask(11, 'tools/call', call('test_reconnection'))
    expect(answer.result).toBeDefined()
    expect(answer.origin.related).toBe(11)
  })
})

describe('revision 2026-07-28 on SDK 2.x', () => {
  test('discover, and an old server refuses it with an error that is an answer', async () => {
    const modern = await connect({ url: await fixture('both') })
    expect((await modern.askModern(1, 'server/discover')).result).toMatchObject({ supportedVersions: ['2026-07-28'] })
    for (const url of [await v1(), await v2()]) {
      const old = await connect({ url })
      expect((await old.askModern(1, 'server/discover')).error).toMatchObject({ code: expect.any(Number) })
      await old.initialize()
      expect((await old.ask(2, 'tools/list')).result).toBeDefined()
    }
  })

  test('a server of this revision only answers initialize with the version error', async () => {
    const client = await connect({ url: await fixture('2026') })
    const answer = await client.ask(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } })
    expect(answer.error).toMatchObject({ code: -32022 })
  })

  test('calls with JSON and with a stream, several at once, each with its own progress', async () => {
    const client = await connect({ url: await fixture('2026') })
    const plain = await client.askModern(1, 'tools/call', call('test_simple_text'))
    expect(plain).toMatchObject({ result: { resultType: 'complete' }, origin: { related: 1 } })
    await Promise.all([2, 3, 4].map((id) => client.askModern(id, 'tools/call', call('test_tool_with_progress', {}, { progressToken: id }))))
    for (const id of [2, 3, 4]) {
      const own = client.received.filter(({ message, origin }) => 'method' in message && origin.related === id)
      expect(own.length).toBeGreaterThanOrEqual(3)
      expect(own.every(({ message }) => ((message as { params?: { progressToken?: unknown } }).params?.progressToken ?? id) === id)).toBe(true)
    }
  })

  test('what the server refuses with 400 or 404 is delivered as its error', async () => {
    const client = await connect({ url: await fixture('2026') })
    expect((await client.askModern(1, 'no/such')).error).toMatchObject({ code: -32601 })
    const mismatch = await client.ask(2, 'tools/call', { ...call('test_simple_text'), _meta: envelope }, { 'Mcp-Method': 'tools/call', 'Mcp-Name': 'another' })
    expect(mismatch.error).toMatchObject({ code: -32020 })
    expect(client.closes).toEqual([])
  })

  test('listen stays open, tells of changes, and ends when it is cancelled', async () => {
    const client = await connect({ url: await fixture('2026') })
    let over = false
    const listening = client.transport
      .send({ jsonrpc: '2.0', id: 5, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: envelope } }, { headers: { 'Mcp-Method': 'subscriptions/listen' } })
      .then(() => (over = true))
    await waitUntil('it is acknowledged', () => methods(client).includes('notifications/subscriptions/acknowledged'))
    await client.askModern(6, 'tools/call', call('test_trigger_tool_change'))
    await waitUntil('the change is told', () => stray(client).length > 0)
    expect(stray(client)[0]?.origin.related).toBe(5)
    expect(over).toBe(false)
    await client.transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } })
    await listening
    const before = client.received.length
    await client.askModern(7, 'tools/call', call('test_trigger_tool_change'))
    expect(client.received.slice(before).filter(({ origin }) => origin.related === 5)).toEqual([])
    expect(client.closes).toEqual([])
  })
})
