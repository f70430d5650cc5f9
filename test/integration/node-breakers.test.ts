import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MemoryMeter } from '../../src/base/meter.ts'
import { shortPeerId } from '../../src/wire/peer-id.ts'
import { codeOf } from '../support/mcp-calls.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

type Node = Awaited<ReturnType<typeof startNodeHere>>

const MOODY = join(import.meta.dirname, '../fixtures/moody-server.ts')
let provider: Node
let edge: Node

beforeAll(async () => {
  provider = await startNodeHere('provider', { servers: { moody: { command: process.execPath, args: [MOODY], timeout: '500ms' } } })
  edge = await startNodeHere('edge', {}, (await provider.api.createToken({})).token)
  await waitUntil('the edge lists the tools', () => edge.api.tool('moody__ok') !== undefined)
}, 60_000)
afterAll(async () => {
  await edge?.stop()
  await provider?.stop()
})

const call = async (node: Node, tool: string) => {
  const began = performance.now()
  const code = await codeOf(node.api.call(`moody__${tool}`, {}, { signal: new AbortController().signal }))
  return { code, ms: performance.now() - began }
}

function reading(meter: MemoryMeter, name: string, ...labels: string[]): number | undefined {
  const family = meter.snapshot().find((one) => one.name === name)
  return family?.samples.find((sample) => labels.every((label) => sample.labels.includes(label)))?.value
}

/** The breaker of the server at its node, and that of the server at the edge: the real parts ask both. */
const breakers = (): [string, Node, string][] => [
  ['provider', provider, 'upstream:moody'],
  ['edge', edge, `provider:moody@${shortPeerId(provider.self)}`]
]

test('every call of a server passes the breaker of the server at its node, and that of its node at the edge', async () => {
  expect((await call(edge, 'ok')).code).toBe('resolved')
  for (const [name, node, component] of breakers()) {
    expect(reading(node.meter, 'circuit_breaker_calls_total', component), name).toBe(1)
    expect(reading(node.meter, 'circuit_breaker_calls_success', component), name).toBe(1)
    expect(reading(node.meter, 'circuit_breaker_state', component, 'closed'), name).toBe(1)
  }
})

test('a server that answers nothing is left alone by both for a while, and then used again', async () => {
  for (let index = 0; index < 5; index++) expect((await call(edge, 'hang')).code).not.toBe('resolved')
  const refused = await call(edge, 'ok')
  expect(refused.code).toBe('SKEIN_BREAKER_OPEN')
  expect(refused.ms).toBeLessThan(200)
  expect((await call(provider, 'ok')).code).toBe('SKEIN_BREAKER_OPEN')
  for (const [name, node, component] of breakers()) {
    expect(reading(node.meter, 'circuit_breaker_calls_failed', component), name).toBe(5)
    expect(reading(node.meter, 'circuit_breaker_state', component, 'closed'), name).toBe(0)
  }
  await waitUntil('the server is used again', async () => (await call(edge, 'ok')).code === 'resolved', { every: 100 })
  for (const [name, node, component] of breakers()) expect(reading(node.meter, 'circuit_breaker_state', component, 'closed'), name).toBe(1)
})
