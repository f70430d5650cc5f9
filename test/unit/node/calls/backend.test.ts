import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { ErrorCode } from '../../../../src/base/error-codes.ts'
import type { AttemptDone } from '../../../../src/node/calls/routes.ts'
import { CLIENT, createBackendWorld, OK, request, SELF, visibleServer } from '../../../support/backend-world.ts'
import { codeOf, flush, recordingSink } from '../../../support/mcp-calls.ts'

const failure = (code: ErrorCode) => new SkeinError(code, 'as told')
const call = (name: string, more = {}) => request('tools/call', { name, arguments: { a: 1 } }, more)
const FILES = visibleServer('files', {
  tools: ['read', 'write'],
  about: {
    capabilities: { prompts: {}, resources: { subscribe: true } },
    prompts: [{ name: 'review' }],
    resources: [{ name: 'a', uri: 'file:///a' }],
    resourceTemplates: [{ name: 'any', uriTemplate: 'file:///{path}' }]
  }
})

describe('the way of a call', () => {
  test('by its name in the view to the one provider, with the bare name inside and nothing else changed', async () => {
    const w = createBackendWorld(FILES)
    const sink = recordingSink()
    const running = w.backend.run(call('files__read', { timeout: 5_000 }), sink)
    expect(w.last()).toMatchObject({ peer: SELF, request: { server: 'files', method: 'tools/call', params: { name: 'read', arguments: { a: 1 } }, client: CLIENT, timeout: 5_000, correlation: 'c1' } })
    w.last().sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } })
    w.last().settle(OK)
    expect(await running.outcome).toBe(OK)
    expect(sink.notifications).toHaveLength(1)
  })

  test('under bare names in a view of one server, whose params are not even copied', () => {
    const w = createBackendWorld(visibleServer('files-abcdefgh', { name: 'files', tools: ['read'], providers: ['P-a'] }))
    const asked = call('read', { view: 'files-abcdefgh' })
    w.backend.run(asked, recordingSink())
    expect(w.last()).toMatchObject({ peer: 'P-a', digest: 'digest of read', request: { server: 'files' } })
    expect(w.last().request.params).toBe(asked.params)
  })

  test.each<[string, object, string]>([
    ['prompts/get', { name: 'review' }, 'files'],
    ['resources/read', { uri: 'file:///a' }, 'files'],
    ['resources/read', { uri: 'file:///other' }, 'files'],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'review' }, argument: {} }, 'files'],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'file:///{path}' }, argument: {} }, 'files']
  ])('%s %j in a wide view goes to the server that has it', (method, params, server) => {
    const w = createBackendWorld(FILES, visibleServer('other'))
    w.backend.run(request(method, { ...params }), recordingSink())
    expect(w.last().request).toMatchObject({ server, method, params })
  })

  test('everything of a one-server view goes there, lists too', () => {
    const w = createBackendWorld(FILES)
    for (const method of ['prompts/list', 'resources/list', 'resources/templates/list', 'prompts/get', 'resources/read', 'completion/complete']) {
      w.backend.run(request(method, { name: 'not listed', uri: 'x:y' }, { view: 'files' }), recordingSink())
      expect(w.last().request).toMatchObject({ server: 'files', method })
    }
  })

  test.each([
    ['a client that can be asked', '2025', { session: 'P-self/s1', capabilities: { sampling: {} } }, 'one', true],
    ['a client that cannot', '2025', { session: 'P-self/s1', capabilities: {} }, 'one', false],
    ['a client without a session', '2025', { session: undefined, capabilities: { sampling: {} } }, 'one', false],
    ['such a client with a server of the newer era', '2026', { session: 'P-self/s1', capabilities: { sampling: {} } }, 'one', false],
    ['such a client in a view of all', '2025', { session: 'P-self/s1', capabilities: { sampling: {} } }, undefined, false]
  ] as const)('a tool that no list has, for %s (%s): %j in view %s: %s', async (_, protocol, client, view, passed) => {
    const w = createBackendWorld(visibleServer('one', { name: 'bare', tools: ['listed'], providers: ['P-a'], timeout: 7_000, about: { protocol } }))
    const asked = call('hidden', { view, client: { ...CLIENT, ...client } })
    const { outcome } = w.backend.run(asked, recordingSink())
    if (!passed) {
      expect(await codeOf(outcome)).toBe('SKEIN_NOT_FOUND')
      return expect(w.calls).toEqual([])
    }
    expect(w.last()).toMatchObject({ peer: 'P-a', digest: undefined, request: { server: 'bare', timeout: 7_000 } })
    expect(w.last().request.params).toBe(asked.params)
    // Nobody said that it may run twice.
    w.last().fail(failure('SKEIN_OUTCOME_UNKNOWN'))
    expect(await codeOf(outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(w.calls).toHaveLength(1)
    w.backend.run(call('listed', { view, client: { ...CLIENT, ...client } }), recordingSink())
    expect(w.last()).toMatchObject({ digest: 'digest of listed', request: { params: { name: 'listed' } } })
    w.backend.run(request('tools/list', { cursor: 'c' }, { view, client: { ...CLIENT, ...client } }), recordingSink())
    expect(w.last()).toMatchObject({ peer: 'P-a', request: { server: 'bare', method: 'tools/list', params: { cursor: 'c' } } })
  })

  test('what is not there is not found, in the words of the specification', async () => {
    const w = createBackendWorld(FILES)
    const code = (method: string, params: object, view?: string) => codeOf(w.backend.run(request(method, { ...params }, { view }), recordingSink()).outcome)
    expect(await code('tools/call', { name: 'read' })).toBe('SKEIN_NOT_FOUND')
    expect(await code('tools/call', { name: 'files__read' }, 'files')).toBe('SKEIN_NOT_FOUND')
    expect(await code('tools/call', { name: 'read' }, 'nobody')).toBe('SKEIN_NOT_FOUND')
    expect(await code('prompts/get', { name: 'nope' })).toBe('SKEIN_NOT_FOUND')
    expect(await code('prompts/get', { name: 'nope' }, '@nope')).toBe('SKEIN_NOT_FOUND')
    expect(await code('resources/read', { uri: 'x:y' }, 'nobody')).toBe('SKEIN_NOT_FOUND')
    const read = await w.backend.run(request('resources/read', { uri: 'x:y' }), recordingSink()).outcome
    expect(read).toEqual({ error: { code: -32_602, message: 'Resource not found: x:y', data: { uri: 'x:y' } } })
    for (const [method, params, error] of [['tools/list', {}, -32_601], ['completion/complete', { ref: { type: 'x' } }, -32_602], ['completion/complete', {}, -32_602]] as const) {
      expect(await w.backend.run(request(method, { ...params }), recordingSink()).outcome).toMatchObject({ error: { code: error } })
    }
    expect(w.calls).toEqual([])
  })

  test("the time limit is the client's, else the server's, else the node's", () => {
    const w = createBackendWorld(visibleServer('a', { timeout: 70_000 }), visibleServer('b'))
    const limits = [call('a__t', { timeout: 5_000 }), call('a__t'), call('b__t')].map((asked) => {
      w.backend.run(asked, recordingSink())
      return w.last().request.timeout
    })
    expect(limits).toEqual([5_000, 70_000, 30_000])
  })

  test('cancelling reaches the provider', () => {
    const w = createBackendWorld(FILES)
    w.backend.run(call('files__read'), recordingSink()).cancel('enough')
    expect(w.last().cancelled).toEqual(['enough'])
  })
})

