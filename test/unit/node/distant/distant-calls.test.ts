import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { encodeCallEnd } from '../../../../src/wire/mcp-call.ts'
import { answer, createDistantCalls, distantServer, paramsOf, tell } from '../../../support/distant-calls.ts'
import { recordingSink } from '../../../support/mcp-calls.ts'

const progress = { jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }
const asks = { result: { resultType: 'input_required', inputRequests: {}, requestState: 'inner' } }

/** A server that two providers of another region have; the table knows the ways over their local hub. */
async function world() {
  const w = await createDistantCalls(distantServer())
  const { over, near, far, hub, region, local } = w
  w.table.answer = () => [over(near, [hub, region, local]), over(far, [hub, region, local])]
  return w
}

describe('a call of a tool that no pool of this node has', () => {
  test('goes to a provider that the hub names, and the trace has the way it took', async () => {
    const w = await world()
    const call = await w.call()
    const via = [w.hub.id, w.region.id, w.local.id]
    expect(w.near.served).toHaveLength(1)
    expect(w.near.served[0]).toMatchObject({ peer: w.edge.id, via })
    answer(w.near.served[0], 'done')
    await w.net.run()
    expect(call.result).toBe('done')
    expect(call.attempts).toMatchObject([{ peer: w.near.id, ended: 'ok', via }])
    // The next one asks nobody.
    const next = await w.call()
    expect(w.table.asked).toHaveLength(1)
    answer(w.near.served[1], 'again')
    await w.net.run()
    expect(next.result).toBe('again')
  })

  test('waits while nobody has it, for twenty seconds at the most, and says what is going on', async () => {
    const w = await world()
    w.table.answer = () => []
    const call = await w.call()
    await w.net.advance(19_900)
    expect(call.result).toBeUndefined()
    expect(w.table.asked.length).toBeGreaterThan(60)
    expect(w.table.asked.length).toBeLessThan(85)
    await w.net.advance(200)
    expect(call.result).toBe('SKEIN_NO_PROVIDER')
    expect(call.message).toContain('no hub names a node that has it; a hub may just have failed')
    const hasty = await w.call({ timeout: 1_000 })
    await w.net.advance(1_100)
    expect(hasty.result).toBe('SKEIN_NO_PROVIDER')
  })

  test('goes on as soon as a hub answers again', async () => {
    const w = await world()
    const found = w.table.answer
    w.table.answer = undefined
    const call = await w.call()
    await w.net.advance(4_000)
    w.table.answer = found
    await w.net.advance(2_500)
    answer(w.near.served[0], 'done')
    await w.net.run()
    expect(call.result).toBe('done')
  })

  test('can be given up while it waits', async () => {
    const w = await world()
    w.table.answer = undefined
    const call = await w.call()
    await w.net.advance(500)
    call.running.cancel('enough')
    await w.net.run()
    expect(call.result).toBe('SKEIN_CANCELLED')
    w.table.answer = () => []
    const other = await w.call()
    await w.net.advance(3_000)
    const asked = w.table.asked.length
    other.running.cancel('enough')
    await w.net.run()
    expect(other.result).toBe('SKEIN_CANCELLED')
    await w.net.advance(3_000)
    expect(w.table.asked.length).toBe(asked)
  })

  test('goes to the next provider when one has too much to do or is leaving, and says what the last one said', async () => {
    const w = await world()
    const call = await w.call()
    w.near.served[0]?.fail(new SkeinError('SKEIN_BUSY', 'too much to do'))
    await w.net.run()
    expect(w.far.served).toHaveLength(1)
    w.far.served[0]?.fail(new SkeinError('SKEIN_BUSY', 'here too'))
    await w.net.run()
    expect(call.result).toBe('SKEIN_BUSY')
    // Nobody was asked again because of that.
    expect(w.table.asked).toHaveLength(1)
  })

  test('what a session has at a distant provider stays there when a near one comes', async () => {
    const w = await world()
    const client = { capabilities: { elicitation: {} } }
    const first = await w.call({ client })
    answer(w.near.served[0], 'first')
    await w.net.run()
    const server = distantServer({ providers: [w.hub.id] })
    w.show({ ...server, tools: server.tools.map((tool) => ({ ...tool, target: { ...tool.target, providers: [w.hub.id] } })) })
    const second = await w.call({ client })
    answer(w.near.served[1], 'second')
    const other = await w.call({ client: { session: undefined } })
    answer(w.hub.served[0], 'near')
    await w.net.run()
    expect([first.result, second.result, other.result]).toEqual(['first', 'second', 'near'])
  })

  test('an error of the tool is an answer, and a refusal of the credential is final', async () => {
    const w = await world()
    const call = await w.call()
    w.near.served[0]?.fail(new SkeinError('SKEIN_UPSTREAM_INVALID', 'nonsense'))
    await w.net.run()
    expect(call.result).toBe('SKEIN_UPSTREAM_INVALID')
    expect(w.far.served).toEqual([])
  })

  test('near providers come first; distant ones take what none of them could', async () => {
    const w = await world()
    const server = distantServer({ providers: [w.hub.id] })
    w.show({ ...server, tools: server.tools.map((tool) => ({ ...tool, target: { ...tool.target, providers: [w.hub.id] } })) })
    const call = await w.call()
    expect(w.table.asked).toEqual([])
    expect(w.hub.served).toHaveLength(1)
    w.hub.served[0]?.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'down'))
    await w.net.run()
    answer(w.near.served[0], 'far away')
    await w.net.run()
    expect(call.result).toBe('far away')
    expect(call.attempts).toMatchObject([{ peer: w.hub.id, via: [] }, { peer: w.near.id, ended: 'ok' }])
  })
})

