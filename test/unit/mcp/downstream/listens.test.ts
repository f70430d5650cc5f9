import { describe, expect, test } from 'vitest'
import { MAX_LISTENS } from '../../../../src/mcp/downstream/rev2026/listens.ts'
import type { Json } from '../../../../src/wire/json-rpc.ts'
import { envelope, settle, setup, setupStateless } from './setup.ts'

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'
const lists = { tools: [{ name: 'x' }], capabilities: { resources: { subscribe: true }, prompts: {} } }
const listen = (notifications: unknown) => ({ notifications }) as Json

describe('subscriptions/listen', () => {
  test('begins with a receipt of what is granted, marked like everything that follows', () => {
    const { send, backend, clock } = setupStateless({ lists })
    const { sent, id } = send('subscriptions/listen', listen({ toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: ['x://a', 'x://a'] }))
    const _meta = { [SUBSCRIPTION]: id }
    expect(sent).toEqual([
      {
        message: { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['x://a'] }, _meta } },
        related: id
      }
    ])
    expect(backend.listenings[0]?.resources).toEqual([['x://a']])
    sent.length = 0
    backend.setView(undefined, { ...lists, tools: [], prompts: [{ name: 'p' }] })
    backend.listenings[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'x://a', _meta: { [SUBSCRIPTION]: 'theirs', more: 1 } } })
    backend.listenings[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: '' } })
    clock.advance(1_000)
    expect(sent.map(({ message }) => message)).toEqual([
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'x://a', _meta: { ..._meta, more: 1 } } },
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta } }
    ])
  })

  test('grants only what the view has; when that is nothing it ends at once', () => {
    const { send, backend } = setupStateless()
    const some = send('subscriptions/listen', listen({ toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['x://a'] }))
    expect(some.sent[0]?.message.params?.['notifications']).toEqual({ toolsListChanged: true })
    const none = send('subscriptions/listen', listen({ promptsListChanged: true, resourceSubscriptions: ['x://a'] }))
    expect(none.sent.map(({ message }) => message.params?.['notifications'] ?? message.result)).toMatchObject([{}, { resultType: 'complete' }])
    expect(backend.listenings).toEqual([])
  })

  test.each([
    [undefined],
    [[]],
    [{ toolsListChanged: 'yes' }],
    [{ resourceSubscriptions: 'x://a' }],
    [{ resourceSubscriptions: [7] }],
    [{ resourceSubscriptions: ['x'.repeat(2049)] }],
    [{ resourceSubscriptions: Array.from({ length: 101 }, (_, index) => `x://${index}`) }]
  ])('with %j is refused', (notifications) => {
    const { send } = setupStateless({ lists })
    const { sent } = send('subscriptions/listen', listen(notifications))
    expect(sent.map(({ message }) => message.error?.code)).toEqual([-32602])
  })

  test('ends when its connection closes', () => {
    const { send, backend, clock } = setupStateless({ lists })
    const { sent, running, dropped, id } = send('subscriptions/listen', listen({ toolsListChanged: true, resourceSubscriptions: ['x://a'] }))
    sent.length = 0
    running.cancel('closed')
    running.cancel('closed')
    backend.setView(undefined, {})
    clock.advance(1_000)
    expect([sent, dropped, backend.listenings[0]?.closed]).toEqual([[], [id], true])
  })

  test('ends with its result when the node stops, which waits for no listener; a new one is refused', async () => {
    const { send, downstream, backend } = setupStateless({ lists })
    const { sent, id } = send('subscriptions/listen', listen({ toolsListChanged: true, resourceSubscriptions: ['x://a'] }))
    await downstream.drain()
    expect(sent.at(-1)?.message).toEqual({
      jsonrpc: '2.0',
      id,
      result: { resultType: 'complete', _meta: { [SUBSCRIPTION]: id, 'io.modelcontextprotocol/serverInfo': { name: 'skein', version: '1.2.3' } } }
    })
    expect(backend.listenings[0]?.closed).toBe(true)
    expect(send('subscriptions/listen', listen({ toolsListChanged: true })).sent[0]?.message.error).toMatchObject({ data: { code: 'SKEIN_GOAWAY' } })
  })

  test('needs a client that takes event streams', () => {
    const { send, state, backend } = setupStateless({ lists })
    state.reachable = false
    const { sent } = send('subscriptions/listen', listen({ resourceSubscriptions: ['x://a'] }))
    expect(sent).toMatchObject([{ refused: true, message: { error: { code: -32600 } } }])
    expect(backend.listenings).toEqual([])
  })

  test('that the backend refuses is an error', () => {
    const { send, backend } = setupStateless({ lists })
    backend.listen = () => {
      throw new Error('no')
    }
    const { sent } = send('subscriptions/listen', listen({ resourceSubscriptions: ['x://a'] }))
    expect(sent.at(-1)?.message.error?.code).toBe(-32603)
  })

  test(`is refused beyond ${MAX_LISTENS}, and takes no room from calls`, () => {
    const { send, meter, backend } = setupStateless({ lists })
    const all = Array.from({ length: MAX_LISTENS }, () => send('subscriptions/listen', listen({ toolsListChanged: true })))
    expect(send('subscriptions/listen', listen({ toolsListChanged: true })).sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_BUSY' } })
    send('tools/call', { name: 'x' })
    expect(backend.calls).toHaveLength(1)
    const metric = (name: string) => meter.snapshot().find((family) => family.name === name)?.samples[0]?.value
    expect([metric('skein_mcp_listening'), metric('skein_mcp_calls_running')]).toEqual([MAX_LISTENS, 1])
    all[0]!.running.cancel('closed')
    expect(send('subscriptions/listen', listen({ toolsListChanged: true })).sent[0]?.message.method).toBe('notifications/subscriptions/acknowledged')
  })
})

