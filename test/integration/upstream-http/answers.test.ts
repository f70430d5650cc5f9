import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { waitUntil } from '../../support/wait-until.ts'
import { connect, errorOf, json, reading, result, serve, session, type Posted } from './setup.ts'

const event = (data: unknown, id?: string) => `${id === undefined ? '' : `id: ${id}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const progress = (step: number) => ({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: step } })
const stream = { 'content-type': 'text/event-stream; charset=utf-8' }
const steps = (received: { message: object }[]) => received.flatMap(({ message }) => ('method' in message ? [(message as unknown as { params: { progress: number } }).params.progress] : []))

describe('what is sent', () => {
  test('an old server gets session, version and configured headers with everything, and DELETE at the end', async () => {
    const seen: Posted[] = []
    const { url } = await serve(
      session((posted, response) => {
        seen.push(posted)
        if (posted.method !== 'POST') return void response.writeHead(posted.method === 'GET' ? 405 : 200).end()
        json(response, result(posted))
      })
    )
    const client = await connect({ url, headers: { Authorization: 'Bearer x', 'Content-Type': 'text/wrong', ACCEPT: 'text/wrong' } })
    await client.initialize('2025-06-18')
    await client.ask(1, 'tools/list')
    await client.transport.close()
    const common = { authorization: 'Bearer x', 'mcp-session-id': 's1', 'mcp-protocol-version': '2025-11-25' }
    const post = seen.find(({ method }) => method === 'POST')
    expect(post?.headers).toMatchObject({ ...common, 'content-type': 'application/json', accept: 'application/json, text/event-stream' })
    expect(post?.headers['mcp-method']).toBeUndefined()
    expect(seen.find(({ method }) => method === 'GET')?.headers).toMatchObject({ ...common, accept: 'text/event-stream' })
    expect(seen.at(-1)).toMatchObject({ method: 'DELETE', headers: common })
    expect(client.noise).toEqual([])
  })

  test('a new one gets what its envelope and its sender say, and no session', async () => {
    const seen: Posted[] = []
    const { url } = await serve(
      session((posted, response) => {
        seen.push(posted)
        json(response, result(posted))
      })
    )
    const client = await connect({ url, headers: { 'X-Key': 'k', 'mcp-name': 'wrong' } })
    // Even beside an old session, as when the era is still being found out; the DELETE is for that one.
    await client.ask(0, 'initialize', {})
    await client.askModern(1, 'tools/call', { name: 'echo' })
    await client.transport.close()
    expect(seen).toHaveLength(2)
    expect(seen[0]?.headers).toMatchObject({ 'x-key': 'k', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'echo' })
    expect(seen[0]?.headers['mcp-session-id']).toBeUndefined()
    expect(seen[1]?.method).toBe('DELETE')
  })

  test('nothing overtakes initialized, and the first request finds the stream of the server open', async () => {
    const order: string[] = []
    const note = (posted: Posted) => order.push(posted.message?.method ?? String(posted.method))
    const { url } = await serve(
      reading((posted, response) => {
        if (posted.message?.method === 'notifications/initialized') {
          return void setTimeout(() => {
            note(posted)
            response.writeHead(202).end()
          }, 50)
        }
        note(posted)
        if (posted.method === 'GET') return void response.writeHead(200, stream).flushHeaders()
        if (posted.message?.id !== undefined) json(response, result(posted, { protocolVersion: '2025-11-25' }), 200, { 'mcp-session-id': 's' })
        else response.writeHead(202).end()
      })
    )
    const client = await connect({ url })
    await client.ask(0, 'initialize', {})
    const greeting = client.transport.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
    const first = client.ask(1, 'tools/list')
    const withdrawn = errorOf(client.ask(2, 'tools/call'))
    await client.transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } })
    await Promise.all([greeting, first, withdrawn])
    expect(order).toEqual(['initialize', 'notifications/initialized', 'GET', 'tools/list'])
  })

  test('a server that does not open its stream before it has something to say is not waited for', async () => {
    const { url } = await serve(
      session((posted, response) => {
        if (posted.method === 'POST') json(response, result(posted))
      })
    )
    const client = await connect({ url })
    await client.initialize()
    expect((await client.ask(1, 'tools/list')).result).toEqual({})
  })

  test('cancelling closes the stream of a new request, and tells an old server, which may still answer', async () => {
    const told: unknown[] = []
    let closed = 0
    const { url } = await serve(
      session((posted, response) => {
        if (posted.method !== 'POST') return void response.writeHead(405).end()
        if (posted.message?.id === undefined) {
          told.push(posted.message?.params)
          return void response.writeHead(202).end()
        }
        response.on('close', () => (closed += 1))
        response.writeHead(200, stream).write(event(progress(1)))
      })
    )
    const client = await connect({ url })
    await client.initialize()
    const modern = client.askModern(1, 'tools/call', { name: 'hang' })
    const legacy = errorOf(client.ask(2, 'tools/call', { name: 'hang' }))
    await waitUntil('both run', () => steps(client.received).length === 2)
    await client.transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, reason: 'r' } })
    await errorOf(modern)
    await waitUntil('its stream is closed', () => closed === 1)
    await client.transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2, reason: 'r' } })
    await client.transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3, reason: 'long answered' } })
    expect(told).toEqual([{ requestId: 2, reason: 'r' }])
    expect(closed).toBe(1)
    await client.transport.close()
    expect((await legacy).code).toBe('SKEIN_OUTCOME_UNKNOWN')
  })
})