describe('when hubs and providers fail', () => {
  test.each([['unary', false], ['with progress', true]])('a relay in the middle dies while a call runs: %s', async (_, withProgress) => {
    const w = await world()
    const once = await w.call({ tool: 'once' })
    const again = await w.call({ tool: 'again' })
    const [first, second] = w.near.served
    if (withProgress) for (const exchange of [first, second]) tell(exchange, progress)
    await w.net.run()
    expect(once.sink.notifications).toHaveLength(Number(withProgress))
    await w.kill(w.local)
    await w.net.run()
    // What may have run is not run again …
    expect(once.result).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(w.near.served.filter((exchange) => paramsOf(exchange)['name'] === 'once')).toHaveLength(1)
    // … unless it may be; the hub still says the old way for a while.
    expect(again.result).toBeUndefined()
    await w.net.advance(2_000)
    expect(again.result).toBeUndefined()
    w.table.answer = () => [w.over(w.near, [w.hub, w.region, w.spare])]
    await w.net.advance(600)
    const last = w.near.served.at(-1)
    expect(last?.via).toEqual([w.hub.id, w.region.id, w.spare.id])
    answer(last, 'at last')
    await w.net.run()
    expect(again.result).toBe('at last')
    expect(again.attempts.at(-1)).toMatchObject({ peer: w.near.id, ended: 'ok', via: [w.hub.id, w.region.id, w.spare.id] })
  })

  test('a relay is dead before the call leaves: nothing has run, so it goes over its successor whatever it is', async () => {
    const w = await world()
    answer((await w.call(), w.near.served[0]), 'warm')
    await w.net.run()
    await w.kill(w.local)
    const call = await w.call({ tool: 'once' })
    await w.net.advance(1_000)
    expect(call.result).toBeUndefined()
    w.table.answer = () => [w.over(w.near, [w.hub, w.region, w.spare])]
    await w.net.advance(1_500)
    expect(w.near.served).toHaveLength(2)
    answer(w.near.served[1], 'done')
    await w.net.run()
    expect(call.result).toBe('done')
    // The provider is not blamed for its hub.
    expect(call.attempts.slice(0, -1).every(({ ended }) => ended !== 'ok')).toBe(true)
  })

  test("the way stays broken: twenty seconds, then that is said", async () => {
    const w = await world()
    await w.kill(w.local)
    const call = await w.call({ tool: 'once' })
    await w.net.advance(19_000)
    expect(call.result).toBeUndefined()
    await w.net.advance(2_500)
    expect(call.result).toBe('SKEIN_NO_PROVIDER')
    expect(call.message).toContain('the way to the node that has it is broken')
  })

  test('the own hub dies: what runs has an unknown outcome; what comes waits for its successor', async () => {
    const w = await world()
    const running = await w.call({ tool: 'once' })
    await w.kill(w.hub)
    await w.net.run()
    expect(running.result).toBe('SKEIN_OUTCOME_UNKNOWN')
    const call = await w.call({ tool: 'once' })
    await w.net.advance(3_000)
    expect(call.result).toBeUndefined()
    // The hub above takes over, and is in the edge's pool now.
    await w.join(w.edge, w.region)
    w.table.answer = () => [w.over(w.near, [w.region, w.local])]
    await w.net.advance(600)
    expect(w.near.served.at(-1)?.via).toEqual([w.region.id, w.local.id])
    answer(w.near.served.at(-1), 'done')
    await w.net.run()
    expect(call.result).toBe('done')
  })

  test('the own hub stands still: new calls do not wait for it longer than until its successor is there', async () => {
    const w = await world()
    answer((await w.call(), w.near.served[0]), 'warm')
    await w.net.run()
    w.freeze(w.hub)
    const caught = await w.call({ tool: 'again' })
    await w.net.advance(2_000)
    expect(w.edge.reach.path(w.near.id)).toBeUndefined()
    const call = await w.call({ tool: 'once' })
    await w.join(w.edge, w.region)
    w.table.answer = () => [w.over(w.near, [w.region, w.local])]
    await w.net.advance(2_500)
    expect(w.near.served).toHaveLength(2)
    answer(w.near.served[1], 'done')
    await w.net.run()
    expect(call.result).toBe('done')
    // What was caught goes on when the membership gives the hub up.
    expect(caught.result).toBeUndefined()
    w.edge.reach.memberDown(w.hub.id)
    await w.unlink(w.edge, w.hub)
    await w.net.advance(100)
    answer(w.near.served[2], 'late')
    await w.net.run()
    expect(caught.result).toBe('late')
  })

  test('a provider dies: calls that may run again go to the other one, and new ones go there at once', async () => {
    const w = await world()
    const again = await w.call({ tool: 'again' })
    const once = await w.call({ tool: 'once' })
    await w.kill(w.near)
    await w.net.advance(500)
    expect(once.result).toBe('SKEIN_OUTCOME_UNKNOWN')
    answer(w.far.served[0], 'from the other')
    await w.net.run()
    expect(again.result).toBe('from the other')
    // The table does not know yet: one try too many, not more.
    const next = await w.call({ tool: 'once' })
    await w.net.advance(1_000)
    answer(w.far.served[1], 'next')
    await w.net.run()
    expect(next.result).toBe('next')
  })

  test('a provider moves to another pool: the refusal of the old way leads to the new one', async () => {
    const w = await world()
    answer((await w.call(), w.near.served[0]), 'before')
    await w.net.run()
    await w.unlink(w.local, w.near)
    w.table.answer = () => [w.over(w.near, [w.hub, w.region, w.spare])]
    const call = await w.call({ tool: 'once' })
    await w.net.advance(600)
    expect(w.near.served[1]?.via).toEqual([w.hub.id, w.region.id, w.spare.id])
    answer(w.near.served[1], 'after')
    await w.net.run()
    expect(call.result).toBe('after')
    // That was one attempt: the call never got there before.
    expect(call.attempts).toHaveLength(1)
  })
})

