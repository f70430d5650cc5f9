import { describe, expect, test } from 'vitest'
import type { McpRequest, RunningCall } from '../../../src/mcp/ports.ts'
import type { Json } from '../../../src/wire/json-rpc.ts'
import type { ConnectionCall } from '../../../src/mcp/upstream/connection-ports.ts'
import { GATHER } from '../../../src/mcp/upstream/rev2025/dialog.ts'
import { codeOf, flush, recordingSink, toolCall, type CallOptions } from '../../support/mcp-calls.ts'
import { answersTo, connected, sentCall, type DialOptions } from '../../support/upstream-connections.ts'

const ALL = { sampling: {}, elicitation: {}, roots: {} }
const ELICIT = { method: 'elicitation/create', params: { message: 'sure?', requestedSchema: { type: 'object' } } }

/** A connection with one running call of a client that can be asked everything. */
async function asking(options: DialOptions = {}, call: CallOptions = {}) {
  const made = await connected(options)
  const { clock, link, parking, connection } = made
  const sink = recordingSink()
  const about = { capabilities: ALL, ...call }
  const running = connection.call(toolCall('x', 'ask', about), sink)
  await flush()
  const { id } = sentCall(link)
  return {
    ...made,
    sink,
    running,
    id,
    /** Emits questions with ids q1, q2, … and waits until the client is asked. */
    async ask(...questions: object[]): Promise<Json> {
      questions.forEach((question, index) => link.emit({ id: `q${index + 1}`, ...question }))
      clock.advance(GATHER)
      return questionsOf(running)
    },
    retry(params: Json, options: CallOptions = {}) {
      const to = recordingSink()
      return { to, running: parking.resume(toolCall('x', 'ask', { ...about, ...options, params }), to) as RunningCall }
    },
    async resting() {
      await flush()
      clock.advance(GATHER)
      await flush()
    }
  }
}

async function questionsOf(running: RunningCall): Promise<Json> {
  const outcome = await running.outcome
  if (!('result' in outcome) || outcome.result.resultType !== 'input_required') throw new Error(`no question but ${JSON.stringify(outcome)}`)
  return outcome.result
}