describe('when a provider fails', () => {
  const two = (repeatable = false) => visibleServer('s', { providers: ['P-a', 'P-b'], repeatable })

  test('a call that did not run goes to the other one, with what is left of the time', async () => {
    const w = createBackendWorld(two())
    const running = w.backend.run(call('s__t', { timeout: 10_000 }), recordingSink())
    const first = w.last().peer
    w.clock.advance(4_000)
    w.last().fail(failure('SKEIN_UPSTREAM_DOWN'))
    await flush()
    expect(w.calls.map(({ peer }) => peer).sort()).toEqual(['P-a', 'P-b'])
    expect(w.last().peer).not.toBe(first)
    expect(w.last().request.timeout).toBe(6_000)
    w.last().settle(OK)
    expect(await running.outcome).toBe(OK)
    expect(w.metric('skein_calls_retries_total', 'next')).toBe(1)
  })

  test('progress gives it the whole time again', async () => {
    const w = createBackendWorld(two())
    w.backend.run(call('s__t', { timeout: 10_000 }), recordingSink()).outcome.catch(() => {})
    w.clock.advance(9_000)
    w.last().sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: {} })
    w.last().fail(failure('SKEIN_BUSY'))
    await flush()
    expect(w.last().request.timeout).toBe(10_000)
  })

  test.each<[boolean, ErrorCode, number, string]>([
    [false, 'SKEIN_OUTCOME_UNKNOWN', 1, 'SKEIN_OUTCOME_UNKNOWN'],
    [false, 'SKEIN_DEADLINE', 1, 'SKEIN_OUTCOME_UNKNOWN'],
    [false, 'SKEIN_NOT_FOUND', 2, 'SKEIN_NOT_FOUND'],
    [true, 'SKEIN_OUTCOME_UNKNOWN', 5, 'SKEIN_OUTCOME_UNKNOWN'],
    [true, 'SKEIN_DEADLINE', 1, 'SKEIN_DEADLINE']
  ])('repeatable %s, %s: %i attempts, then %s', async (repeatable, code, attempts, told) => {
    const w = createBackendWorld(two(repeatable))
    const { outcome } = w.backend.run(call('s__t'), recordingSink())
    const said = codeOf(outcome)
    for (let n = 0; n < 6; n++) {
      w.last().fail(failure(code))
      await flush()
    }
    expect(w.calls).toHaveLength(attempts)
    expect(await said).toBe(told)
  })

  test('a provider that went is not asked again, a new one is', async () => {
    const w = createBackendWorld(visibleServer('s', { providers: ['P-a'], repeatable: true }))
    const running = w.backend.run(call('s__t'), recordingSink())
    w.show(visibleServer('s', { providers: ['P-c'], repeatable: true }))
    w.last().fail(failure('SKEIN_OUTCOME_UNKNOWN'))
    await flush()
    expect(w.last().peer).toBe('P-c')
    w.show()
    w.last().fail(failure('SKEIN_OUTCOME_UNKNOWN'))
    expect(await codeOf(running.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
  })

  test('a cancelled call is not tried elsewhere', async () => {
    const w = createBackendWorld(two())
    const running = w.backend.run(call('s__t'), recordingSink())
    running.cancel('enough')
    w.last().fail(failure('SKEIN_UPSTREAM_DOWN'))
    expect(await codeOf(running.outcome)).toBe('SKEIN_CANCELLED')
    expect(w.calls).toHaveLength(1)
  })
})

