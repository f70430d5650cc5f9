import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { Json } from '../../../../src/wire/json-rpc.ts'
import { settle, setup } from './setup.ts'

const asks = (inputRequests: unknown, requestState: unknown = 'state'): { result: Json } => ({ result: { resultType: 'input_required', inputRequests, requestState } })

/** A running call of a client with these capabilities. */
function calling(capabilities: Json, options: { method?: string; params?: Json } = {}) {
  const all = setup({ capabilities, lists: { tools: [{ name: 'a__x' }], capabilities: { prompts: {} }, passesLists: true } })
  const params = options.params ?? { name: 'a__x', arguments: { a: 1 }, _meta: { progressToken: 9 } }
  all.request(1, options.method ?? 'tools/call', params)
  const reply = (index: number, result: Json) => all.session.receive({ jsonrpc: '2.0', id: all.sent[index]!.message.id!, result })
  return { ...all, params, reply }
}

describe('a server that wants input', () => {
  test('has its questions put to the client in parallel, and the call goes on with the answers', async () => {
    const { backend, sent, params, reply, session } = calling({ sampling: {}, elicitation: {} })
    backend.calls[0]!.answer(asks({ why: { method: 'elicitation/create', params: { message: 'Why?' } }, text: { method: 'sampling/createMessage', params: { messages: [] } } }))
    await settle()
    expect(sent.map(({ message, related }) => [message.method, message.params, related])).toEqual([
      ['elicitation/create', { message: 'Why?' }, 1],
      ['sampling/createMessage', { messages: [] }, 1]
    ])
    reply(1, { role: 'assistant' })
    await settle()
    expect(backend.calls).toHaveLength(1)
    expect(session.running).toBe(1)
    reply(0, { action: 'accept', content: {} })
    await settle()
    const retry = backend.calls[1]!
    expect(retry.request).toMatchObject({ method: 'tools/call', correlation: backend.calls[0]!.request.correlation })
    expect(retry.request.params).toEqual({ ...params, requestState: 'state', inputResponses: { why: { action: 'accept', content: {} }, text: { role: 'assistant' } } })
    retry.sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 9, progress: 1 } })
    retry.answer({ raw: '{"content":[]}', typed: false })
    await settle()
    expect(sent.slice(2).map(({ message }) => message.method ?? message.result)).toEqual(['notifications/progress', { content: [] }])
    expect(session.running).toBe(0)
  })

  test('may ask again after each answer, but not for ever', async () => {
    const { backend, sent, session, clock } = calling({ roots: {} })
    for (let round = 0; round < 33; round++) {
      backend.calls.at(-1)!.answer(asks({ r: { method: 'roots/list' } }, `s${round}`))
      await settle()
      const last = sent.at(-1)!.message
      if (last.method === 'roots/list') session.receive({ jsonrpc: '2.0', id: last.id!, result: { roots: [] } })
      await settle()
    }
    expect(sent.filter(({ message }) => message.method === 'roots/list')).toHaveLength(32)
    expect(sent.at(-1)?.message.error).toMatchObject({ code: -32603, data: { code: 'SKEIN_LIMIT' } })
    // The server hears that nobody comes back.
    clock.advance(1)
    expect(backend.calls.at(-1)).toMatchObject({ cancelled: expect.any(String), request: { params: { requestState: 's32' } } })
  })

  test.each([
    ['SKEIN_NO_PROVIDER', 'SKEIN_OUTCOME_UNKNOWN'],
    ['SKEIN_BAD_REQUEST', 'SKEIN_OUTCOME_UNKNOWN'],
    ['SKEIN_NOT_FOUND', 'SKEIN_OUTCOME_UNKNOWN'],
    ['SKEIN_UPSTREAM_DOWN', 'SKEIN_OUTCOME_UNKNOWN'],
    ['SKEIN_DEADLINE', 'SKEIN_DEADLINE'],
    ['SKEIN_UPSTREAM_INVALID', 'SKEIN_UPSTREAM_INVALID']
  ] as const)('and cannot be reached with the answer (%s): what the call did before is not known (%s)', async (code, seen) => {
    const { backend, sent, reply } = calling({ roots: {} })
    backend.calls[0]!.answer(asks({ r: { method: 'roots/list' } }))
    await settle()
    reply(0, { roots: [] })
    await settle()
    backend.calls[1]!.fail(new SkeinError(code, 'it is gone'))
    await settle()
    expect(sent.at(-1)?.message.error).toMatchObject({ data: { code: seen }, message: expect.stringContaining('it is gone') })
  })

  test('and was never asked fails as it does', async () => {
    const { backend, sent } = calling({ roots: {} })
    backend.calls[0]!.fail(new SkeinError('SKEIN_NO_PROVIDER', 'it is gone'))
    await settle()
    expect(sent.at(-1)?.message.error).toMatchObject({ data: { code: 'SKEIN_NO_PROVIDER' }, message: 'it is gone' })
  })

  test('without a state gets its retry without one', async () => {
    const { backend, reply } = calling({ roots: {} })
    backend.calls[0]!.answer({ result: { resultType: 'input_required', inputRequests: { r: { method: 'roots/list' } } } })
    await settle()
    reply(0, { roots: [] })
    await settle()
    expect(backend.calls[1]?.request.params).not.toHaveProperty('requestState')
  })

  test('that asks nothing is tried again after a pause', async () => {
    const { backend, clock, sent } = calling({})
    backend.calls[0]!.answer({ result: { resultType: 'input_required', requestState: 'later' } })
    await settle()
    expect(backend.calls).toHaveLength(1)
    clock.advance(250)
    expect(backend.calls[1]?.request.params).toMatchObject({ requestState: 'later' })
    expect(backend.calls[1]?.request.params).not.toHaveProperty('inputResponses')
    expect(sent).toEqual([])
  })

  test.each([
    [{ resultType: 'input_required' }],
    [{ resultType: 'input_required', inputRequests: {} }],
    [{ resultType: 'input_required', inputRequests: [1] }],
    [{ resultType: 'input_required', inputRequests: { a: { params: {} } } }],
    [{ resultType: 'input_required', inputRequests: { a: { method: 'roots/list', params: 3 } } }],
    [{ resultType: 'input_required', requestState: {} }]
  ])('in a way that cannot be read fails its call: %j', async (result) => {
    const { backend, sent } = calling({ roots: {} })
    backend.calls[0]!.answer({ result })
    await settle()
    expect(sent.map(({ message }) => message.error)).toMatchObject([{ code: -32603, data: { code: 'SKEIN_UPSTREAM_INVALID' } }])
  })

  test('may do so in any request: older servers ask whenever they like', async () => {
    const { backend, sent } = calling({ roots: {} }, { method: 'prompts/list', params: {} })
    backend.calls[0]!.answer(asks({ r: { method: 'roots/list' } }))
    await settle()
    expect(sent[0]?.message.method).toBe('roots/list')
  })
})

