import { describe, expect, test } from 'vitest'
import { setup } from './setup.ts'

const initialize = (protocolVersion: unknown) => ({ protocolVersion, clientInfo: { name: 'c', version: '1' }, capabilities: {} })

describe('initialize', () => {
  test.each([
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2024-10-07', '2024-10-07'],
    ['2026-07-28', '2025-11-25'],
    ['nonsense', '2025-11-25']
  ])('asked for %s it speaks %s', (asked, spoken) => {
    const { request, sent } = setup({ initialize: false })
    request(1, 'initialize', initialize(asked))
    expect(sent[0]?.message.result).toEqual({
      protocolVersion: spoken,
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: 'skein', version: '1.2.3' }
    })
  })

  test('announces exactly what the view has, never tasks, with the instructions of its server', () => {
    const lists = {
      capabilities: { tools: {}, prompts: {}, resources: { subscribe: true, other: 1 }, completions: { x: 1 }, logging: {}, tasks: { list: {} }, experimental: { y: {} } },
      instructions: 'Read first.'
    }
    const { request, sent } = setup({ view: 'files', lists, initialize: false })
    request(1, 'initialize', initialize('2025-11-25'))
    expect(sent[0]?.message.result).toMatchObject({ instructions: 'Read first.' })
    expect(sent[0]?.message.result?.['capabilities']).toEqual({
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {}
    })
  })

  test('what a server lists without declaring it counts as declared', () => {
    const { request, sent } = setup({ lists: { prompts: [{ name: 'p' }], resourceTemplates: [{ uriTemplate: 'x://{a}', name: 'x' }] }, initialize: false })
    request(1, 'initialize', initialize('2025-11-25'))
    expect(sent[0]?.message.result?.['capabilities']).toEqual({ prompts: { listChanged: true }, resources: { listChanged: true } })
  })

  test('only once, only with a version, and before anything else but ping', () => {
    const { request, sent } = setup({ initialize: false })
    request(1, 'tools/list')
    request(2, 'ping')
    request(3, 'initialize', {})
    request(4, 'initialize', initialize('2025-11-25'))
    request(5, 'initialize', initialize('2025-11-25'))
    expect(sent.map(({ message }) => message.error?.code ?? 'ok')).toEqual([-32600, 'ok', -32602, 'ok', -32600])
  })
})

describe('logging/setLevel', () => {
  const lists = { capabilities: { logging: {} }, tools: [{ name: 'x' }] }

  test('is answered here and goes along with the calls that follow', () => {
    const { request, backend, sent } = setup({ lists })
    request(1, 'logging/setLevel', { level: 'error' })
    expect(sent[0]?.message.result).toEqual({})
    request(2, 'tools/call', { name: 'x' })
    expect(backend.calls).toHaveLength(1)
    expect(backend.calls[0]?.request.client.logLevel).toBe('error')
  })

  test.each([[undefined], ['loud'], [3], ['constructor']])('the level %j is refused', (level) => {
    const { request, sent } = setup({ lists })
    request(1, 'logging/setLevel', { level })
    expect(sent[0]?.message.error).toMatchObject({ code: -32602, message: expect.stringContaining('emergency') })
  })
})