describe('clients for which a server may keep something', () => {
  const asking = { ...CLIENT, capabilities: { sampling: {} } }
  const many = () => visibleServer('s', { providers: ['P-a', 'P-b', 'P-c', 'P-d'], repeatable: true })

  test('stay with their provider, others are spread', () => {
    const w = createBackendWorld(many())
    const peersOf = (client: typeof CLIENT, calls = 20) => {
      for (let n = 0; n < calls; n++) w.backend.run(call('s__t', { client }), recordingSink())
      return new Set(w.calls.splice(0).map(({ peer }) => peer)).size
    }
    expect(peersOf(asking)).toBe(1)
    expect(peersOf({ ...asking, session: undefined })).toBeGreaterThan(1)
    expect(peersOf(CLIENT)).toBeGreaterThan(1)
  })

  test('and hear its news there', () => {
    for (let round = 0; round < 8; round++) {
      const w = createBackendWorld(many())
      w.backend.run(call('s__t', { client: asking }), recordingSink())
      const { peer } = w.last()
      w.backend.listen({ view: 's', client: asking, resources: [] }, recordingSink())
      expect(w.last()).toMatchObject({ peer, request: { method: 'subscriptions/listen' } })
    }
  })

  test('move when it fails, and stay with the next', async () => {
    const w = createBackendWorld(many())
    w.backend.run(call('s__t', { client: asking }), recordingSink())
    const first = w.last().peer
    w.last().fail(failure('SKEIN_BUSY'))
    await flush()
    const second = w.last().peer
    expect(second).not.toBe(first)
    for (let n = 0; n < 10; n++) {
      w.backend.run(call('s__t', { client: asking }), recordingSink())
      expect(w.last().peer).toBe(second)
    }
    w.backend.endSession(`${SELF}/s1`)
    expect(new Set(w.ended)).toEqual(new Set([`${SELF}/s1@local`, `${SELF}/s1@${first}`, `${SELF}/s1@${second}`]))
  })
})

