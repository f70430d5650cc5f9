import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import type { CallSink, McpOutcome, McpRequest, RunningCall } from '../../../../src/mcp/ports.ts'
import { createRemoteRunner } from '../../../../src/node/calls/mcp-over-rpc.ts'
import { serveMcpCalls, type ServeDeps } from '../../../../src/node/calls/serve-mcp.ts'
import type { ServerExchange } from '../../../../src/rpc/types.ts'
import { encodeMcpCall } from '../../../../src/wire/mcp-call.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { codeOf, mcpRequest, recordingSink, toolCall, type CallOptions } from '../../../support/mcp-calls.ts'
import { directReach } from '../../../support/direct-reach.ts'
import { createConnected } from '../../../support/rpc-net.ts'

interface Served {
  request: McpRequest
  sink: CallSink
  settle(outcome: McpOutcome): void
  fail(error: Error): void
  cancelled: string[]
}

/** Node `a` as edge, node `b` as provider whose upstream is the test. */
async function setup(check: ServeDeps['check'] = () => {}) {
  const { net, a, b } = await createConnected()
  const served: Served[] = []
  const ended: string[] = []
  const local = {
    run(request: McpRequest, sink: CallSink): RunningCall {
      const { promise, resolve, reject } = Promise.withResolvers<McpOutcome>()
      const cancelled: string[] = []
      served.push({ request, sink, settle: resolve, fail: reject, cancelled })
      return {
        outcome: promise,
        cancel(reason) {
          cancelled.push(reason)
          reject(new SkeinError('SKEIN_CANCELLED', reason))
        }
      }
    },
    endSession: (session: string) => void ended.push(session),
    load: (server: string) => ({ running: server.length, waiting: 3 })
  }
  const serving = serveMcpCalls({ rpc: b.rpc, clock: net.clock, logger: silentLogger, local, check })
  const remote = createRemoteRunner(directReach(a.rpc), silentLogger)
  async function run(request: McpRequest, digest?: string) {
    const sink = recordingSink()
    const running = remote.run('b', digest, request, sink)
    running.outcome.catch(() => {})
    await net.run()
    return { running, sink, at: served.at(-1) as Served }
  }
  return { net, b, remote, serving, served, ended, run }
}
const call = (options: CallOptions = {}) => toolCall('s', 't', { session: 'a/1', ...options })
const progress = (n: number) => ({ jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken: 7, progress: n } })