describe('a question of a legacy server', () => {
  test('ends the call with input_required, and the retry answers it and goes on', async () => {
    const { link, id, running, sink, ask, retry, resting, parking } = await asking()
    const asked = await ask(ELICIT)
    expect(asked).toEqual({ resultType: 'input_required', inputRequests: { elicitation_1: ELICIT }, requestState: expect.stringMatching(/^[0-9a-f]{32}$/) })
    expect(parking.size).toBe(1)
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: { action: 'accept', content: {} }, other: { action: 'accept' } } })
    await resting()
    expect(answersTo(link, 'q1')).toEqual([{ jsonrpc: '2.0', id: 'q1', result: { action: 'accept', content: {} } }])
    expect(link.sent('tools/call')).toHaveLength(1)
    link.answer(id, { content: [] }, { resultText: '{"content":[]}' })
    expect(await again.running.outcome).toEqual({ raw: '{"content":[]}', typed: false })
    await running.over
    expect(parking.size).toBe(0)
    expect(sink.notifications).toEqual([])
  })

  test('questions asked at once are one round, later ones the next', async () => {
    const { link, id, clock, ask, retry, resting } = await asking()
    const asked = await ask(ELICIT, { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } }, { method: 'roots/list' })
    expect(Object.values(asked.inputRequests as Json)).toEqual([ELICIT, { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } }, { method: 'roots/list', params: {} }])
    // While the client thinks the server asks once more.
    link.emit({ id: 'q4', ...ELICIT })
    const answers = { elicitation_1: { action: 'decline' }, sampling_2: { role: 'assistant' }, roots_3: { error: { code: -1, message: 'no roots' } } }
    const second = retry({ requestState: asked.requestState, inputResponses: answers })
    await resting()
    expect(['q1', 'q2', 'q3'].flatMap((question) => answersTo(link, question))).toEqual([
      { jsonrpc: '2.0', id: 'q1', result: { action: 'decline' } },
      { jsonrpc: '2.0', id: 'q2', result: { role: 'assistant' } },
      { jsonrpc: '2.0', id: 'q3', error: { code: -1, message: 'no roots' } }
    ])
    const next = await questionsOf(second.running)
    expect(next.inputRequests).toEqual({ elicitation_4: ELICIT })
    expect(next.requestState).not.toBe(asked.requestState)
    const third = retry({ requestState: next.requestState, inputResponses: { elicitation_4: { action: 'cancel' } } })
    await resting()
    link.answer(id, { content: [1] })
    expect(await third.running.outcome).toEqual({ result: { content: [1] } })
    expect(clock.pending).toBe(0)
  })

  test('what is missing or no object is asked again, the rest is passed on', async () => {
    const { link, ask, retry, resting } = await asking()
    const asked = await ask(ELICIT, { method: 'roots/list' })
    const second = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: 12345, roots_2: { roots: [] } } })
    await resting()
    const next = await questionsOf(second.running)
    expect(next.inputRequests).toEqual({ elicitation_1: ELICIT })
    expect(answersTo(link, 'q1')).toEqual([])
    expect(answersTo(link, 'q2')).toHaveLength(1)
    const third = retry({ requestState: next.requestState })
    await resting()
    expect(await questionsOf(third.running)).toMatchObject({ inputRequests: { elicitation_1: ELICIT } })
  })

  test('what the server says meanwhile comes before the answer, under the token of the retry', async () => {
    const { link, id, sink, ask, retry } = await asking({}, { token: 'first' })
    const asked = await ask(ELICIT)
    const log = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'waiting' } }
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } })
    link.emit(log)
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 2 } })
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: {} } }, { token: 'second' })
    await flush()
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 3 } })
    const progress = (count: number) => ({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'second', progress: count } })
    expect(again.to.notifications).toEqual([progress(1), log, progress(2), progress(3)])
    expect(sink.notifications).toEqual([])
  })

  test('of too much said meanwhile the newest is kept', async () => {
    const { link, ask, retry } = await asking()
    const asked = await ask(ELICIT)
    for (let line = 1; line <= 300; line += 1) link.emit({ method: 'notifications/message', params: { level: 'info', data: line } })
    const again = retry({ requestState: asked.requestState })
    await flush()
    expect(again.to.notifications).toHaveLength(256)
    expect(again.to.notifications.at(0)?.params?.data).toBe(45)
  })

  test('time for people is no time of the call; after it the call has its timeout again', async () => {
    const { clock, link, connection, ask, retry, id } = await asking({}, { timeout: 1_000 })
    const asked = await ask(ELICIT)
    const other = connection.call(toolCall('x', 'slow', { timeout: 1_000 }), recordingSink())
    clock.advance(500_900)
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: {} } }, { timeout: 2_000 })
    await flush()
    clock.advance(999)
    link.answer(sentCall(link, 1).id, { content: [] })
    // A server that does one thing at a time could not go on with the others either.
    expect(await other.outcome).toEqual({ result: { content: [] } })
    clock.advance(1_002)
    expect(await codeOf(again.running.outcome)).toBe('SKEIN_DEADLINE')
    expect(link.received.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: id } })
  })

  test('a call may take longer than the longest call if people do', async () => {
    const { clock, link, id, ask, retry, resting } = await asking({}, { timeout: 1_000, token: 't' })
    let asked = await ask(ELICIT)
    for (let round = 1; round <= 7; round += 1) {
      clock.advance(599_000)
      const again = retry({ requestState: asked.requestState, inputResponses: { [`elicitation_${round}`]: { action: 'accept' } } })
      await resting()
      clock.advance(900)
      link.emit({ id: `round${round}`, ...ELICIT })
      clock.advance(GATHER)
      asked = await questionsOf(again.running)
    }
    expect(clock.now()).toBeGreaterThan(3_600_000)
    const last = retry({ requestState: asked.requestState, inputResponses: { elicitation_8: { action: 'accept' } } })
    await resting()
    for (let step = 1; step <= 2; step += 1) {
      clock.advance(900)
      link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: step } })
    }
    link.answer(id, { content: [] })
    expect(await last.running.outcome).toEqual({ result: { content: [] } })
  })

  test('a token for progress of the client stays here: there is no way back for it', async () => {
    const { ask } = await asking()
    const own = { message: 'sure?', requestedSchema: { type: 'object' } }
    const asked = await ask({ ...ELICIT, params: { ...own, _meta: { progressToken: 4 } } }, { ...ELICIT, params: { ...own, _meta: { progressToken: 'x', 'vendor/key': 1 } } })
    expect(asked.inputRequests).toEqual({ elicitation_1: { ...ELICIT, params: own }, elicitation_2: { ...ELICIT, params: { ...own, _meta: { 'vendor/key': 1 } } } })
  })

  test('a question the server takes back needs no answer', async () => {
    const { link, clock, running, id, ask, retry, resting } = await asking()
    link.emit({ id: 'gone', ...ELICIT })
    link.emit({ method: 'notifications/cancelled', params: { requestId: 'gone' } })
    clock.advance(GATHER)
    const asked = await ask(ELICIT)
    expect(Object.keys(asked.inputRequests as Json)).toEqual(['elicitation_1'])
    link.emit({ method: 'notifications/cancelled', params: { requestId: 'q1' } })
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: { action: 'accept' } } })
    await resting()
    expect(answersTo(link, 'q1')).toEqual([])
    expect(answersTo(link, 'gone')).toEqual([])
    link.answer(id, { content: [] })
    expect(await again.running.outcome).toEqual({ result: { content: [] } })
    await running.over
  })
})