describe('the trace of a call', () => {
  test('has every attempt, in order, with what was expected and what came of it', async () => {
    const w = createBackendWorld(visibleServer('s', { providers: ['P-a', 'P-b'] }))
    const attempts: AttemptDone[] = []
    const { outcome } = w.backend.run({ ...call('s__t'), onAttempt: (attempt) => void attempts.push(attempt) }, recordingSink())
    const first = w.last().peer
    w.clock.advance(5)
    w.last().fail(failure('SKEIN_UPSTREAM_DOWN'))
    await flush()
    w.clock.advance(30)
    w.last().settle(OK)
    await outcome
    expect(attempts).toEqual([
      { peer: first, why: 'lighter', expected: expect.any(Number), ended: 'SKEIN_UPSTREAM_DOWN', ms: 5, via: [] },
      { peer: first === 'P-a' ? 'P-b' : 'P-a', why: 'only', expected: expect.any(Number), ended: 'ok', ms: 30, via: [] }
    ])
  })

  test('explains a tool as a call would go, and knows no others', () => {
    const w = createBackendWorld(visibleServer('s', { providers: [SELF, 'P-a'] }))
    expect(w.backend.explain('s__t')).toMatchObject({ target: { server: 's', tool: 't' }, explanation: { choice: { peer: SELF, why: 'local' }, candidates: [{ peer: SELF }, { peer: 'P-a' }] } })
    expect(w.backend.explain('s__nope')).toBeUndefined()
    expect(w.calls).toEqual([])
  })
})

describe('questions of a server', () => {
  const asks = { result: { resultType: 'input_required', inputRequests: { a: { method: 'roots/list', params: {} } }, requestState: 'ticket' } }
  const answers = { inputResponses: { a: { roots: [] } } }

  async function asked(w: ReturnType<typeof createBackendWorld>) {
    const { outcome } = w.backend.run(call('s__t'), recordingSink())
    w.last().settle(asks)
    const { result } = (await outcome) as typeof asks
    return { state: result.requestState, peer: w.last().peer }
  }
  const retry = (state: string) => request('tools/call', { name: 's__t', arguments: {}, ...answers, requestState: state })

  test('the retry goes to the provider that asked, with its own state', async () => {
    for (let round = 0; round < 8; round++) {
      const w = createBackendWorld(visibleServer('s', { providers: ['P-a', 'P-b', 'P-c'] }))
      const { state, peer } = await asked(w)
      w.backend.run(retry(state), recordingSink())
      expect(w.last()).toMatchObject({ peer, request: { params: { name: 't', ...answers, requestState: 'ticket' } } })
    }
  })

  test.each<[ErrorCode, string]>([['SKEIN_UPSTREAM_DOWN', 'SKEIN_UPSTREAM_DOWN'], ['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_OUTCOME_UNKNOWN'], ['SKEIN_DEADLINE', 'SKEIN_OUTCOME_UNKNOWN']])(
    'and nowhere else, nor twice: %s', async (code, told) => {
      const w = createBackendWorld(visibleServer('s', { providers: ['P-a', 'P-b'], repeatable: true }))
      const { state } = await asked(w)
      const { outcome } = w.backend.run(retry(state), recordingSink())
      w.last().fail(failure(code))
      expect(await codeOf(outcome)).toBe(told)
      expect(w.calls).toHaveLength(2)
    }
  )

  test('a state that is not ours, or of a node that does not offer this, is a bad request', async () => {
    const w = createBackendWorld(visibleServer('s', { providers: ['P-a'] }), visibleServer('other', { providers: ['P-b'] }))
    const { state } = await asked(w)
    for (const wrong of ['ticket', state.replace('P-a', 'P-b'), `${state}!`]) {
      expect(await codeOf(w.backend.run(retry(wrong), recordingSink()).outcome)).toBe('SKEIN_BAD_REQUEST')
    }
    w.show(visibleServer('s', { providers: ['P-z'] }))
    expect(await codeOf(w.backend.run(retry(state), recordingSink()).outcome)).toBe('SKEIN_BAD_REQUEST')
    expect(w.calls).toHaveLength(1)
  })
})