describe('MCP over a hop', () => {
  test.each<[string, CallOptions]>([
    ['a session', { capabilities: { roots: {} }, logLevel: 'warning' }],
    ['a session that hears what its server likes', {}],
    ['a stateless client', { session: null }],
    ['a stateless client that wants logs', { session: null, logLevel: 'debug' }]
  ])('carries the request of %s unchanged', async (_, options) => {
    const { net, run } = await setup()
    const request = { ...call({ token: 7, params: { inputResponses: { k: { a: 1 } }, requestState: 'x' }, ...options }), timeout: 4_000, trace: { traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 2), flags: 1 } }
    const { at } = await run(request)
    expect({ ...at.request, timeout: 0, trace: undefined }).toEqual({ ...request, timeout: 0, trace: undefined })
    expect(Buffer.from(at.request.trace?.traceId ?? []).toString('hex')).toBe('01'.repeat(16))
    expect(at.request.timeout).toBeGreaterThan(3_900)
    await net.run()
  })

  test.each<[string, McpOutcome, McpOutcome?]>([
    ['raw text', { raw: '{"content":[{"text":"größe \\n"}]}', typed: false }],
    ['typed raw text', { raw: '{"resultType":"complete"}', typed: true }],
    ['a result that was read', { result: { tools: [] } }, { raw: '{"tools":[]}', typed: false }],
    ['a typed one', { result: { resultType: 'complete' } }, { raw: '{"resultType":"complete"}', typed: true }],
    ['a question', { result: { resultType: 'input_required', inputRequests: {}, requestState: 's' } }],
    ['an error', { error: { code: -1, message: 'no', data: [1] } }]
  ])('brings back %s', async (_, outcome, seen = outcome) => {
    const { net, run } = await setup()
    const { running, at } = await run(call())
    at.settle(outcome)
    await net.run()
    expect(await running.outcome).toEqual(seen)
  })

  test('brings notifications in order, all before the answer, and they renew the time limit at both ends', async () => {
    const { net, run } = await setup()
    const { running, sink, at } = await run(call({ timeout: 1_000 }))
    for (let n = 0; n < 50; n++) {
      at.sink.notification(progress(n))
      await net.advance(100)
    }
    at.sink.notification(progress(50))
    at.settle({ raw: '{}', typed: false })
    await net.run()
    expect(await running.outcome).toEqual({ raw: '{}', typed: false })
    expect(sink.notifications).toEqual(Array.from({ length: 51 }, (_, n) => progress(n)))
  })

  test('each answer brings the load of its server, a failure none', async () => {
    const { net, run } = await setup()
    const answered = await run(toolCall('files', 't', { session: 'a/1' }))
    expect(answered.running.load).toBeUndefined()
    answered.at.settle({ error: { code: -1, message: 'no' } })
    const failed = await run(call())
    failed.at.fail(new SkeinError('SKEIN_BUSY', 'full'))
    await net.run()
    expect([answered.running.load, failed.running.load]).toEqual([{ running: 5, waiting: 3 }, undefined])
  })

  test("keeps the provider's error codes, and cancels the upstream when the edge does or the time is over", async () => {
    const { net, run } = await setup()
    const down = await run(call())
    down.at.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'gone'))
    await net.run()
    expect(await codeOf(down.running.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    const left = await run(call())
    left.running.cancel('enough')
    await net.run()
    expect(left.at.cancelled).toHaveLength(1)
    expect(await codeOf(left.running.outcome)).toBe('SKEIN_CANCELLED')
    const late = await run(call({ timeout: 500 }))
    await net.advance(1_000)
    expect(late.at.cancelled).toHaveLength(1)
    expect(await codeOf(late.running.outcome)).toBe('SKEIN_DEADLINE')
  })

  test('a limit that runs out here and at the caller at once is the limit of the server, not called off', async () => {
    const { net, run } = await setup()
    const { at, running } = await run(call({ timeout: 500 }))
    await net.advance(510)
    expect(await codeOf(running.outcome)).toBe('SKEIN_DEADLINE')
    at.fail(new SkeinError('SKEIN_OUTCOME_UNKNOWN', 'it did not answer in time'))
    await net.advance(1_000)
    expect(at.cancelled).toEqual([])
  })

  test('runs nothing for a foreign session, an unknown method, or what is not published', async () => {
    const asked: unknown[][] = []
    const { net, run, served } = await setup((...args) => {
      asked.push(args)
      throw new SkeinError('SKEIN_NOT_FOUND', 'not here')
    })
    const codes = []
    for (const request of [call({ session: 'b/1' }), mcpRequest('s', 'initialize', {}, { session: 'a/1' }), mcpRequest('s', 'logging/setLevel', {}, { session: 'a/1' })]) codes.push(await codeOf((await run(request)).running.outcome))
    expect(codes).toEqual(['SKEIN_BAD_REQUEST', 'SKEIN_BAD_REQUEST', 'SKEIN_BAD_REQUEST'])
    expect(await codeOf((await run(call(), 'd1')).running.outcome)).toBe('SKEIN_NOT_FOUND')
    expect(await codeOf((await run(mcpRequest('s', 'prompts/get', { name: 'p' }, { session: null }))).running.outcome)).toBe('SKEIN_NOT_FOUND')
    expect(asked).toEqual([['s', 't', 'd1'], ['s', undefined, undefined]])
    expect(served).toEqual([])
    await net.run()
  })

  test('a listen stays open for hours by the renewals of its provider, and ends when cancelled', async () => {
    const { net, run } = await setup()
    const listen = mcpRequest('s', 'subscriptions/listen', { notifications: { resourceSubscriptions: ['x:1'] } }, { session: null, timeout: 60_000 })
    const { running, sink, at } = await run(listen)
    let over = false
    running.outcome.catch(() => (over = true))
    await net.advance(30 * 60_000)
    at.sink.notification({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'x:1' } })
    await net.run()
    expect(sink.notifications).toHaveLength(1)
    expect([over, at.cancelled]).toEqual([false, []])
    const before = net.clock.pending
    running.cancel('the client left')
    await net.run()
    expect(at.cancelled).toHaveLength(1)
    expect(net.clock.pending).toBeLessThan(before)
  })

  test('a call that ended, in whatever way, counts no more for the share of its node', async () => {
    const { net, run } = await setup()
    for (let n = 0; n < 200; n++) {
      const { running, at } = await run(call())
      if (n % 3 === 0) at.settle({ raw: '{}', typed: false })
      else if (n % 3 === 1) at.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'gone'))
      else running.cancel('enough')
      await net.run()
      expect(await codeOf(running.outcome)).toBe(['resolved', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_CANCELLED'][n % 3])
    }
  })

  test('a provider that leaves ends its listens, and nothing else', async () => {
    const { net, b, serving, run } = await setup()
    const listen = await run(mcpRequest('s', 'subscriptions/listen', {}, { session: null, timeout: 60_000 }))
    const other = await run(call())
    let idle = false
    void b.rpc.idle().then(() => (idle = true))
    serving.drain()
    await net.run()
    expect(await listen.running.outcome).toEqual({ raw: '{}', typed: false })
    expect(listen.at.cancelled).toEqual(['the node is leaving'])
    expect([other.at.cancelled, idle]).toEqual([[], false])
    other.at.settle({ raw: '{}', typed: false })
    await net.run()
    expect(idle).toBe(true)
  })

  test('a session of the edge is ended, one of another node is not', async () => {
    const { net, remote, ended } = await setup()
    remote.endSession('b', 'a/1')
    remote.endSession('b', 'c/1')
    await net.run()
    expect(ended).toEqual(['a/1'])
  })
})

