import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { probeDied } from '../../../src/mcp/upstream/connection.ts'
import { codeOf, flush } from '../../support/mcp-calls.ts'
import { createMemoryServer, type MemoryServer } from '../../support/memory-upstream.ts'
import { dial, type DialOptions } from '../../support/upstream-connections.ts'

const IDENTITY = { capabilities: {}, serverInfo: { name: 'memory', version: '1' } }
const DISCOVERED = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, instructions: 'be kind', _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'new' } } }

const CHILD = 4_711

/** A server whose handshake is the test's: a child, or one over HTTP. */
function silent({ http = false, ...options }: DialOptions & { http?: boolean } = {}) {
  const server = createMemoryServer()
  server.greet = false
  if (!http) server.pid = CHILD
  const dialled = dial(server, { era: 'auto', ...options })
  const methods = () => dialled.link.received.map((message) => ('method' in message ? message.method : 'an answer'))
  const idOf = (method: string) => {
    const [request] = dialled.link.open(method)
    if (request === undefined) throw new Error(`${method} was not sent`)
    return request.id
  }
  return { ...dialled, server, methods, idOf }
}

const serving = (era: MemoryServer['era']) => {
  const server = createMemoryServer()
  server.era = era
  return server
}

describe('the era is found', () => {
  test('a server of the newer one answers at once', async () => {
    const { opening, link, clock } = dial(serving('2026'), { era: 'auto' })
    const connection = await opening
    expect(connection.era).toBe('2026')
    expect(connection.identity).toMatchObject({ protocolVersion: '2026-07-28', capabilities: { tools: { listChanged: true } }, serverInfo: { name: 'memory' } })
    expect(link.received[0]).toMatchObject({
      method: 'server/discover',
      params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientInfo': { name: 'skein', version: '1.2.3' }, 'io.modelcontextprotocol/clientCapabilities': {} } }
    })
    expect(link.sent('initialize')).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('a server of the older one refuses the question, and the same link goes on with initialize', async () => {
    const { opening, link, clock } = dial(serving('2025'), { era: 'auto', capabilities: { sampling: {} } })
    const connection = await opening
    expect(connection.era).toBe('2025')
    expect(link.received.slice(1)).toEqual([
      { jsonrpc: '2.0', id: 2, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: { sampling: {} }, clientInfo: { name: 'skein', version: '1.2.3' } } },
      { jsonrpc: '2.0', method: 'notifications/initialized' }
    ])
    expect(clock.pending).toBe(0)
  })

  test.each(['auto', '2026'] as const)('%s: refused with our own version among those it speaks, a server is asked again', async (era) => {
    const { opening, link, idOf, methods } = silent({ era })
    await flush()
    link.refuseRequest(idOf('server/discover'), -32022, 'not in this state', { supported: ['2025-11-25', '2026-07-28'], requested: '2026-07-28' })
    await flush()
    expect(methods()).toEqual(['server/discover', 'server/discover'])
    link.answer(idOf('server/discover'), DISCOVERED)
    expect((await opening).era).toBe('2026')
  })

  test('refused so twice, it is asked in the older era, which it named too', async () => {
    const { opening, link, idOf, methods } = silent()
    for (let round = 0; round < 2; round += 1) {
      await flush()
      link.refuseRequest(idOf('server/discover'), -32022, 'not in this state', { supported: ['2025-11-25', '2026-07-28'], requested: '2026-07-28' })
    }
    await flush()
    expect(methods()).toEqual(['server/discover', 'server/discover', 'initialize'])
    link.answer(idOf('initialize'), { protocolVersion: '2025-11-25', ...IDENTITY })
    expect((await opening).era).toBe('2025')
  })

  test.each([
    [{ resultType: 'complete' }, 'a result that tells no versions'],
    [{ ...DISCOVERED, supportedVersions: ['2025-11-25', '2099-01-01'] }, 'a server that lists an older version only']
  ])('%j: initialize (%s)', async (result, _why) => {
    const { opening, link, idOf } = silent()
    await flush()
    link.answer(idOf('server/discover'), result)
    await flush()
    link.answer(idOf('initialize'), { protocolVersion: '2025-06-18', ...IDENTITY })
    expect((await opening).identity.protocolVersion).toBe('2025-06-18')
  })

  test.each([
    ['a result', (link: { answer(id: number | string, result: object): void }, id: number | string) => link.answer(id, { ...DISCOVERED, supportedVersions: ['2099-01-01'] })],
    ['an error', (link: { refuseRequest(id: number | string, code: number, message: string, data: object): void }, id: number | string) => link.refuseRequest(id, -32022, 'unsupported', { supported: ['2099-01-01'], requested: '2026-07-28' })]
  ])('a server of the future is told apart by %s', async (_, answer) => {
    const { opening, link, idOf, methods } = silent()
    await flush()
    answer(link as never, idOf('server/discover'))
    expect(await codeOf(opening)).toBe('SKEIN_UPSTREAM_INVALID')
    await expect(opening).rejects.toThrow('2099-01-01')
    expect(methods()).toEqual(['server/discover'])
    expect(link.closed).toBe(true)
  })
})

describe('a server that says nothing', () => {
  test('gets initialize as well after two seconds, and may answer just that', async () => {
    const { opening, link, clock, idOf, methods } = silent()
    await flush()
    clock.advance(1_999)
    expect(methods()).toEqual(['server/discover'])
    clock.advance(1)
    link.answer(idOf('initialize'), { protocolVersion: '2025-11-25', ...IDENTITY })
    expect((await opening).era).toBe('2025')
    expect(methods()).toEqual(['server/discover', 'initialize', 'notifications/initialized'])
    expect(clock.pending).toBe(0)
  })

  test('a slow start, newer era only: the answer to initialize is no, and discover has the word', async () => {
    const { opening, link, clock, idOf } = silent()
    await flush()
    clock.advance(2_000)
    link.answer(idOf('server/discover'), DISCOVERED)
    link.refuseRequest(idOf('initialize'), -32022, 'unsupported', { supported: ['2026-07-28'], requested: '2025-11-25' })
    const connection = await opening
    expect(connection.era).toBe('2026')
    expect(connection.identity).toMatchObject({ instructions: 'be kind', serverInfo: { name: 'new' } })
    expect(clock.pending).toBe(0)
  })

  test('the same the other way round', async () => {
    const { opening, link, clock, idOf } = silent()
    await flush()
    clock.advance(2_000)
    link.refuseRequest(idOf('initialize'), -32022)
    await flush()
    link.answer(idOf('server/discover'), DISCOVERED)
    expect((await opening).era).toBe('2026')
  })

  test('a slow start, both eras: it has read initialize, so it is the older one', async () => {
    const { opening, link, clock, idOf, methods } = silent()
    await flush()
    clock.advance(2_000)
    link.answer(idOf('server/discover'), DISCOVERED)
    await flush()
    link.answer(idOf('initialize'), { protocolVersion: '2025-11-25', ...IDENTITY })
    expect((await opening).era).toBe('2025')
    expect(methods().at(-1)).toBe('notifications/initialized')
    expect(clock.pending).toBe(0)
  })

  test('a newer server that does not answer initialize at all is waited for two more seconds', async () => {
    const { opening, link, clock, idOf } = silent()
    await flush()
    clock.advance(2_000)
    link.answer(idOf('server/discover'), DISCOVERED)
    await flush()
    clock.advance(2_000)
    expect((await opening).era).toBe('2026')
    expect(link.sent('notifications/cancelled')).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('over HTTP gets initialize as well after ten seconds: there every request is answered, and whoever is silent is slow', async () => {
    const { opening, link, clock, idOf, methods } = silent({ http: true })
    await flush()
    clock.advance(9_999)
    expect(methods()).toEqual(['server/discover'])
    clock.advance(1)
    expect(methods()).toEqual(['server/discover', 'initialize'])
    link.answer(idOf('initialize'), { protocolVersion: '2025-11-25', ...IDENTITY })
    expect((await opening).era).toBe('2025')
    expect(clock.pending).toBe(0)
  })

  test('over HTTP a slow answer to discover alone has the word', async () => {
    const { opening, link, clock, idOf, methods } = silent({ http: true })
    await flush()
    clock.advance(9_000)
    link.answer(idOf('server/discover'), DISCOVERED)
    expect((await opening).era).toBe('2026')
    expect(methods()).toEqual(['server/discover'])
    expect(clock.pending).toBe(0)
  })

  test.each([
    ['auto', 62_000, ['server/discover', 'initialize']],
    ['2025', 60_000, ['initialize']],
    ['2026', 60_000, ['server/discover']]
  ] as const)('%s: fails after %s ms and is closed, without a notice of cancellation', async (era, time, expected) => {
    const { opening, link, clock, methods } = silent({ era })
    await flush()
    clock.advance(2_000)
    await flush()
    clock.advance(time - 2_001)
    await flush()
    expect(link.closed).toBe(false)
    clock.advance(1)
    expect(await codeOf(opening)).toBe('SKEIN_UPSTREAM_DOWN')
    await expect(opening).rejects.toThrow('it did not answer 60 s long')
    expect(link.closed).toBe(true)
    expect(methods()).toEqual(expected)
    expect(clock.pending).toBe(0)
  })
})

describe('a server that cannot stand the question', () => {
  test.each([
    ['auto', true],
    ['2025', false]
  ] as const)('%s: the error says so (%s)', async (era, expected) => {
    const { opening, link, clock } = silent({ era })
    await flush()
    link.die(new Error('exited with code 1'))
    const error = await opening.catch((caught: unknown) => caught)
    expect(probeDied(error)).toBe(expected)
    expect(String(error)).toContain('exited with code 1')
    expect(clock.pending).toBe(0)
  })

  test('a link that never took it is another matter', async () => {
    const { opening, link } = silent()
    link.refuse = true
    const error = await opening.catch((caught: unknown) => caught)
    expect(probeDied(error)).toBe(false)
    expect(await codeOf(opening)).toBe('SKEIN_UPSTREAM_DOWN')
  })

  test.each([
    [400, 'SKEIN_UPSTREAM_DOWN', ['initialize']],
    [404, 'SKEIN_UPSTREAM_DOWN', ['initialize']],
    [401, 'SKEIN_UPSTREAM_DOWN', []],
    [403, 'SKEIN_UPSTREAM_DOWN', []],
    [429, 'SKEIN_BUSY', []],
    [503, 'SKEIN_OUTCOME_UNKNOWN', []]
  ] as const)('over HTTP, status %s is followed by %s%j', async (status, code, expected) => {
    const server = createMemoryServer()
    const transport = server.connect()
    const { send } = transport
    transport.send = (message, options) =>
      'method' in message && message.method === 'server/discover' ? Promise.reject(new SkeinError(code, `HTTP ${status}`, { data: { status } })) : send(message, options)
    const { opening, link } = dial(server, { era: 'auto', transport })
    const era = await opening.then(
      (connection) => connection.era,
      () => 'none'
    )
    expect(era).toBe(expected.length === 0 ? 'none' : '2025')
    expect(link.sent('initialize')).toHaveLength(expected.length)
  })
})

describe('one era only', () => {
  test.each([
    ['2025', '2026', 'refused initialize'],
    ['2026', '2025', 'does not speak protocol revision 2026-07-28']
  ] as const)('%s with a server of %s: an error that says it', async (era, spoken, message) => {
    const { opening, link } = dial(serving(spoken), { era })
    expect(await codeOf(opening)).toBe('SKEIN_UPSTREAM_INVALID')
    await expect(opening).rejects.toThrow(message)
    expect(link.closed).toBe(true)
  })

  test.each([
    ['2024-11-05', 'resolved'],
    ['2099-01-01', 'SKEIN_UPSTREAM_INVALID'],
    [7, 'SKEIN_UPSTREAM_INVALID']
  ])('initialize answered with version %s: %s', async (protocolVersion, expected) => {
    const { opening, link, idOf } = silent({ era: '2025' })
    await flush()
    link.answer(idOf('initialize'), { protocolVersion, ...IDENTITY } as never)
    expect(await codeOf(opening)).toBe(expected)
    expect(link.closed).toBe(expected !== 'resolved')
  })

  test('before the handshake is done ping is answered, the rest is refused or ignored', async () => {
    const { opening, link, idOf, outside } = silent({ era: '2025' })
    await flush()
    link.emit({ id: 'p', method: 'ping' })
    link.emit({ id: 's', method: 'sampling/createMessage', params: {} })
    link.emit({ method: 'notifications/message', params: { level: 'info', data: 'starting' } })
    link.emit({ id: null, error: { code: -32601, message: 'what?' } })
    link.answer(idOf('initialize'), { protocolVersion: '2025-11-25', capabilities: 'none', serverInfo: 1, instructions: {} } as never)
    expect((await opening).identity).toEqual({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {}, instructions: undefined })
    expect(link.received.slice(1, 3)).toMatchObject([{ id: 'p', result: {} }, { id: 's', error: { code: -32601 } }])
    expect(outside).toEqual([])
  })
})
