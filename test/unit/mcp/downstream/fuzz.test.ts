import { expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../../src/base/random.ts'
import { readMessage } from '../../../../src/http/mcp/json-rpc.ts'
import type { JsonRpcRequest } from '../../../../src/wire/json-rpc.ts'
import { envelope, settle, setup, setupStateless } from './setup.ts'

const LEGAL = [
  { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', clientInfo: { name: 'a', version: '1' }, capabilities: { roots: {} } } },
  { jsonrpc: '2.0', method: 'notifications/initialized' },
  { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'a__x', arguments: {}, _meta: { progressToken: 1, traceparent: '00-aa-bb-01' } } },
  { jsonrpc: '2.0', id: 'three', method: 'tools/list', params: { cursor: 'YQ' } },
  { jsonrpc: '2.0', id: 4, method: 'server/discover', params: { _meta: {} } },
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2, reason: 'r' } },
  { jsonrpc: '2.0', id: 'skein-1', result: { roots: [] } },
  { jsonrpc: '2.0', id: 'skein-1', error: { code: 1, message: 'm' } },
  { jsonrpc: '2.0', id: 5, method: 'ping' },
  { jsonrpc: '2.0', id: 6, method: 'logging/setLevel', params: { level: 'info' } },
  { jsonrpc: '2.0', id: 7, method: 'resources/subscribe', params: { uri: 'x://a' } },
  { jsonrpc: '2.0', id: 8, method: 'resources/list', params: { cursor: 'YQ' } },
  { jsonrpc: '2.0', id: 9, method: 'tools/list', params: { _meta: envelope() } },
  { jsonrpc: '2.0', id: 10, method: 'tools/call', params: { name: 'a__x', inputResponses: { k: { action: 'accept' } }, requestState: 's', _meta: envelope({ 'io.modelcontextprotocol/logLevel': 'info' }) } },
  { jsonrpc: '2.0', id: 11, method: 'server/discover', params: { _meta: envelope() } },
  { jsonrpc: '2.0', id: 12, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['x://a'] }, _meta: envelope() } },
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 12 } }
]
const OUTCOMES = [
  { result: {} },
  { raw: '{}', typed: false },
  { error: { code: 1, message: 'm' } },
  { result: { resultType: 'input_required', inputRequests: { a: { method: 'roots/list' }, b: { method: 'nothing/known', params: {} } }, requestState: 's' } },
  { result: { resultType: 'input_required', inputRequests: [], requestState: {} } }
]
const LISTS = { tools: [{ name: 'a__x', inputSchema: { type: 'object', properties: { a: { type: 'string', 'x-mcp-header': 'A' } } } }], capabilities: { resources: { subscribe: true }, logging: {} } }
const ODD: unknown[] = [null, undefined, true, 0, -1, 1.5, 1e300, '', 'x', '__proto__', 'constructor', [], {}, { toString: 1 }, 'tools/call', 'notifications/cancelled']

test('20 000 mutated messages in any order: never a throw, every request that passes the envelope is answered or runs', async () => {
  const random = seededRandom(20_261_121)
  const pick = <T>(items: readonly T[]): T => items[randomInt(random, items.length)] as T
  function mutate(value: unknown): unknown {
    if (random.float() < 0.08) return pick(ODD)
    if (Array.isArray(value)) return value.map(mutate)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).filter(() => random.float() > 0.03).map(([key, item]) => [key, mutate(item)]))
  }
  // Members that are not there cannot arrive.
  const received = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))
  let passed = 0
  for (let round = 0; round < 200; round++) {
    const { session, sent, backend, dropped, downstream, clock } = setup({
      initialize: random.float() < 0.5,
      capabilities: { roots: {} },
      ...(random.float() < 0.5 ? { lists: LISTS } : {}),
      ...(random.float() < 0.5 ? { view: 'files' } : {})
    })
    let requests = 0
    for (let step = 0; step < 100; step++) {
      const read = readMessage(received(mutate(pick(LEGAL))))
      if ('problem' in read) continue
      passed++
      const { message } = read
      if ('method' in message && 'id' in message) requests++
      session.receive(message)
      const call = backend.calls.length > 0 ? pick(backend.calls) : undefined
      const luck = random.float()
      if (luck < 0.2) call?.sink.notification({ jsonrpc: '2.0', method: 'notifications/progress' })
      else if (luck < 0.6) call?.answer(pick(OUTCOMES))
      if (luck > 0.95) clock.advance(300)
      await settle()
    }
    session.close('done')
    const answers = sent.filter(({ message }) => message.method === undefined).length
    expect(answers + dropped.length).toBe(requests)
    expect(session.running).toBe(0)
    expect(backend.listenings.every((listening) => listening.closed)).toBe(true)
    expect(downstream.sessions).toBe(0)
  }
  // Mutations that only ever break the envelope would prove nothing.
  expect(passed).toBeGreaterThan(10_000)
})

test('10 000 requests without session, with mutated parts and headers: one answer each, or a call that can be cancelled', () => {
  const random = seededRandom(20_261_122)
  const pick = <T>(items: readonly T[]): T => items[randomInt(random, items.length)] as T
  const values = ['2026-07-28', 'tools/call', 'a__x', '=?base64?YV9feA==?=', '=?base64?!?=', ' a__x ', '', ['a', 'b'], undefined]
  const { downstream, recordingLink, backend } = setupStateless({ lists: LISTS })
  let ran = 0
  for (let round = 0; round < 10_000; round++) {
    const { link, sent, dropped } = recordingLink()
    const template = pick(LEGAL.filter((message) => message.id !== undefined && message.method !== undefined)) as JsonRpcRequest
    const params = { ...template.params, arguments: { a: pick(ODD) }, name: pick(['a__x', 'nobody', ...ODD]), _meta: random.float() < 0.2 ? pick(ODD) : envelope(random.float() < 0.1 ? { [pick(Object.keys(envelope()))]: pick(ODD) } : {}) }
    const headers = {
      'mcp-protocol-version': random.float() < 0.9 ? '2026-07-28' : pick(values),
      'mcp-method': random.float() < 0.9 ? template.method : pick(values),
      'mcp-name': random.float() < 0.8 && typeof params.name === 'string' ? params.name : pick(values),
      'mcp-param-a': random.float() < 0.5 ? JSON.stringify(params.arguments.a) : pick(values)
    }
    const before = backend.calls.length
    const running = downstream.stateless({ jsonrpc: '2.0', id: round, method: template.method, params: params as Record<string, unknown> }, { view: undefined, link, headers })
    ran += backend.calls.length - before
    running.cancel('done')
    expect(sent.filter(({ message }) => message.method === undefined).length + dropped.length).toBe(1)
  }
  expect(ran).toBeGreaterThan(100)
})
