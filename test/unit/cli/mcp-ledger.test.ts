import { describe, expect, test } from 'vitest'
import { createLedger, type Ledger } from '../../../src/cli/mcp-ledger.ts'
import { responseText } from '../../../src/wire/json-rpc.ts'

const line = (message: object | string) => Buffer.from(typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }))
const read = (lines: Buffer[]) => lines.map((bytes) => JSON.parse(bytes.toString()))
const request = (id: number | string, method: string, params: object = {}) => ({ id, method, params })
const answer = (id: number | string, result: object = {}) => line(responseText(id, { result: result as Record<string, unknown> }))

const INITIALIZE = request(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: { roots: {} }, clientInfo: { name: 'c', version: '1' } })
const INITIALIZED = { method: 'notifications/initialized' }

/** Says it to the node; what the node gets. */
const say = (ledger: Ledger, ...messages: object[]) => messages.map((message) => ledger.fromClient(line(message))?.toString())

function opened(): Ledger {
  const ledger = createLedger()
  say(ledger, INITIALIZE)
  ledger.fromNode(answer(0, { capabilities: {} }))
  say(ledger, INITIALIZED)
  return ledger
}

describe('while a session lasts', () => {
  test('every line passes as it is', () => {
    const ledger = createLedger()
    for (const text of ['not json', '[]', '7', '{"jsonrpc":"2.0","id":1,"method":"ping"}', '{"jsonrpc": "2.0", "id":"s","result":{}}', '{"jsonrpc":"2.0","method":"x"}']) {
      expect(ledger.fromClient(line(text))?.toString()).toBe(text)
      expect(ledger.fromNode(line(text)).map(String)).toEqual([text])
    }
  })

  test.each([
    ['as nodes write it', answer('a"b\\', { deep: { id: 7 }, text: ',"id":9}' })],
    ['with the id in front', line({ id: 'a"b\\', result: {} })],
    ['an error', line(responseText('a"b\\', { error: { code: 1, message: 'm' } }))]
  ])('an answer settles its request: %s', (_name, bytes) => {
    const ledger = createLedger()
    say(ledger, request('a"b\\', 'tools/call'))
    expect(ledger.waiting).toBe(true)
    ledger.fromNode(bytes)
    expect(ledger.waiting).toBe(false)
  })

  test('a very long id is found too', () => {
    const ledger = createLedger()
    const id = 'x'.repeat(1000)
    say(ledger, request(id, 'tools/call'))
    ledger.fromNode(answer(id))
    expect(ledger.waiting).toBe(false)
  })

  test('the number 1 and the text "1" are two ids', () => {
    const ledger = createLedger()
    say(ledger, request(1, 'tools/call'))
    ledger.fromNode(answer('1'))
    expect(ledger.waiting).toBe(true)
  })

  test('news is not waited for: a client that ends while it listens has ended', () => {
    const ledger = createLedger()
    say(ledger, request('l', 'subscriptions/listen', { notifications: { toolsListChanged: true } }))
    expect(ledger.waiting).toBe(false)
    say(ledger, request(1, 'tools/list'))
    expect(ledger.waiting).toBe(true)
  })

  test('a cancelled request is not waited for', () => {
    const ledger = createLedger()
    say(ledger, request(1, 'tools/call'), { method: 'notifications/cancelled', params: { requestId: 1 } })
    expect(ledger.waiting).toBe(false)
    expect(ledger.broken()).toEqual([])
  })
})

