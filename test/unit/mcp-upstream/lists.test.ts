import { describe, expect, test } from 'vitest'
import type { JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { flush } from '../../support/mcp-calls.ts'
import type { MemoryServer } from '../../support/memory-upstream.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

const PROMPTS = [{ name: 'greet' }, { name: 'part' }]
const RESOURCES = [{ uri: 'test://a', name: 'a' }]
const TEMPLATES = [{ uriTemplate: 'test://{x}', name: 'x' }]
const full = (server: MemoryServer) => {
  server.capabilities = { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true } }
  server.instructions = 'be kind'
  server.lists = { prompts: PROMPTS, resources: RESOURCES, resourceTemplates: TEMPLATES }
}

describe.each(['2025', '2026'] as const)('a server of %s', (era) => {
  test('tells of itself and lists what it has beside tools', async () => {
    const { host, server } = await upstreamWorld({}, (one) => {
      full(one)
      one.era = era
    })
    expect(host.tools('one')?.about).toEqual({ capabilities: server.capabilities, serverInfo: { name: 'memory', version: '1' }, instructions: 'be kind', protocol: era, prompts: PROMPTS, resources: RESOURCES, resourceTemplates: TEMPLATES })
  })
})

test('what it does not announce is not asked for', async () => {
  const { host, server } = await upstreamWorld({}, (one) => (one.capabilities = { prompts: {} }))
  const asked = server.last.received.flatMap((message) => ('method' in message ? [message.method] : []))
  expect(asked.filter((method) => method.endsWith('/list'))).toEqual(['prompts/list'])
  expect(host.tools('one')).toMatchObject({ definitions: [], about: { capabilities: { prompts: {} }, resources: [] } })
})

test('a changed list is read again alone, and is heard of only if it differs', async () => {
  const { host, server } = await upstreamWorld({}, full)
  let heard = 0
  host.onChange(() => (heard += 1))
  const lists = () => server.last.received.filter((message) => 'method' in message && message.method.endsWith('/list')).length
  const before = { lists: lists(), tools: host.tools('one') }
  server.last.emit({ method: 'notifications/prompts/list_changed' })
  await flush()
  expect([lists() - before.lists, heard, host.tools('one')]).toEqual([1, 0, before.tools])
  server.lists = { ...server.lists, prompts: [{ name: 'other' }] }
  server.last.emit({ method: 'notifications/prompts/list_changed' })
  await flush()
  expect(heard).toBe(1)
  expect(host.tools('one')?.about.prompts).toEqual([{ name: 'other' }])
  server.lists = { ...server.lists, resourceTemplates: [] }
  server.last.emit({ method: 'notifications/resources/list_changed' })
  await flush()
  expect(host.tools('one')?.about).toMatchObject({ resources: RESOURCES, resourceTemplates: [] })
})

test('the same object through a restart; nothing when it is gone for good', async () => {
  const { clock, host, server } = await upstreamWorld({}, full)
  const before = host.tools('one')
  server.last.die()
  await flush()
  expect(server.links).toHaveLength(2)
  expect(host.tools('one')).toBe(before)
  server.failStart = new Error('broken')
  server.last.die()
  for (let round = 0; round < 5; round += 1) {
    await flush()
    clock.advance(5_000)
  }
  await flush()
  expect(host.tools('one')).toMatchObject({ definitions: [], about: { capabilities: {}, prompts: [], resources: [], resourceTemplates: [] } })
})

test('a list that is refused, wrong or endless leaves the server and its other lists alone', async () => {
  const { host, status } = await upstreamWorld({}, (one) => {
    full(one)
    delete one.lists.prompts
    one.respond = ({ id, method }, link) => {
      if (method === 'prompts/list') link.refuseRequest(id, -1, 'boom')
      return method === 'resources/list' ? { resources: 7 } : undefined
    }
  })
  expect(status()?.state).toBe('ready')
  expect(host.tools('one')).toMatchObject({ definitions: [{ name: 'echo' }], about: { partial: ['prompts', 'resources'], prompts: [], resources: [], resourceTemplates: TEMPLATES } })
})

test('lists over their bound are left out whole and named; small ones stay', async () => {
  const large = (size: number, count: number) => Array.from({ length: count }, (_, index) => ({ uri: `test://${index}`, name: 'x'.repeat(size) }))
  const { host, server } = await upstreamWorld({}, (one) => {
    full(one)
    one.lists = { ...one.lists, resources: large(1_000, 220) }
  })
  expect(host.tools('one')?.about).toMatchObject({ partial: ['resources'], resources: [], prompts: PROMPTS })
  server.lists = { ...server.lists, resources: large(1_000, 150), prompts: large(1_000, 60).map(({ uri, name }) => ({ name: uri, description: name })) }
  server.last.emit({ method: 'notifications/resources/list_changed' })
  await flush()
  expect(host.tools('one')?.about.partial).toBeUndefined()
  server.last.emit({ method: 'notifications/prompts/list_changed' })
  await flush()
  expect(host.tools('one')?.about).toMatchObject({ partial: ['resources'], prompts: { length: 60 } })
  server.lists = { ...server.lists, resources: large(0, 10_001) }
  server.last.emit({ method: 'notifications/resources/list_changed' })
  await flush()
  expect(host.tools('one')?.about.partial).toEqual(['resources'])
})

test('a handshake full of data is cut so that the whole stays below 256 KiB', async () => {
  const { host } = await upstreamWorld({}, (one) => {
    one.capabilities = { tools: { listChanged: true, more: 'x'.repeat(20_000) }, experimental: { blob: 'x'.repeat(100_000) } }
    one.instructions = '\u0001'.repeat(100_000)
  })
  const about = host.tools('one')?.about
  expect(about?.capabilities).toEqual({ tools: { listChanged: true } })
  expect([...new Set(about?.instructions)]).toEqual(['\u0001'])
  expect(JSON.stringify(about).length).toBeLessThan(17_000)
})

test('what a dead connection did not answer says nothing about the next one', async () => {
  const { clock, host, server } = await upstreamWorld({}, (one) => {
    full(one)
    delete one.lists.prompts
  })
  clock.advance(2_000)
  await flush()
  const seen: unknown[] = []
  host.onChange(() => seen.push(host.tools('one')?.about.partial))
  server.lists = { ...server.lists, prompts: PROMPTS }
  server.last.die()
  await flush()
  expect(host.tools('one')?.about.prompts).toEqual(PROMPTS)
  expect(new Set(seen)).toEqual(new Set([undefined]))
})

test('prompts that take their time do not keep the tools waiting', async () => {
  const { clock, host, server, status } = await upstreamWorld({}, (one) => {
    full(one)
    delete one.lists.prompts
  })
  expect(status()?.state).toBe('starting')
  clock.advance(2_000)
  await flush()
  expect(status()).toMatchObject({ state: 'ready', tools: 1 })
  server.last.answer((server.last.open('prompts/list')[0] as JsonRpcRequest).id, { prompts: PROMPTS })
  await flush()
  expect(host.tools('one')?.about).toMatchObject({ prompts: PROMPTS, resources: RESOURCES })
})
