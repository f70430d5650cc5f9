import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { PAGE_SIZE } from '../../../../src/mcp/downstream/pages.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { setup } from './setup.ts'

test('one server without tools is asked itself: when it is down that is an error, never an empty list', async () => {
  const { request, sent, backend } = setup({ lists: { tools: [], passesLists: true, capabilities: { tools: {} } } })
  request(1, 'tools/list')
  backend.calls[0]!.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'down'))
  await flush()
  expect(sent.at(-1)?.message.error).toMatchObject({ data: { code: 'SKEIN_UPSTREAM_DOWN' } })
})

describe('lists of our own', () => {
  test('pages of 1000 with a cursor that survives a change of the list', () => {
    const { request, sent, backend } = setup()
    const names = Array.from({ length: 2 * PAGE_SIZE + 1 }, (_, index) => `t${String(index).padStart(5, '0')}`)
    backend.setTools(names)
    const page = (cursor?: unknown) => {
      sent.length = 0
      request('l', 'tools/list', cursor === undefined ? undefined : { cursor })
      return sent[0]?.message.result as { tools: { name: string }[]; nextCursor?: string }
    }
    const first = page()
    expect(first.tools).toHaveLength(PAGE_SIZE)
    expect(page()).toEqual(first)
    backend.setTools(names.slice(10))
    const second = page(first.nextCursor)
    expect(second.tools[0]?.name).toBe(names[PAGE_SIZE])
    const third = page(second.nextCursor)
    expect(third.tools.map((tool) => tool.name)).toEqual([names.at(-1)])
    expect(third.nextCursor).toBeUndefined()
  })

  test('a page is written once, however often it is asked for', () => {
    let written = 0
    const tool = { name: 'x', toJSON: () => ({ name: 'x', written: ++written }) }
    const { request, sent } = setup({ lists: { tools: [tool] } })
    for (let id = 0; id < 5; id++) request(id, 'tools/list')
    expect(sent.map(({ message }) => message.result)).toEqual(Array.from({ length: 5 }, () => ({ tools: [{ name: 'x', written: 1 }] })))
  })

  test.each([
    ['prompts/list', 'prompts', 'name'],
    ['resources/list', 'resources', 'uri'],
    ['resources/templates/list', 'resourceTemplates', 'uriTemplate']
  ])('%s has pages too, sorted by what names its entries', (method, list, key) => {
    const entries = Array.from({ length: PAGE_SIZE + 2 }, (_, index) => ({ [key]: `x://${String(index).padStart(5, '0')}/ä`, title: 't' }))
    const { request, sent } = setup({ lists: { [list]: entries } })
    request(1, method)
    const { nextCursor, ...first } = sent[0]!.message.result as Record<string, unknown>
    expect(first).toEqual({ [list]: entries.slice(0, PAGE_SIZE) })
    request(2, method, { cursor: nextCursor })
    expect(sent[1]?.message.result).toEqual({ [list]: entries.slice(PAGE_SIZE) })
  })

  test.each([
    ['sampling', { sampling: {} }, true, true],
    ['elicitation', { elicitation: {} }, true, true],
    ['roots', { roots: { listChanged: true } }, true, true],
    ['nothing', { experimental: {} }, true, false],
    ['sampling, but with a server of the newer era', { sampling: {} }, false, false]
  ])('tools of one server for a client with %s: asked of the server %s', (_, capabilities, passesTools, passed) => {
    const { request, sent, backend } = setup({ view: 'one', capabilities, lists: { tools: [{ name: 'x' }], passesTools } })
    request(1, 'tools/list', { cursor: 'of the server' })
    request(2, 'tools/list')
    expect(backend.calls.map(({ request: { view, method, params } }) => ({ view, method, params }))).toEqual(passed ? [{ view: 'one', method: 'tools/list', params: { cursor: 'of the server' } }, { view: 'one', method: 'tools/list', params: {} }] : [])
    if (!passed) return expect(sent[1]?.message.result).toEqual({ tools: [{ name: 'x' }] })
    backend.calls[1]?.answer({ result: { tools: [{ name: 'y' }], ttlMs: 0, cacheScope: 'private' } })
  })

  test('tools of one server are those of everybody where the client has no process of its own', async () => {
    const { request, sent, backend } = setup({ view: 'one', capabilities: { roots: {} }, lists: { tools: [{ name: 'x' }], passesTools: true } })
    request(1, 'tools/list')
    request(2, 'tools/list', { cursor: 'of the server' })
    request(3, 'tools/list')
    for (const call of backend.calls.slice(0, 2)) call.fail(new SkeinError('SKEIN_BUSY', 'all in use'))
    backend.calls[2]?.answer({ error: { code: -32603, message: 'the server has a problem' } })
    await flush()
    const answers = Object.fromEntries(sent.map(({ message }) => [message.id, message.result ?? message.error]))
    expect(answers).toMatchObject({ 1: { tools: [{ name: 'x' }] }, 2: { code: -32000 }, 3: { code: -32603 } })
  })

  test('two lists may be the same empty one', () => {
    const empty: [] = []
    const { request, sent } = setup({ lists: { prompts: empty, resources: empty, capabilities: { prompts: {}, resources: {} } } })
    request(1, 'prompts/list')
    request(2, 'resources/list')
    expect(sent.map(({ message }) => message.result)).toEqual([{ prompts: [] }, { resources: [] }])
  })

  test.each([['!'], [7], [{}], [''], ['YQ==']])('the cursor %j is refused', (cursor) => {
    const { request, sent } = setup()
    request(1, 'tools/list', { cursor })
    expect(sent[0]?.message.error?.code).toBe(-32602)
  })

  test('a server that is gone is an error, not an empty list', () => {
    const { request, sent, backend } = setup({ view: 'files' })
    backend.setTools(undefined, 'files')
    request(1, 'tools/list')
    request(2, 'prompts/list')
    expect(sent.map(({ message }) => message.error)).toMatchObject([{ code: -32000, data: { code: 'SKEIN_NO_PROVIDER' } }, { code: -32000 }])
  })
})

test.each(['prompts/list', 'resources/list', 'resources/templates/list'])('%s of one server is asked of that server, with its own cursor', (method) => {
  const { request, backend } = setup({ view: 'files', lists: { tools: [{ name: 'x' }], capabilities: { prompts: {}, resources: {} } } })
  request(1, 'tools/list')
  request(2, method, { cursor: 'theirs' })
  expect(backend.calls.map((call) => call.request)).toMatchObject([{ method, view: 'files', params: { cursor: 'theirs' } }])
})