describe('who is asked', () => {
  test('the client of the latest running call, or of the call on whose stream the question came', async () => {
    const { link, clock, connection, running } = await asking()
    const second = connection.call(toolCall('x', 'other', { capabilities: ALL }), recordingSink())
    await flush()
    link.emit({ id: 'a', ...ELICIT })
    link.emit({ id: 'b', ...ELICIT }, { related: sentCall(link, 0).id })
    clock.advance(GATHER)
    expect(await questionsOf(second)).toMatchObject({ resultType: 'input_required' })
    expect(await questionsOf(running)).toMatchObject({ resultType: 'input_required' })
  })

  test('nobody, when no call is running or the last one has just ended', async () => {
    const { link, id, running } = await asking()
    link.answer(id, { content: [] })
    link.emit({ id: 'late', ...ELICIT })
    expect(answersTo(link, 'late')).toMatchObject([{ error: { code: -32600 } }])
    expect(await running.outcome).toEqual({ result: { content: [] } })
  })

  test.each([
    ['elicitation/create', {}, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
    ['elicitation/create', { mode: 'url' }, { elicitation: {} }, { elicitation: { url: {} } }],
    ['sampling/createMessage', { tools: [] }, { sampling: {} }, { sampling: { tools: {} } }],
    ['sampling/createMessage', {}, {}, { sampling: {} }],
    ['roots/list', undefined, { sampling: {} }, { roots: {} }]
  ])('%s %j of a client with %j: refused; a client of the newer era is told what is missing', async (method, params, capabilities, requiredCapabilities) => {
    const question = params === undefined ? { method } : { method, params }
    const legacy = await asking({}, { capabilities })
    legacy.link.emit({ id: 'q', ...question })
    expect(answersTo(legacy.link, 'q')).toMatchObject([{ error: { code: -32601 } }])
    legacy.link.answer(legacy.id, { content: [] })
    expect(await legacy.running.outcome).toEqual({ result: { content: [] } })

    const modern = await asking({}, { capabilities, session: null })
    modern.link.emit({ id: 'q', ...question })
    expect(await modern.running.outcome).toMatchObject({ error: { code: -32021, data: { requiredCapabilities } } })
    expect(answersTo(modern.link, 'q')).toMatchObject([{ error: { code: -32601 } }])
    expect(modern.link.received.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: modern.id } })
  })

  const SHARED = { own: undefined }

  test('on a shared connection: the client of the only call if it lacks the capability, otherwise nobody', async () => {
    const { link, connection, running, id } = await asking(SHARED, { session: null, capabilities: {} })
    link.emit({ id: 'a', method: 'sampling/createMessage', params: {} })
    expect(await running.outcome).toMatchObject({ error: { code: -32021, data: { requiredCapabilities: { sampling: {} } } } })
    expect(link.received.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: id } })
    const two = [1, 2].map(() => connection.call(toolCall('x', 'ask', { session: null }), recordingSink()))
    await flush()
    link.emit({ id: 'b', method: 'sampling/createMessage', params: {} })
    expect(answersTo(link, 'b')).toMatchObject([{ error: { code: -32601, message: expect.stringContaining('shared by several clients') } }])
    link.emit({ id: 'c', method: 'sampling/createMessage', params: {} }, { related: sentCall(link, 1).id })
    expect(await two[0]?.outcome).toMatchObject({ error: { code: -32021 } })
    link.answer(sentCall(link, 2).id, { content: [] })
    expect(await two[1]?.outcome).toEqual({ result: { content: [] } })
  })

  test('on a shared connection: a client that declared the capability is asked if the question came on the stream of its call', async () => {
    const { link, clock, connection, running } = await asking(SHARED)
    link.emit({ id: 'a', ...ELICIT })
    expect(answersTo(link, 'a')).toMatchObject([{ error: { code: -32601, message: expect.stringContaining('shared by several clients') } }])
    const other = connection.call(toolCall('x', 'other', { session: null, capabilities: ALL }), recordingSink())
    await flush()
    link.emit({ id: 'b', ...ELICIT }, { related: sentCall(link, 0).id })
    clock.advance(GATHER)
    expect(await questionsOf(running)).toMatchObject({ inputRequests: { elicitation_1: ELICIT } })
    link.answer(sentCall(link, 1).id, { content: [] })
    expect(await other.outcome).toEqual({ result: { content: [] } })
  })

  test('on a shared connection a legacy client hears nothing of what it lacks: the server goes on without', async () => {
    const { link, running, id } = await asking(SHARED, { capabilities: {} })
    link.emit({ id: 'a', ...ELICIT })
    expect(answersTo(link, 'a')).toMatchObject([{ error: { code: -32601, message: expect.stringContaining('did not declare') } }])
    link.answer(id, { content: [] })
    expect(await running.outcome).toEqual({ result: { content: [] } })
  })

  test('too many questions, or an id used twice, are refused', async () => {
    const { link } = await asking()
    for (let id = 1; id <= 65; id += 1) link.emit({ id, ...ELICIT })
    expect(answersTo(link, 64)).toEqual([])
    expect(answersTo(link, 65)).toMatchObject([{ error: { code: -32600 } }])
    const second = await asking()
    for (let count = 0; count < 2; count += 1) second.link.emit({ id: 'same', ...ELICIT })
    expect(answersTo(second.link, 'same')).toMatchObject([{ error: { code: -32600 } }])
  })
})