describe('refusals', () => {
  const refusing = (status: number, body: unknown, type = 'application/json') =>
    serve(
      session((posted, response) => {
        if (posted.method !== 'POST') return void response.writeHead(405).end()
        response.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body))
      })
    )
  const error = { code: -32602, message: 'no such tool', data: { x: 1 } }

  test.each([
    ['its own id', { jsonrpc: '2.0', id: 1, error }],
    ['id null', { jsonrpc: '2.0', id: null, error }],
    ['no id', { jsonrpc: '2.0', error }]
  ])('an error in a 400 with %s is the answer to the request', async (_what, body) => {
    const client = await connect({ url: (await refusing(400, body)).url })
    expect((await client.askModern(1, 'tools/call', { name: 'x' })).error).toEqual(error)
    await client.initialize()
    expect((await client.ask(2, 'tools/call')).error).toEqual(error)
    expect(client.closes).toEqual([])
  })

  test.each([
    [400, 'no such thing', 'SKEIN_UPSTREAM_DOWN'],
    [401, { jsonrpc: '2.0', id: 1, error }, 'SKEIN_UPSTREAM_DOWN'],
    [403, 'forbidden', 'SKEIN_UPSTREAM_DOWN'],
    [404, 'Cannot POST /mcp', 'SKEIN_UPSTREAM_DOWN'],
    [429, '', 'SKEIN_BUSY'],
    [500, { jsonrpc: '2.0', id: 1, error }, 'SKEIN_OUTCOME_UNKNOWN'],
    [503, '<html>', 'SKEIN_OUTCOME_UNKNOWN']
  ])('HTTP %i with %j rejects, with its status', async (status, body, code) => {
    const client = await connect({ url: (await refusing(status, body, 'text/plain')).url })
    const failure = await errorOf(client.askModern(1, 'server/discover'))
    expect(failure).toMatchObject({ code, data: { status } })
    expect(client.closes).toEqual([])
    expect(client.received).toEqual([])
  })

  test.each([
    [404, 'Not Found'],
    [400, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request: No valid session ID provided' } }]
  ])('HTTP %i to a session means that the server forgot it: the request was not run and the link ends', async (status, body) => {
    const client = await connect({ url: (await refusing(status, body)).url })
    await client.initialize()
    expect(await errorOf(client.ask(1, 'tools/list'))).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    await waitUntil('the link is over', () => client.closes.length > 0)
    expect(client.closes[0]).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
  })

  test('requests on their way when the session is lost have their own end each: not run, answered, or not known', async () => {
    const waiting: Record<string, Parameters<Parameters<typeof session>[0]>[1]> = {}
    const { url } = await serve(
      session((posted, response) => {
        if (posted.method !== 'POST') return void response.writeHead(405).end()
        waiting[String(posted.message?.id)] = response
      })
    )
    const client = await connect({ url })
    await client.initialize()
    const asked = [1, 2, 3, 4].map((id) => client.ask(id, 'tools/call').catch((failure: unknown) => failure))
    await waitUntil('the server has all four', () => Object.keys(waiting).length === 4)
    for (const id of [1, 2]) {
      waiting[id]?.writeHead(404).end()
      await asked[id - 1]
    }
    json(waiting[3] as NonNullable<(typeof waiting)[3]>, { jsonrpc: '2.0', id: 3, result: { done: true } })
    expect(await Promise.all(asked)).toMatchObject([{ code: 'SKEIN_UPSTREAM_DOWN' }, { code: 'SKEIN_UPSTREAM_DOWN' }, { result: { done: true } }, { code: 'SKEIN_OUTCOME_UNKNOWN' }])
    expect(client.closes).toHaveLength(1)
    expect(await errorOf(client.ask(5, 'tools/call'))).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
  })

  test('a dislike of initialized is noise, and the server is used all the same', async () => {
    const { url } = await serve(
      reading((posted, response) => {
        if (posted.message?.method === 'notifications/initialized') return json(response, { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'what is that?' } }, 400)
        if (posted.method === 'GET') return void response.writeHead(405).end()
        json(response, result(posted, { protocolVersion: '2025-03-26' }))
      })
    )
    const client = await connect({ url })
    await client.initialize()
    expect((await client.ask(1, 'tools/list')).result).toBeDefined()
    expect(client.noise.join()).toContain('what is that?')
  })
})

