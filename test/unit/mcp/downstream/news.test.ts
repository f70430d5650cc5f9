import { describe, expect, test } from 'vitest'
import { setup } from './setup.ts'

const lists = { tools: [{ name: 'x' }], capabilities: { resources: { subscribe: true }, logging: {} } }
const updated = (uri: string) => ({ jsonrpc: '2.0' as const, method: 'notifications/resources/updated', params: { uri } })

describe('resources/subscribe', () => {
  test('listens once, for all URIs of the session, and updates go to the session itself', () => {
    const { request, backend, sent } = setup({ lists })
    expect(backend.listenings).toEqual([])
    request(1, 'resources/subscribe', { uri: 'x://a' })
    request(2, 'resources/subscribe', { uri: 'x://b' })
    request(3, 'resources/subscribe', { uri: 'x://b' })
    request(4, 'resources/unsubscribe', { uri: 'x://a' })
    request(5, 'resources/unsubscribe', { uri: 'x://never' })
    expect(sent.map(({ message }) => message.result)).toEqual([{}, {}, {}, {}, {}])
    expect(backend.listenings).toHaveLength(1)
    expect(backend.listenings[0]?.resources).toEqual([['x://a'], ['x://a', 'x://b'], ['x://b']])
    sent.length = 0
    backend.listenings[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged' })
    backend.listenings[0]!.sink.notification(updated('x://b'))
    expect(sent).toEqual([{ message: updated('x://b'), related: undefined }])
  })

  test('is no method where no server says when a resource changed', () => {
    const { request, sent, backend } = setup({ lists: { capabilities: { resources: {} } } })
    request(1, 'resources/subscribe', { uri: 'x://a' })
    request(2, 'resources/unsubscribe', { uri: 'x://a' })
    expect(sent.map(({ message }) => message.error?.code)).toEqual([-32601, -32601])
    expect(backend.listenings).toEqual([])
  })

  test('has bounds: 100 URIs, 2048 characters each', () => {
    const { request, sent, backend } = setup({ lists })
    request('long', 'resources/subscribe', { uri: `x://${'a'.repeat(2048)}` })
    for (let index = 0; index <= 100; index++) request(index, 'resources/subscribe', { uri: `x://${index}` })
    const errors = sent.filter(({ message }) => message.error !== undefined).map(({ related }) => related)
    expect(errors).toEqual(['long', 100])
    request('again', 'resources/unsubscribe', { uri: 'x://7' })
    request('more', 'resources/subscribe', { uri: 'x://100' })
    expect(sent.at(-1)?.message.result).toEqual({})
    expect(backend.listenings[0]?.resources.at(-1)).toHaveLength(100)
  })

  test('that the backend refuses is an error, and can be tried again', () => {
    const { request, sent, backend } = setup({ lists })
    const { listen } = backend
    backend.listen = () => {
      throw new Error('no')
    }
    request(1, 'resources/subscribe', { uri: 'x://a' })
    backend.listen = listen
    request(2, 'resources/subscribe', { uri: 'x://a' })
    expect(sent.map(({ message }) => message.error?.code ?? message.result)).toEqual([-32603, {}])
    expect(backend.listenings[0]?.resources).toEqual([['x://a']])
  })

  test('ends with the session; nothing arrives after', () => {
    const { request, sent, backend, session } = setup({ lists })
    request(1, 'resources/subscribe', { uri: 'x://a' })
    sent.length = 0
    session.close('bye')
    backend.listenings[0]!.sink.notification(updated('x://a'))
    expect(backend.listenings[0]?.closed).toBe(true)
    expect(sent).toEqual([])
  })

  test('a new log level reaches the server that is listened to: the new listening opens before the old one ends', () => {
    const { request, backend } = setup({ lists })
    request(1, 'resources/subscribe', { uri: 'x://a' })
    request(2, 'logging/setLevel', { level: 'error' })
    expect(backend.listenings.map(({ closed, options, resources }) => [closed, options.client.logLevel, resources])).toEqual([
      [true, 'default', [['x://a']]],
      [false, 'error', [['x://a']]]
    ])
  })
})

describe("a child of the session's own", () => {
  test.each([
    [{ sampling: {} }, 'files', 1],
    [{ elicitation: {} }, 'files', 1],
    [{ roots: {} }, 'files', 1],
    [{}, 'files', 0],
    [{ experimental: {} }, 'files', 0],
    [{ sampling: {} }, undefined, 0]
  ])('of a client with %j in the view %s is listened to from the first call on: %i', (capabilities, view, count) => {
    const { request, backend, sent, session } = setup({ capabilities, lists, ...(view === undefined ? {} : { view }) })
    expect(backend.listenings).toEqual([])
    request(1, 'tools/call', { name: 'x' })
    request(2, 'tools/call', { name: 'x' })
    expect(backend.listenings).toHaveLength(count)
    if (count === 0) return
    expect(backend.listenings[0]?.options).toMatchObject({ view, resources: [], client: { session: session.id } })
    const line = { jsonrpc: '2.0' as const, method: 'notifications/message', params: { level: 'info', data: 'by itself' } }
    backend.listenings[0]!.sink.notification(line)
    expect(sent).toEqual([{ message: line, related: undefined }])
  })

  test('that cannot be listened to does not keep the call from running', () => {
    const { request, backend } = setup({ capabilities: { roots: {} }, lists, view: 'files' })
    backend.listen = () => {
      throw new Error('no')
    }
    request(1, 'tools/call', { name: 'x' })
    expect(backend.calls).toHaveLength(1)
  })
})