describe('tickets', () => {
  test('are good for the same request of the same client, once', async () => {
    const { parking, ask } = await asking()
    const asked = await ask(ELICIT)
    const params = { requestState: asked.requestState }
    const sink = recordingSink()
    const mine = toolCall('x', 'ask', { capabilities: ALL, params })
    expect(parking.resume(toolCall('x', 'other', { params }), sink)).toBeUndefined()
    expect(parking.resume({ ...mine, method: 'prompts/get' }, sink)).toBeUndefined()
    expect(parking.resume(toolCall('x', 'ask', { params, session: 'somebody else' }), sink)).toBeUndefined()
    expect(parking.resume(toolCall('x', 'ask', { params: { requestState: `${String(asked.requestState)}-TAMPERED` } }), sink)).toBeUndefined()
    expect(parking.resume(toolCall('x', 'ask', { params: { requestState: 7 } }), sink)).toBeUndefined()
    expect(parking.resume(mine, sink)).toBeDefined()
    expect(parking.resume(mine, sink)).toBeUndefined()
  })

  test('expire: the server hears no, and its call is cancelled', async () => {
    const { clock, link, running, id, ask, retry, parking } = await asking()
    const asked = await ask(ELICIT)
    clock.advance(600_000)
    await running.over
    expect(answersTo(link, 'q1')).toMatchObject([{ error: { code: -32603, message: expect.stringContaining('600 s') } }])
    expect(link.received.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: id } })
    expect(retry({ requestState: asked.requestState }).running).toBeUndefined()
    expect(parking.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test.each([
    ['the longest', [null, null, null], 0],
    ['the longest', ['edge1/a', 'edge2/b', 'edge3/c', null], 0],
    ['one without a session', ['edge1/a', 'edge2/b', null, null, 'edge3/c'], 2],
    ["the longest of the new one's edge, which has half of all places", [null, 'edge2/a', 'edge2/b', 'edge1/c', 'edge2/d'], 1]
  ] as const)('when there are too many, %s is given up: %j', async (_which, sessions, gone) => {
    const { clock, link, connection, parking } = await connected({ maxParked: sessions.length - 1 })
    const calls: ConnectionCall[] = []
    const retries: McpRequest[] = []
    for (const session of sessions) {
      const running = connection.call(toolCall('x', 'ask', { capabilities: ALL, session }), recordingSink())
      calls.push(running)
      await flush()
      link.emit({ id: `q${calls.length - 1}`, ...ELICIT })
      clock.advance(GATHER)
      const { requestState } = await questionsOf(running)
      retries.push(toolCall('x', 'ask', { capabilities: ALL, session, params: { requestState } }))
    }
    await calls[gone]?.over
    expect(parking.size).toBe(sessions.length - 1)
    expect(link.sent('notifications/cancelled').map(({ params }) => params?.requestId)).toEqual([sentCall(link, gone).id])
    expect(answersTo(link, `q${gone}`)).toMatchObject([{ error: { code: -32603, message: expect.stringContaining('others needed its place') } }])
    expect(retries.map((retry) => parking.resume(retry, recordingSink()) !== undefined)).toEqual(sessions.map((_, index) => index !== gone))
  })

  test('the one that is given up to make room frees a connection; otherwise there is none', async () => {
    const shared = await asking({ own: { sole: () => false } })
    await shared.ask(ELICIT)
    expect(shared.parking.makeRoom()).toBeUndefined()
    const answered = await asking()
    await answered.ask(ELICIT)
    answered.link.answer(answered.id, { content: [] })
    // Its connection is free already.
    expect(answered.parking.makeRoom()).toBeUndefined()
    const { parking, running, link, ask } = await asking()
    await ask(ELICIT)
    const freed = parking.makeRoom()
    expect(freed).toBeDefined()
    await freed
    await running.over
    expect(parking.size).toBe(0)
    expect(answersTo(link, 'q1')).toMatchObject([{ error: { code: -32603 } }])
  })

  test('tell after the server died that the call may have run; it is over', async () => {
    const { clock, link, running, ask, retry, parking } = await asking()
    const asked = await ask(ELICIT)
    link.die()
    await running.over
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: { action: 'accept' } } })
    expect(await codeOf((again.running as NonNullable<typeof again.running>).outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(parking.size).toBe(0)
    expect(retry({ requestState: asked.requestState }).running).toBeUndefined()
    expect(clock.pending).toBe(0)
  })

  test('an answer that comes while its call is parked waits for the client', async () => {
    const { clock, link, running, id, ask, retry, connection } = await asking()
    const asked = await ask(ELICIT)
    link.emit({ method: 'notifications/message', params: { level: 'info', data: 'gave up waiting' } })
    link.answer(id, { content: ['default'] })
    await running.over
    // Nobody waits for a person any more: the time of other calls runs.
    const other = connection.call(toolCall('x', 'slow', { timeout: 1_000 }), recordingSink())
    await flush()
    clock.advance(1_000)
    expect(await codeOf(other.outcome)).toBe('SKEIN_DEADLINE')
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: { action: 'accept' } } })
    expect(await again.running.outcome).toEqual({ result: { content: ['default'] } })
    expect(again.to.notifications).toHaveLength(1)
    expect(answersTo(link, 'q1')).toMatchObject([{ error: { code: -32603 } }])
    expect(clock.pending).toBe(0)
  })

  test('all end when the server is stopped', async () => {
    const { parking, running, ask } = await asking()
    await ask(ELICIT)
    parking.close()
    await running.over
    expect(parking.size).toBe(0)
  })
})