describe('over stdio', () => {
  test('goes on when the node stops: who is at the other end listens again by itself, once the connection is over', async () => {
    const { request, sent, session, downstream, backend } = setup({ transport: 'stdio', initialize: false, lists })
    request('a', 'subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: ['x://a'] }, _meta: envelope() })
    sent.length = 0
    await downstream.drain()
    expect([sent, backend.listenings[0]?.closed]).toEqual([[], false])
    session.close('the node is stopping')
    expect([sent, backend.listenings[0]?.closed]).toEqual([[], true])
  })

  test('several at once, each with its own mark; cancelled by id; none counts as running', async () => {
    const { request, notify, sent, session, backend, clock, dropped } = setup({ transport: 'stdio', initialize: false, lists })
    const params = (notifications: Json) => ({ notifications, _meta: envelope() })
    request('a', 'subscriptions/listen', params({ toolsListChanged: true }))
    request('b', 'subscriptions/listen', params({ toolsListChanged: true, promptsListChanged: true }))
    request('b', 'subscriptions/listen', params({ toolsListChanged: true }))
    expect(session.running).toBe(0)
    expect(sent.map(({ message, related }) => message.error?.code ?? related)).toEqual(['a', 'b', -32600])
    notify('notifications/cancelled', { requestId: 'a' })
    sent.length = 0
    backend.setView(undefined, { ...lists, tools: [] })
    clock.advance(1_000)
    await settle()
    expect(sent.map(({ message }) => [message.method, message.params])).toEqual([['notifications/tools/list_changed', { _meta: { [SUBSCRIPTION]: 'b' } }]])
    session.close('bye')
    expect(dropped).toEqual(['a', 'b'])
  })

  test('at most 64', () => {
    const { request, sent } = setup({ transport: 'stdio', initialize: false, lists })
    for (let id = 0; id <= 64; id++) request(id, 'subscriptions/listen', { notifications: { toolsListChanged: true }, _meta: envelope() })
    expect(sent.filter(({ message }) => message.error !== undefined)).toMatchObject([{ related: 64 }])
  })
})