describe('answers', () => {
  const answering = (answer: (posted: Posted, response: Parameters<Parameters<typeof session>[0]>[1]) => void) =>
    serve(
      session((posted, response) => {
        if (posted.method === 'POST') answer(posted, response)
        else response.writeHead(405).end()
      })
    )

  test.each<[string, (posted: Posted) => string, string | undefined]>([
    ['compact JSON', (posted) => JSON.stringify(result(posted, { a: 1 })), '{"a":1}'],
    ['pretty JSON', (posted) => JSON.stringify(result(posted, { a: 1 }), null, 2), undefined],
    ['the id as text', (posted) => JSON.stringify({ ...result(posted, { a: 1 }), id: String(posted.message?.id) }), undefined],
    ['a byte order mark', (posted) => `\uFEFF${JSON.stringify(result(posted, { a: 1 }))}`, '{"a":1}'],
    ['a batch', (posted) => JSON.stringify([progress(1), result(posted, { a: 1 })]), undefined]
  ])('%s', async (_what, body, resultText) => {
    const { url } = await answering((posted, response) => json(response, body(posted)))
    const client = await connect({ url })
    await client.transport.send({ jsonrpc: '2.0', id: 4, method: 'tools/list' })
    const last = client.received.at(-1)
    expect(last?.message).toMatchObject({ result: { a: 1 } })
    expect(last?.origin).toEqual(resultText === undefined ? { related: 4 } : { related: 4, resultText })
  })

  test.each<[string, (response: Parameters<Parameters<typeof session>[0]>[1]) => void, string]>([
    ['no content', (response) => response.writeHead(202).end(), 'no content'],
    ['a page', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'), 'text/html'],
    ['a compressed answer', (response) => response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync('{}')), 'gzip'],
    ['broken JSON', (response) => json(response, '{"jsonrpc":'), 'without an answer'],
    ['an empty stream', (response) => response.writeHead(200, stream).end(), 'without an answer'],
    ['a stream of comments', (response) => response.writeHead(200, stream).end(': hello\n\n'), 'without an answer'],
    ['a broken stream', (response) => response.writeHead(200, stream).write(event(progress(1)), () => response.destroy()), 'without an answer'],
    ['half a header', (response) => response.socket?.end('HTTP/1.1 200 OK\r\nContent-'), 'failed on the way'],
    ['too large JSON', (response) => json(response, JSON.stringify({ x: 'y'.repeat(17_000_000) })), 'over 16777216 bytes'],
    ['a too large event', (response) => response.writeHead(200, stream).end(event('y'.repeat(17_000_000))), 'over 16777216 bytes']
  ])('%s leaves the outcome unknown, and only this one', async (_what, answer, words) => {
    const { url } = await answering((posted, response) => (posted.message?.method === 'tools/call' ? answer(response) : json(response, result(posted))))
    const client = await connect({ url })
    const failure = await errorOf(client.ask(1, 'tools/call'))
    expect(failure).toMatchObject({ code: 'SKEIN_OUTCOME_UNKNOWN' })
    expect(failure.message).toContain(words)
    expect((await client.ask(2, 'tools/list')).result).toBeDefined()
    expect(client.closes).toEqual([])
  })

  test('the end of a stream does not disturb the next request on its connection', async () => {
    const connections = new Set<unknown>()
    const { url } = await answering((posted, response) => {
      connections.add(response.socket)
      if (posted.message?.id === 1) return void response.writeHead(200, stream).end(event(result(posted)))
      response.writeHead(200, stream).flushHeaders()
      setTimeout(() => response.end(event(result(posted))), 1_200)
    })
    const client = await connect({ url })
    await client.ask(1, 'tools/call')
    // The answer is heard a moment before the end of its stream, which sets the connection free.
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect((await client.ask(2, 'tools/call')).result).toEqual({})
    expect(connections.size).toBe(1)
  })

  test('an answer on the stream of the server itself ends the request, whose own stream is let go', async () => {
    let own: { end(text: string): void; write(text: string): void } | undefined
    let closed = 0
    const { url } = await serve(
      session((posted, response) => {
        response.writeHead(200, stream).flushHeaders()
        if (posted.method === 'GET') own = response
        else {
          response.on('close', () => (closed += 1))
          own?.write(event(result(posted, { from: 'elsewhere' })))
        }
      })
    )
    const client = await connect({ url })
    await client.initialize()
    await waitUntil('the stream is open', () => own !== undefined)
    const answer = await client.ask(1, 'tools/call')
    expect(answer).toMatchObject({ result: { from: 'elsewhere' } })
    expect(answer.origin.related).toBeUndefined()
    await waitUntil('its own stream is closed', () => closed === 1)
  })

  test('a stream that is not closed after the answer does not keep its connection for good', async () => {
    let closed = 0
    const { url } = await answering((posted, response) => {
      response.on('close', () => (closed += 1))
      response.writeHead(200, stream).write(event(result(posted)))
    })
    const client = await connect({ url })
    expect((await client.ask(1, 'tools/call')).result).toEqual({})
    await waitUntil('it is closed', () => closed === 1)
  })

  test('a stream with ids that breaks is taken up after the delay the server asked for, until the answer is there', async () => {
    const asked: { at: number; id: unknown }[] = []
    let broke = 0
    const { url } = await serve(
      session((posted, response) => {
        response.writeHead(200, stream)
        if (posted.method === 'POST') {
          response.write(`retry: 150\n${event(progress(1), 'a')}id: never\ndata: {"half":`)
          return void setTimeout(() => {
            broke = performance.now()
            response.destroy()
          }, 20)
        }
        // The other GET is the server's own stream: it stays open and must not get what belongs to the call.
        if (posted.headers['last-event-id'] === undefined) return response.flushHeaders()
        asked.push({ at: performance.now(), id: posted.headers['last-event-id'] })
        if (asked.length === 1) return void response.end(event(progress(2), 'b'))
        response.end(event({ jsonrpc: '2.0', id: 1, result: { done: true } }, 'c'))
      })
    )
    const client = await connect({ url })
    await client.initialize()
    expect(await client.ask(1, 'tools/call')).toMatchObject({ result: { done: true }, origin: { related: 1 } })
    expect(steps(client.received)).toEqual([1, 2])
    expect(asked.map(({ id }) => id)).toEqual(['a', 'b'])
    expect((asked[0]?.at ?? 0) - broke).toBeGreaterThanOrEqual(140)
    expect((asked[1]?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThanOrEqual(140)
  })

  test('one that the server cannot take up leaves the outcome unknown; a new request never tries', async () => {
    let gets = 0
    const { url } = await answering((_posted, response) => void response.writeHead(200, stream).end(`retry: 100\n${event('', 'a')}`))
    const counting = await serve(
      session((posted, response) => {
        if (posted.method === 'GET') gets += 1
        response.writeHead(posted.method === 'POST' ? 200 : 405, stream).end(posted.method === 'POST' ? event('', 'a') : '')
      })
    )
    const old = await connect({ url })
    expect(await errorOf(old.ask(1, 'tools/call'))).toMatchObject({ code: 'SKEIN_OUTCOME_UNKNOWN' })
    const modern = await connect({ url: counting.url })
    expect(await errorOf(modern.askModern(1, 'tools/call', { name: 'x' }))).toMatchObject({ code: 'SKEIN_OUTCOME_UNKNOWN' })
    expect(gets).toBe(0)
  })
})