describe('a client that does not answer', () => {
  const question = asks({ q: { method: 'elicitation/create', params: {} } })

  test('but fails: its error goes to the server in place of an answer', async () => {
    const { backend, sent, session } = calling({ elicitation: {} })
    backend.calls[0]!.answer(question)
    await settle()
    session.receive({ jsonrpc: '2.0', id: sent[0]!.message.id!, error: { code: -1, message: 'no' } })
    await settle()
    expect(backend.calls[1]?.request.params['inputResponses']).toEqual({ q: { error: { code: -1, message: 'no' } } })
  })

  test('but fails, and the server asks the same again: the call ends with that error, nobody is asked twice', async () => {
    const { backend, sent, session, clock } = calling({ elicitation: {} })
    backend.calls[0]!.answer(question)
    await settle()
    session.receive({ jsonrpc: '2.0', id: sent[0]!.message.id!, error: { code: -1, message: 'no' } })
    await settle()
    backend.calls[1]!.answer(asks({ q: { method: 'elicitation/create', params: { changed: true } } }, 'next'))
    await settle()
    expect(sent.map(({ message }) => message.method ?? message.error)).toEqual(['elicitation/create', { code: -1, message: 'no' }])
    clock.advance(1)
    expect(backend.calls[2]).toMatchObject({ cancelled: expect.any(String), request: { params: { requestState: 'next' } } })
  })

  test('but fails, and the server asks something else: that is asked', async () => {
    const { backend, sent, session } = calling({ elicitation: {} })
    backend.calls[0]!.answer(question)
    await settle()
    session.receive({ jsonrpc: '2.0', id: sent[0]!.message.id!, error: { code: -1, message: 'no' } })
    await settle()
    backend.calls[1]!.answer(asks({ other: { method: 'elicitation/create', params: {} } }))
    await settle()
    expect(sent.map(({ message }) => message.method)).toEqual(['elicitation/create', 'elicitation/create'])
  })

  test.each([
    [{}, 'elicitation/create', {}],
    [{ elicitation: {} }, 'elicitation/create', { mode: 'url' }],
    [{ elicitation: { url: {} } }, 'elicitation/create', { mode: 'form' }],
    [{ elicitation: {} }, 'sampling/createMessage', {}],
    [{ sampling: {} }, 'roots/list', {}],
    [{ sampling: {}, elicitation: {}, roots: {} }, 'something/else', {}]
  ])('because with %j it cannot: %s %j is never asked', async (capabilities, method, params) => {
    const { backend, sent } = calling(capabilities)
    backend.calls[0]!.answer(asks({ q: { method, params } }))
    await settle()
    expect(sent).toEqual([])
    expect(backend.calls[1]?.request.params['inputResponses']).toMatchObject({ q: { error: { code: -32601 } } })
  })

  test.each([
    [{ elicitation: { url: {} } }, { mode: 'url' }],
    [{ elicitation: { form: {}, url: {} } }, { mode: 'form' }],
    [{ elicitation: {} }, { mode: 'form' }],
    [{ elicitation: {} }, {}]
  ])('but could: with %j it is asked %j', async (capabilities, params) => {
    const { backend, sent } = calling(capabilities)
    backend.calls[0]!.answer(asks({ q: { method: 'elicitation/create', params } }))
    await settle()
    expect(sent[0]?.message.method).toBe('elicitation/create')
  })

  test('because it takes no event stream: the server hears so', async () => {
    const { backend, state } = calling({ elicitation: {} })
    state.reachable = false
    backend.calls[0]!.answer(question)
    await settle()
    expect(backend.calls[1]?.request.params['inputResponses']).toMatchObject({ q: { error: { code: -32000, message: expect.stringContaining('event streams') } } })
  })

  test('in time: the server hears so before it stops waiting itself, the client need not answer any more', async () => {
    const { backend, sent, clock, reply } = calling({ elicitation: {} })
    backend.calls[0]!.answer(question)
    await settle()
    clock.advance(10 * 60_000 - 1)
    await settle()
    expect(sent.at(-1)?.message).toMatchObject({ method: 'notifications/cancelled', params: { requestId: sent[0]!.message.id } })
    expect(backend.calls[1]?.request.params['inputResponses']).toMatchObject({ q: { error: { message: expect.stringContaining('9.5 minutes') } } })
    reply(0, { action: 'accept' })
    await settle()
    expect(backend.calls).toHaveLength(2)
  })

  test('but cancels: the server hears of it by a try without answers that is cancelled once it is on its way', async () => {
    const { backend, sent, notify, session, dropped, clock } = calling({ elicitation: {} })
    backend.calls[0]!.answer(question)
    await settle()
    notify('notifications/cancelled', { requestId: 1, reason: 'enough' })
    await settle()
    expect(backend.calls[1]?.cancelled).toBeUndefined()
    clock.advance(1)
    const refusal = { error: { code: -32000, message: expect.stringContaining('enough') } }
    expect(backend.calls[1]).toMatchObject({ cancelled: 'enough', request: { params: { name: 'a__x', requestState: 'state', inputResponses: { q: refusal } } } })
    expect(sent.map(({ message }) => message.method)).toEqual(['elicitation/create', 'notifications/cancelled'])
    expect([dropped, session.running, clock.pending]).toEqual([[1], 0, 0])
  })

  test('but leaves: the same', async () => {
    const { backend, session, clock } = calling({ elicitation: {} })
    backend.calls[0]!.answer(question)
    await settle()
    session.close('the client left')
    await settle()
    clock.advance(1)
    expect(backend.calls[1]).toMatchObject({ cancelled: 'the client left', request: { params: { requestState: 'state' } } })
    expect(backend.ended).toEqual([session.id])
  })

  test('64 questions at most wait', async () => {
    const { backend, sent, session } = calling({ roots: {} })
    backend.calls[0]!.answer(asks(Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`q${index}`, { method: 'roots/list' }]))))
    await settle()
    expect(sent).toHaveLength(64)
    for (const { message } of sent.slice()) session.receive({ jsonrpc: '2.0', id: message.id!, result: { roots: [] } })
    await settle()
    expect(backend.calls[1]?.request.params['inputResponses']).toMatchObject({ q63: { roots: [] }, q64: { error: { data: { code: 'SKEIN_BUSY' } } } })
  })

  test('answers nobody asked for are ignored', () => {
    const { session, sent } = calling({})
    session.receive({ jsonrpc: '2.0', id: 'skein-9', result: {} })
    session.receive({ jsonrpc: '2.0', id: null, error: { code: 1, message: 'x' } })
    expect(sent).toEqual([])
  })
})