describe('everything else that goes to a distant server', () => {
  test('prompts, resources and completion', async () => {
    const w = await world()
    for (const method of ['prompts/get', 'resources/read', 'completion/complete']) {
      const call = await w.call({ method, params: { name: 'x' }, view: 's' })
      answer(w.near.served.at(-1), method)
      await w.net.run()
      expect(call.result).toBe(method)
    }
    // Of the server, not of a tool.
    expect(w.table.asked).toMatchObject([{ tool: undefined }])
  })

  test('the retry of a question goes to whoever asked it, after minutes, although others are nearer', async () => {
    const w = await world()
    w.table.answer = () => [w.over(w.far, [w.hub, w.region, w.local])]
    const first = await w.call()
    w.far.served[0]?.end(encodeCallEnd(asks))
    await w.net.run()
    const { requestState } = JSON.parse(first.result ?? '{}') as { requestState: string }
    await w.net.advance(120_000)
    expect(w.edge.reach.path(w.far.id)).toBeUndefined()
    w.table.answer = () => [w.over(w.near, [w.hub, w.region, w.local])]
    const retry = await w.call({ params: { name: 's__once', arguments: {}, requestState } })
    expect(w.near.served).toEqual([])
    expect(paramsOf(w.far.served[1] as never)).toMatchObject({ requestState: 'inner' })
    // Whatever happens to it, nobody else gets it.
    await w.kill(w.far)
    await w.net.advance(500)
    expect(retry.result).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(w.near.served).toEqual([])
    const late = await w.call({ params: { name: 's__once', arguments: {}, requestState } })
    await w.net.advance(24_000)
    expect(late.result).toBe('SKEIN_NO_PROVIDER')
    expect(w.near.served).toEqual([])
  })

  test('a question of a node that nobody knows is lost', async () => {
    const w = await world()
    const retry = await w.call({ params: { name: 's__once', arguments: {}, requestState: 'sk1.P-gone.' } })
    await w.net.advance(21_000)
    expect(retry.result).toBe('SKEIN_BAD_REQUEST')
    expect(retry.message).toContain('the node that asked this question does not offer the server now')
  })

  test('the end of a session reaches its provider, though its way is forgotten', async () => {
    const w = await world()
    answer((await w.call(), w.near.served[0]), 'x')
    await w.net.advance(90_000)
    expect(w.edge.reach.path(w.near.id)).toBeUndefined()
    w.backend.endSession(`${w.edge.id}/c`)
    await w.net.run()
    expect(w.ended).toEqual([`${w.edge.id}/c@near`])
  })

  test('a listen is opened at a distant provider, survives its hub, and moves with the way', async () => {
    const w = await world()
    const sink = recordingSink()
    const updated = (uri: string) => ({ jsonrpc: '2.0' as const, method: 'notifications/resources/updated', params: { uri } })
    const listening = w.backend.listen({ view: 's', client: { session: `${w.edge.id}/c`, clientInfo: { name: 'c', version: '1' }, capabilities: {}, logLevel: undefined }, resources: ['a:b'] }, sink)
    await w.net.run()
    tell(w.near.served[0], updated('1'))
    await w.net.run()
    expect(sink.notifications).toEqual([updated('1')])
    // Lists change often; it stays.
    w.backend.changed()
    await w.net.run()
    expect(w.near.served).toHaveLength(1)

    await w.kill(w.local)
    w.table.answer = () => [w.over(w.near, [w.hub, w.region, w.spare])]
    await w.net.advance(1_000)
    expect(w.near.served.at(-1)?.via).toEqual([w.hub.id, w.region.id, w.spare.id])
    tell(w.near.served.at(-1), updated('2'))
    await w.net.run()
    expect(sink.notifications).toEqual([updated('1'), updated('2')])
    expect(w.near.served).toHaveLength(2)

    // While nobody is there it goes on asking, and closing ends that.
    w.table.answer = () => []
    await w.kill(w.near)
    await w.net.advance(5_000)
    const asked = w.table.asked.length
    expect(asked).toBeGreaterThan(3)
    listening.close()
    await w.net.advance(20_000)
    expect(w.table.asked.length).toBe(asked)
  })

  test('a listen that waits is opened when somebody has the server', async () => {
    const w = await world()
    const found = w.table.answer
    w.table.answer = () => []
    w.backend.listen({ view: 's', client: { session: undefined, clientInfo: { name: 'c', version: '1' }, capabilities: {}, logLevel: undefined }, resources: [] }, recordingSink())
    await w.net.advance(1_000)
    expect(w.near.served).toEqual([])
    w.table.answer = found
    await w.net.advance(3_000)
    expect(w.near.served).toHaveLength(1)
  })
})

test('the explanation of a distant tool has those that were found, and no others', async () => {
  const w = await world()
  const way = [w.hub, w.region, w.local]
  const { rtt: _, ...unmeasured } = w.over(w.far, way)
  w.table.answer = () => [w.over(w.near, way), { ...unmeasured, capacity: 3, coordinates: { latitude: 48.1, longitude: 11.6 } }]
  expect(w.backend.explain('s__once')?.explanation).toEqual({ choice: undefined, candidates: [] })
  answer((await w.call(), w.near.served[0]), 'x')
  await w.net.run()
  expect(w.backend.explain('s__once')?.explanation.candidates).toMatchObject([{ peer: w.near.id, relayed: true, path: 12, pathFrom: 'measured' }, { peer: w.far.id, relayed: true, pathFrom: 'distance', capacity: 3 }])
})
