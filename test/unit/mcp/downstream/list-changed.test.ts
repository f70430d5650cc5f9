import { describe, expect, test } from 'vitest'
import { setup } from './setup.ts'

const initialize = (protocolVersion: unknown) => ({ protocolVersion, clientInfo: { name: 'c', version: '1' }, capabilities: {} })

describe('list_changed', () => {
  const changed = { message: { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, related: undefined }

  test('once for a burst, only when this view changed', () => {
    const { backend, sent, clock } = setup({ view: 'files' })
    backend.setTools(['other'], 'elsewhere')
    clock.advance(1_000)
    expect(sent).toEqual([])
    backend.setTools(['x'], 'files')
    backend.setTools(['x', 'z'], 'files')
    expect(sent).toEqual([])
    clock.advance(1_000)
    expect(sent).toEqual([changed])
  })

  test('a list built anew that says the same is no change', () => {
    const { backend, sent, clock } = setup()
    const rebuilt = backend.lists(undefined)!.tools.map((tool) => ({ ...tool }))
    backend.setView(undefined, { tools: rebuilt })
    clock.advance(1_000)
    expect(sent).toEqual([])
    backend.setView(undefined, { tools: rebuilt.map((tool, index) => (index === 0 ? { ...tool, description: 'new' } : tool)) })
    clock.advance(1_000)
    expect(sent).toEqual([changed])
  })

  test('waits for a stream when there is none', () => {
    const { backend, sent, clock, state, session } = setup()
    state.reachable = false
    backend.setTools(['new'])
    clock.advance(1_000)
    state.reachable = true
    session.streamOpened()
    session.streamOpened()
    expect(sent).toEqual([changed])
  })

  test('a change before the client is ready is told when it is; a client that listed since needs none', () => {
    const { backend, sent, clock, request, notify } = setup({ initialize: false })
    request(1, 'initialize', initialize('2025-11-25'))
    backend.setTools(['new'])
    clock.advance(1_000)
    expect(sent).toHaveLength(1)
    notify('notifications/initialized')
    expect(sent[1]).toEqual(changed)
    backend.setTools(['newer'])
    request(2, 'tools/list')
    sent.length = 0
    clock.advance(1_000)
    expect(sent).toEqual([])
  })

  test('of prompts, resources and templates: each told once, by its kind', () => {
    const { backend, sent, clock } = setup()
    const { tools } = backend.lists(undefined)!
    const prompts = [{ name: 'p' }]
    const resources = [{ uri: 'x://a' }]
    const told = (lists: Parameters<typeof backend.setView>[1]) => {
      sent.length = 0
      backend.setView(undefined, { tools, ...lists })
      clock.advance(1_000)
      return sent.map(({ message }) => message.method)
    }
    expect(told({ prompts })).toEqual(['notifications/prompts/list_changed'])
    expect(told({ prompts, resources })).toEqual(['notifications/resources/list_changed'])
    expect(told({ prompts, resources, resourceTemplates: [{ uriTemplate: 'x://{a}' }] })).toEqual(['notifications/resources/list_changed'])
    expect(told({ prompts, resources, resourceTemplates: [{ uriTemplate: 'x://{a}' }] })).toEqual([])
    expect(told({})).toEqual(['notifications/prompts/list_changed', 'notifications/resources/list_changed'])
  })

  test('a later page does not count as knowing the new list', () => {
    const names = Array.from({ length: 1_001 }, (_, index) => `t${String(index).padStart(5, '0')}`)
    const { backend, sent, clock, request } = setup()
    backend.setTools(names)
    clock.advance(1_000)
    request(1, 'tools/list')
    const { nextCursor } = sent.at(-1)!.message.result as { nextCursor: string }
    backend.setTools([...names, 'u'])
    request(2, 'tools/list', { cursor: nextCursor })
    sent.length = 0
    clock.advance(1_000)
    expect(sent).toEqual([changed])
  })

  test('a view that goes and comes back is told both times', () => {
    const { backend, sent, clock } = setup({ view: 'files' })
    backend.setView('files', undefined)
    clock.advance(1_000)
    backend.setTools(['x', 'y'], 'files')
    clock.advance(1_000)
    expect(sent).toEqual([changed, changed])
  })
})