describe('cancelling', () => {
  test('a resumed call tells the server, also before the answers went out', async () => {
    const { link, id, running, ask, retry, resting } = await asking()
    const asked = await ask(ELICIT)
    const again = retry({ requestState: asked.requestState })
    again.running.cancel('changed my mind')
    expect(await codeOf(again.running.outcome)).toBe('SKEIN_CANCELLED')
    await running.over
    await resting()
    expect(link.sent('notifications/cancelled').map(({ params }) => params)).toEqual([{ requestId: id, reason: 'changed my mind' }])
    expect(answersTo(link, 'q1')).toMatchObject([{ error: { code: -32603 } }])
  })

  test('a parked call can be cancelled by the one who holds its question', async () => {
    const { clock, link, running, ask, parking } = await asking()
    await ask(ELICIT)
    running.cancel('not needed')
    await running.over
    expect(parking.size).toBe(0)
    expect(link.sent('notifications/cancelled')).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  test('the first request of a call that went on is no handle on it', async () => {
    const { link, id, running, ask, retry, resting } = await asking()
    const asked = await ask(ELICIT)
    const again = retry({ requestState: asked.requestState, inputResponses: { elicitation_1: {} } })
    await resting()
    running.cancel('too late')
    link.answer(id, { content: [] })
    expect(await again.running.outcome).toEqual({ result: { content: [] } })
  })
})