describe('views', () => {
  test('are the same object until something changes, and stay it where that changes nothing', async () => {
    const w = createBackendWorld(FILES, visibleServer('other'))
    const [wide, files, other] = [undefined, 'files', 'other'].map((view) => w.backend.lists(view))
    expect(w.backend.lists('nobody')).toBeUndefined()
    expect(w.backend.lists('@nobody')).toBeUndefined()
    expect(w.backend.lists(undefined)).toBe(wide)
    let heard = 0
    const stop = w.backend.onChanged(() => heard++)
    w.show(FILES, visibleServer('other', { tools: ['more'] }))
    w.backend.changed()
    expect(heard).toBe(0)
    await flush()
    expect(heard).toBe(1)
    expect(w.backend.lists('files')).toBe(files)
    expect(w.backend.lists('other')).not.toBe(other)
    expect(w.backend.lists(undefined)?.tools.map(({ name }) => name)).toEqual(['files__read', 'files__write', 'other__more'])
    stop()
    w.show()
    await flush()
    expect(heard).toBe(1)
    expect(w.backend.lists('files')).toBeUndefined()
  })

  test('a server without tools has one', () => {
    const w = createBackendWorld(visibleServer('words', { tools: [], about: { capabilities: { prompts: {} }, prompts: [{ name: 'p' }] } }))
    expect(w.backend.lists('words')?.prompts).toEqual([{ name: 'p' }])
    expect(w.backend.lists(undefined)?.prompts).toEqual([{ name: 'p' }])
  })

  test('configured ones appear, rename and go with the configuration', () => {
    const w = createBackendWorld(FILES)
    w.configure({ name: 'safe', mode: 'list', allow: ['*'], deny: ['*__write'], rename: { files__read: 'look' } })
    expect(w.backend.lists('@safe')?.tools.map(({ name }) => name)).toEqual(['look'])
    w.backend.run(call('look', { view: '@safe' }), recordingSink())
    expect(w.last().request.params['name']).toBe('read')
    w.configure()
    expect(w.backend.lists('@safe')).toBeUndefined()
  })

  test('the search view answers by itself, and runs the tool that call_tool names', async () => {
    const w = createBackendWorld(FILES)
    const run = (name: string, args: object) => w.backend.run(request('tools/call', { name, arguments: args }, { view: '@search' }), recordingSink())
    expect(await run('search_tools', { query: 'read' }).outcome).toMatchObject({ result: { structuredContent: expect.anything() } })
    expect(w.calls).toHaveLength(0)
    const running = run('call_tool', { name: 'files__read', arguments: { path: 'x' } })
    expect(w.last().request).toMatchObject({ server: 'files', params: { name: 'read', arguments: { path: 'x' } } })
    w.last().settle(OK)
    expect(await running.outcome).toBe(OK)
    expect(await codeOf(run('no_such', {}).outcome)).toMatch(/resolved|SKEIN_NOT_FOUND/)
  })
})

test('the end of a session is told to this node and to the providers that served it', () => {
  const w = createBackendWorld(visibleServer('a', { providers: ['P-a'] }), visibleServer('b', { providers: ['P-b'] }), visibleServer('c'))
  for (const name of ['a__t', 'a__t', 'c__t']) w.backend.run(call(name), recordingSink())
  w.backend.run(call('b__t', { client: { ...CLIENT, session: undefined } }), recordingSink())
  w.backend.endSession(`${SELF}/s1`)
  w.backend.endSession(`${SELF}/s1`)
  expect(w.ended).toEqual([`${SELF}/s1@local`, `${SELF}/s1@P-a`, `${SELF}/s1@local`])
})
