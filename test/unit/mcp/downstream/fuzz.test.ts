import { expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../../src/base/random.ts'
import { readMessage } from '../../../../src/http/mcp/json-rpc.ts'
import { settle, setup } from './setup.ts'

const LEGAL = [
  { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', clientInfo: { name: 'a', version: '1' }, capabilities: { roots: {} } } },
  { jsonrpc: '2.0', method: 'notifications/initialized' },
  { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'a__x', arguments: {}, _meta: { progressToken: 1, traceparent: '00-aa-bb-01' } } },
  { jsonrpc: '2.0', id: 'three', method: 'tools/list', params: { cursor: 'YQ' } },
  { jsonrpc: '2.0', id: 4, method: 'server/discover', params: { _meta: {} } },
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2, reason: 'r' } },
  { jsonrpc: '2.0', id: 'skein-1', result: { roots: [] } },
  { jsonrpc: '2.0', id: 'skein-1', error: { code: 1, message: 'm' } },
  { jsonrpc: '2.0', id: 5, method: 'ping' }
]
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
  let passed = 0
  for (let round = 0; round < 200; round++) {
    const { session, sent, backend, dropped, downstream } = setup({ initialize: random.float() < 0.5, ...(random.float() < 0.5 ? { view: 'files' } : {}) })
    let requests = 0
    for (let step = 0; step < 100; step++) {
      const read = readMessage(mutate(pick(LEGAL)))
      if ('problem' in read) continue
      passed++
      const { message } = read
      if ('method' in message && 'id' in message) requests++
      session.receive(message)
      const call = backend.calls.length > 0 ? pick(backend.calls) : undefined
      const luck = random.float()
      if (luck < 0.2) void call?.sink.request('roots/list', undefined)
      else if (luck < 0.4) call?.answer({ result: {} })
      await settle()
    }
    const answers = sent.filter(({ message }) => message.method === undefined).length
    expect(answers + dropped.length + session.running).toBe(requests)
    session.close('done')
    expect(downstream.sessions).toBe(0)
  }
  // Mutations that only ever break the envelope would prove nothing.
  expect(passed).toBeGreaterThan(10_000)
})