describe('a provider that does not keep to the protocol', () => {
  async function hostile(serve: (exchange: ServerExchange) => void) {
    const { net, a, b } = await createConnected()
    b.rpc.handle(METHOD.MCP_CALL, serve)
    const sink = recordingSink()
    const running = createRemoteRunner(directReach(a.rpc), silentLogger).run('b', undefined, call(), sink)
    const told = running.outcome.then((outcome) => outcome, (error: { code: string }) => error.code)
    await net.run()
    return { sink, told: await told }
  }
  const tagged = (kind: number, text: string) => Buffer.concat([Buffer.of(kind), Buffer.from(text)])

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['a kind alone', tagged(0, '')],
    ['an unknown kind', tagged(8, '\0\0\0\0{}')],
    ['a load that is cut off', tagged(4, '{}')],
    ['a load and nothing else', tagged(4, '\0\0\0\0')],
    ['a load and no object', tagged(5, '\0\0\0\0[]')],
    ['a question with a load that is none', tagged(6, '\0\0\0\0{}')],
    ['no object', tagged(0, '[]')],
    ['one brace', tagged(1, '{')],
    ['line breaks', tagged(1, '{"a":\n1}')],
    ['line breaks of another system', tagged(0, '{\r}')],
    ['a question that is none', tagged(2, '{"resultType":"complete"}')],
    ['an error without a code', tagged(3, '{"message":"x"}')],
    ['an error that is no JSON', tagged(3, 'x')]
  ])('an answer of %s is its fault, never an empty success', async (_, body) => {
    expect((await hostile((exchange) => exchange.end(body))).told).toBe('SKEIN_UPSTREAM_INVALID')
  })

  test('messages that are no notifications are dropped, the call goes on', async () => {
    const { sink, told } = await hostile((exchange) => {
      for (const text of ['', 'x', '[]', '{}', '{"id":1,"method":"roots/list"}', '{"id":1,"result":{}}', '{"method":7}', '{"method":"a","params":[]}', '{"jsonrpc":"2.0","method":"ok"}']) exchange.send(Buffer.from(text), { renew: true })
      exchange.end(tagged(0, '{}'))
    })
    expect(sink.notifications).toEqual([{ jsonrpc: '2.0', method: 'ok' }])
    expect(told).toEqual({ raw: '{}', typed: false })
  })
})

test('a head over its limit is refused before anything is sent', () => {
  const head = { server: 's', method: 'm', client: { clientInfo: { name: 'n', version: 'v' }, capabilities: { x: 'x'.repeat(70_000) } } }
  expect(() => encodeMcpCall(head, '{}')).toThrow(expect.objectContaining({ code: 'SKEIN_LIMIT' }))
})
