import { describe, expect, test } from 'vitest'
import type { MemoryServer } from '../../support/memory-upstream.ts'
import { codeOf, flush } from '../../support/mcp-calls.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

/** Read by JSON.parse, too deep for JSON.stringify. */
const deep = () => JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`) as Record<string, unknown>

/** Writes each message when it is sent, as stdio does. */
function writesAtOnce(server: MemoryServer): void {
  const { connect } = server
  server.connect = () => {
    const transport = connect()
    const { send } = transport
    transport.send = (message, options) => {
      JSON.stringify(message)
      return send(message, options)
    }
    return transport
  }
}

describe('what cannot be written again', () => {
  test('as params fails its own request, and takes no place for ever', async () => {
    const { echo, call, clock } = await upstreamWorld({ maxConcurrent: 4, maxWaiting: 0 }, writesAtOnce)
    for (let round = 0; round < 8; round++) expect(await codeOf(call('echo', { args: deep() }).outcome)).toBe('SKEIN_LIMIT')
    expect(await echo('session-1')).toEqual({ result: { content: [] } })
    // Nothing is left that ends later with nobody listening: an unhandled rejection fails the run.
    clock.advance(60_000)
    await flush()
  })

  test('as an answer to a question is an error for the server, and its call goes on', async () => {
    const capabilities = { elicitation: {} }
    const { clock, call, server } = await upstreamWorld({}, writesAtOnce)
    const first = call('ask', { capabilities })
    await flush()
    const link = server.last
    link.emit({ id: 7, method: 'elicitation/create', params: { message: 'name?' } })
    clock.advance(5)
    const { inputRequests, requestState } = ((await first.outcome) as { result: { inputRequests: object; requestState: string } }).result
    const [key] = Object.keys(inputRequests) as [string]
    const retry = call('ask', { capabilities, params: { requestState, inputResponses: { [key]: { action: 'accept', content: deep() } } } })
    await flush()
    expect(link.received.find((message) => 'id' in message && message.id === 7)).toMatchObject({ error: { code: -32_603 } })
    for (const request of link.open('tools/call')) link.answer(request.id, { content: [] })
    expect(await retry.outcome).toMatchObject({ result: { content: [] } })
  })
})

describe('sessions that only subscribe', () => {
  const capabilities = { sampling: {} }
  const world = () => upstreamWorld({}, (server) => void (server.capabilities = { tools: {}, resources: { subscribe: true } }), { maxChildren: 2 })

  test('give their children to calls that need them, and have them back later', async () => {
    const { clock, server, echo, listen, alive } = await world()
    for (const session of ['a', 'b', 'c']) listen({ session, capabilities }, [`x://${session}`])
    await flush()
    expect(alive()).toBe(3)
    expect(await echo('caller', capabilities)).toEqual({ result: { content: [] } })
    expect(alive()).toBe(3)
    // The caller is idle after five minutes.
    clock.advance(300_000)
    await flush()
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(60_000)
      await flush()
    }
    expect(server.links.filter((link) => !link.closed && link.sent('resources/subscribe').length > 0)).toHaveLength(2)
  })

  test('take none from sessions that are idle', async () => {
    const { server, echo, listen } = await world()
    await echo('a', capabilities)
    await echo('b', capabilities)
    const children = server.links.slice(1)
    listen({ session: 'c', capabilities }, ['x://c'])
    await flush()
    expect(children.map(({ closed }) => closed)).toEqual([false, false])
  })
})

test('a server that asks while nobody calls, and all the time, is refused each time and keeps nothing here', async () => {
  const { server, echo, metric } = await upstreamWorld()
  await echo('a', { sampling: {} })
  const [shared, own] = server.links as [(typeof server.links)[0], (typeof server.links)[0]]
  for (const link of [shared, own]) {
    const before = link.received.length
    for (let n = 0; n < 10_000; n++) link.emit({ id: `q${n % 7}`, method: ['sampling/createMessage', 'roots/list', 'initialize', '__proto__'][n % 4], params: [] })
    expect(link.received.length).toBe(before + 10_000)
    expect(link.received.slice(before).every((message) => 'error' in message)).toBe(true)
  }
  expect(metric('skein_upstream_parked')).toBe(0)
  expect(await echo('a', { sampling: {} })).toEqual({ result: { content: [] } })
})

test('a server that answers what nobody asked, asks with ids that are none and repeats itself, changes nothing', async () => {
  const { server, call, clock } = await upstreamWorld()
  const one = call('slow', { capabilities: { sampling: {} }, token: 1 })
  await flush()
  const link = server.last
  for (const id of [999, -1, '', 'x', null, {}, [], '1x', 1e300]) link.emit({ id, result: { content: ['wrong'] } })
  for (const id of [{}, [], true, 1.5]) link.emit({ id, method: 'sampling/createMessage', params: {} })
  for (const params of [null, 5, [], { progressToken: {} }, { progressToken: 999 }, { requestId: {} }]) {
    for (const method of ['notifications/progress', 'notifications/cancelled', 'notifications/message', 'notifications/resources/updated', '__proto__']) link.emit({ method, params })
  }
  clock.advance(5)
  const first = (await one.outcome) as { result: { resultType: string; inputRequests: object } }
  // Whatever an id is, it is given back as it came.
  expect(first.result.resultType).toBe('input_required')
  expect(Object.keys(first.result.inputRequests)).toHaveLength(4)
})

test('capabilities that are new each time start no process each time, and take none from sessions', async () => {
  const { server, echo } = await upstreamWorld({}, undefined, { maxChildren: 3 })
  await echo('a', { sampling: {} })
  await echo('b', { sampling: {} })
  const sessions = server.links.slice(1)
  for (let n = 0; n < 100; n++) await echo(null, { sampling: { [`x${n}`]: {} }, elicitation: { form: { n }, url: n } })
  expect(server.links).toHaveLength(4)
  expect(server.last.received[0]).toMatchObject({ method: 'initialize', params: { capabilities: { sampling: {}, elicitation: { form: {} } } } })
  for (let n = 0; n < 16; n++) await echo(null, { sampling: { ...(n & 1 ? { tools: {} } : {}), ...(n & 2 ? { context: {} } : {}) }, ...(n & 4 ? { roots: { listChanged: n > 8 } } : {}) })
  expect(sessions.map(({ closed }) => closed)).toEqual([false, false])
})
