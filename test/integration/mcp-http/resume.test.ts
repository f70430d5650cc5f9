import { describe, expect, test } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { events, said, setupFake } from './fake-sessions.ts'
import { open, post, until } from './setup.ts'

const call = (id: number) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x' } })

/** A session and the means to use it. */
async function session(version: string | null = '2025-11-25', options: Parameters<typeof setupFake>[0] = {}) {
  const setup = await setupFake(options)
  const headers = { ...(await open(setup.url)), ...(version === null ? {} : { 'mcp-protocol-version': version }) }
  return {
    ...setup,
    headers,
    /** Sends a request whose answer begins as an event stream. */
    async stream(id: number) {
      const answering = post(setup.url, call(id), headers)
      await until(() => setup.sessions.requests.some((request) => request.message.id === id))
      const request = setup.sessions.requests.find((each) => each.message.id === id)!
      expect(request.progress(1)).toBe(true)
      return { request, stream: events(await answering) }
    },
    get: (lastEventId?: string) => fetch(setup.url, { headers: { ...headers, accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) } })
  }
}

describe('a stream that broke', () => {
  test('goes on after the last event that was read, with what came meanwhile and what comes', async () => {
    const { left, stream, get, value } = await session()
    const { request, stream: first } = await stream(1)
    expect(await first.next()).toEqual({ id: '2-0', retry: '1000', data: '' })
    const read = await first.next()
    expect(said(read)).toBe(1)
    request.progress(2)
    await left(first.leave)
    expect(request.cancelled).toBeUndefined()
    expect(request.progress(3)).toBe(true)
    const second = events(await get(read!.id))
    expect([said(await second.next()), said(await second.next())]).toEqual([2, 3])
    request.progress(4)
    expect(said(await second.next())).toBe(4)
    expect(request.answer({ done: true })).toBe(true)
    expect((await second.rest()).map(said)).toEqual([1])
    expect(value('skein_mcp_http_resumed_total', 'found')).toBe(1)
  })

  test('an answer that came while the client was away waits for it, for a minute', async () => {
    const clock = createManualClock()
    const { left, stream, get, value } = await session('2025-11-25', { clock })
    const { request, stream: first } = await stream(1)
    await first.next()
    await left(first.leave)
    // However long the call runs on without its client.
    clock.advance(300_000)
    expect(request.answer({ late: true })).toBe(true)
    expect(value('skein_mcp_http_kept_events_bytes')).toBeGreaterThan(100)
    clock.advance(45_000)
    const second = events(await get('2-1'))
    const [answer, ...more] = await second.rest()
    expect(JSON.parse(answer!.data)).toEqual({ jsonrpc: '2.0', result: { late: true }, id: 1 })
    expect(more).toEqual([])
    // Asked again, as if the second connection had broken too.
    expect((await events(await get('2-1')).rest()).map(said)).toEqual([1])
    clock.advance(30_000)
    const gone = await get('2-1')
    expect(gone.status).toBe(400)
    expect(await gone.json()).toMatchObject({ error: { code: -32000, message: expect.stringContaining('Last-Event-ID') } })
    expect(value('skein_mcp_http_resumed_total', 'gone')).toBe(1)
    expect(value('skein_mcp_http_kept_events_bytes')).toBe(0)
  })

  test.each(['2-1', '2-9', '7-1', 'x', '2', '-1-1', '99999999999-1'])('nothing is left for Last-Event-ID %s', async (id) => {
    const { stream, get } = await session()
    const { request, stream: first } = await stream(1)
    request.answer({})
    await first.rest()
    expect((await get(id === '2-1' ? '2-2' : id)).status).toBe(400)
  })

  test('only what came on that stream is repeated, several streams at once', async () => {
    const { left, stream, get } = await session()
    const one = await stream(1)
    const two = await stream(2)
    await left(one.stream.leave)
    await left(two.stream.leave)
    one.request.progress(10)
    two.request.progress(20)
    one.request.answer({})
    two.request.answer({})
    expect((await events(await get('2-1')).rest()).map(said)).toEqual([10, 1])
    expect((await events(await get('3-1')).rest()).map(said)).toEqual([20, 2])
  })

  test('a client that comes back sooner than its old connection ends takes the stream with it', async () => {
    const { stream, get } = await session()
    const { request, stream: first } = await stream(1)
    await first.next()
    await first.next()
    const second = events(await get('2-1'))
    request.progress(2)
    expect(said(await second.next())).toBe(2)
    await expect(first.rest()).rejects.toThrow()
    request.answer({})
    expect((await second.rest()).map(said)).toEqual([1])
  })

  test('a question of the server waits for the client on a stream of a call', async () => {
    const { left, stream, get } = await session()
    const { request, stream: first } = await stream(1)
    await left(first.leave)
    expect(request.link.send({ jsonrpc: '2.0', id: 'q', method: 'roots/list' }, 1)).toBe(true)
    const second = events(await get('2-1'))
    expect(JSON.parse((await second.next())!.data)).toEqual({ jsonrpc: '2.0', id: 'q', method: 'roots/list' })
    await second.leave()
  })

  test('what is kept is bounded: the latest 256 events', async () => {
    const { left, stream, get } = await session()
    const { request, stream: first } = await stream(1)
    await left(first.leave)
    for (let value = 2; value <= 1000; value++) request.progress(value)
    request.answer({})
    const values = (await events(await get('2-1')).rest()).map(said)
    expect(values).toEqual([...Array.from({ length: 255 }, (_, index) => index + 746), 1])
  })

  test('a client that was closed because it did not read can come back for the rest', async () => {
    const { stream, get, value } = await session()
    const { request, stream: first } = await stream(1)
    await first.next()
    const text = 'x'.repeat(128 * 1024)
    for (let sent = 0; sent < 800 && value('skein_mcp_slow_clients_total') !== 1; sent++) {
      request.link.send({ jsonrpc: '2.0', method: 'notifications/message', params: { data: text } }, 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(value('skein_mcp_slow_clients_total')).toBe(1)
    expect(request.progress(7)).toBe(true)
    expect(value('skein_mcp_http_kept_events_bytes')).toBeLessThan(1024 * 1024 + 1)
    await first.leave().catch(() => {})
    const second = events(await get('2-1'))
    request.answer({ done: true })
    const rest = await second.rest()
    expect(rest.slice(-2).map(said)).toEqual([7, 1])
    // The oldest had to go.
    expect(rest.length).toBeLessThan(12)
  })

  test('a client that leaves before its stream began cannot be reached: there is nothing to come back to', async () => {
    const { left, url, headers, sessions } = await session()
    const abort = new AbortController()
    const leaving = fetch(url, { method: 'POST', body: JSON.stringify(call(1)), headers: { ...headers, 'content-type': 'application/json', accept: 'text/event-stream' }, signal: abort.signal }).catch(() => undefined)
    await until(() => sessions.requests.length === 1)
    await left(async () => {
      abort.abort()
      await leaving
    })
    expect(sessions.requests[0]!.progress(1)).toBe(false)
    expect(sessions.requests[0]!.answer({})).toBe(false)
  })

  test.each([['2025-06-18'], [null]])('a client of %s gets ids, but no event without data', async (version) => {
    const { stream } = await session(version)
    const { request, stream: first } = await stream(1)
    request.answer({})
    expect((await first.rest()).map(({ id, data }) => [id, data === ''])).toEqual([['2-1', false], ['2-2', false]])
  })

  test('a cancelled request leaves a stream that ends and is not asked for again', async () => {
    const { stream, get } = await session()
    const { request, stream: first } = await stream(1)
    request.link.dropped(1)
    expect((await first.rest()).map(said)).toEqual([undefined, 1])
    expect((await get('2-1')).status).toBe(400)
  })
})

describe('the stream of the session', () => {
  const news = (method: string) => ({ jsonrpc: '2.0' as const, method })

  test('gives what it missed to whoever opens it next, and nothing twice', async () => {
    const { left, get, sessions } = await session()
    const link = sessions.links[0]!
    expect(link.send(news('before'), undefined)).toBe(false)
    const first = events(await get())
    expect(link.send(news('one'), undefined)).toBe(true)
    expect(JSON.parse((await first.next())!.data).method).toBe('one')
    await left(first.leave)
    expect(link.send(news('two'), undefined)).toBe(true)
    expect(link.send({ jsonrpc: '2.0', id: 1, method: 'roots/list' }, undefined)).toBe(false)
    const second = events(await get())
    expect(JSON.parse((await second.next())!.data).method).toBe('two')
    link.send(news('three'), undefined)
    const three = await second.next()
    expect(three).toMatchObject({ id: '0-3' })
    // A client that names an older event gets all after it.
    const third = events(await get('0-1'))
    expect([(await third.next())!.id, (await third.next())!.id]).toEqual(['0-2', '0-3'])
    expect(sessions.streamsOpened).toBe(3)
    await third.leave()
  })

  test('nobody is waited for longer than a minute', async () => {
    const clock = createManualClock()
    const { left, get, sessions } = await session('2025-11-25', { clock })
    const first = events(await get())
    await left(first.leave)
    expect(sessions.links[0]!.send(news('one'), undefined)).toBe(true)
    clock.advance(76_000)
    expect(sessions.links[0]!.send(news('two'), undefined)).toBe(false)
    const second = events(await get())
    sessions.links[0]!.send(news('three'), undefined)
    expect(JSON.parse((await second.next())!.data).method).toBe('three')
    await second.leave()
  })
})