describe('when a session ended', () => {
  test('what may have run gets an error, what may be asked again is asked again, once', () => {
    const ledger = opened()
    say(ledger, request(1, 'tools/call', { name: 'x' }), request('two', 'tools/list', { cursor: 'c' }), request(3, 'no/such'))
    expect(read(ledger.broken())).toEqual([1, 3].map((id) => expect.objectContaining({ id, error: expect.objectContaining({ data: { code: 'SKEIN_OUTCOME_UNKNOWN', retry: 'never' } }) })))
    expect(read(ledger.replay()).at(-1)).toEqual({ jsonrpc: '2.0', ...request('two', 'tools/list', { cursor: 'c' }) })
    expect(ledger.waiting).toBe(true)
    expect(read(ledger.broken())).toMatchObject([{ id: 'two', error: {} }])
    expect(ledger.waiting).toBe(false)
  })

  test('the next one gets initialize, initialized, log level and subscriptions; the answers are not the client’s', () => {
    const ledger = opened()
    say(ledger, request(1, 'logging/setLevel', { level: 'error' }), request(2, 'logging/setLevel', { level: 'debug' }))
    say(ledger, request(3, 'resources/subscribe', { uri: 'a://1' }), request(4, 'resources/subscribe', { uri: 'a://2' }), request(5, 'resources/unsubscribe', { uri: 'a://1' }))
    for (const id of [1, 2, 3, 4, 5]) ledger.fromNode(answer(id))
    expect(ledger.broken()).toEqual([])
    const lines = read(ledger.replay())
    expect(lines.map(({ method, params }) => [method, params])).toEqual([
      ['initialize', INITIALIZE.params],
      ['notifications/initialized', undefined],
      ['logging/setLevel', { level: 'debug' }],
      ['resources/subscribe', { uri: 'a://2' }]
    ])
    for (const { id } of lines.filter((sent) => sent.id !== undefined)) expect(ledger.fromNode(answer(id))).toEqual([])
    expect(ledger.fromNode(answer('mine'))).toHaveLength(1)
  })

  test('the client hears that the lists may be others, as far as the new session says so', () => {
    const ledger = opened()
    ledger.broken()
    const [initialize] = read(ledger.replay())
    const capabilities = { tools: { listChanged: true }, prompts: {}, resources: { listChanged: true } }
    expect(read(ledger.fromNode(answer(initialize.id, { capabilities })))).toEqual([
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed' },
      { jsonrpc: '2.0', method: 'notifications/resources/list_changed' }
    ])
  })

  test('an initialize without answer goes again as it is, and nothing is said to a client that is not ready', () => {
    const ledger = createLedger()
    say(ledger, INITIALIZE)
    expect(ledger.broken()).toEqual([])
    expect(read(ledger.replay())).toEqual([{ jsonrpc: '2.0', ...INITIALIZE }])
    expect(read(ledger.fromNode(answer(0, { capabilities: { tools: { listChanged: true } } })))).toMatchObject([{ id: 0 }])
  })

  test('questions of a new session have ids of their own; answers to an older one go nowhere', () => {
    const ledger = opened()
    expect(read(ledger.fromNode(line(request(1, 'roots/list'))))).toMatchObject([{ id: 1 }])
    ledger.broken()
    ledger.replay()
    expect(ledger.fromClient(line({ id: 1, result: { old: true } }))).toBeUndefined()
    const [question] = read(ledger.fromNode(line(request(1, 'roots/list'))))
    expect(question).toMatchObject({ method: 'roots/list', params: {} })
    expect(question.id).not.toBe(1)
    expect(JSON.parse(String(ledger.fromClient(line({ id: question.id, result: { fresh: true } }))))).toEqual({ jsonrpc: '2.0', id: 1, result: { fresh: true } })
    ledger.broken()
    expect(ledger.fromClient(line({ id: question.id, result: { late: true } }))).toBeUndefined()
  })

  test('a stateless client gets its subscription again, with news instead of a second acknowledgement', () => {
    const ledger = createLedger()
    const params = { notifications: { toolsListChanged: true, promptsListChanged: true }, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }
    const acknowledged = line({
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { toolsListChanged: true }, _meta: { 'io.modelcontextprotocol/subscriptionId': 'l' } }
    })
    say(ledger, request('l', 'subscriptions/listen', params))
    expect(ledger.fromNode(acknowledged)).toHaveLength(1)
    for (let round = 0; round < 3; round++) {
      expect(ledger.broken()).toEqual([])
      expect(read(ledger.replay())).toEqual([{ jsonrpc: '2.0', ...request('l', 'subscriptions/listen', params) }])
      expect(read(ledger.fromNode(acknowledged))).toEqual([
        { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 'l' } } }
      ])
    }
  })
})
