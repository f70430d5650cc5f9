import { describe, expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import type { McpRequest, RunningCall } from '../../../../src/mcp/ports.ts'
import type { WideView } from '../../../../src/mcp/views.ts'
import { createBackend } from '../../../../src/node/calls/backend.ts'
import { createBackendMetrics } from '../../../../src/node/calls/metrics.ts'
import type { VisibleServer } from '../../../../src/node/calls/offered.ts'
import type { Routing } from '../../../../src/node/calls/routing.ts'
import type { FarTool, FarToolSearch } from '../../../../src/node/distant/far-tools.ts'
import type { Json } from '../../../../src/wire/json-rpc.ts'
import { OK, request, SELF, visibleServer } from '../../../support/backend-world.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { recordingSink } from '../../../support/mcp-calls.ts'

const far = (server: string, tool: string): FarTool => ({ name: `${server}__${tool}`, count: 3, target: { advertised: server, server, tool, digest: `digest of ${server} ${tool}`, repeatable: true, providers: [], distant: server } })

interface Setup {
  servers?: VisibleServer[]
  found?: FarTool[] | Promise<FarTool[]>
  maxTools?: number
  views?: WideView[]
  moved?: string[]
  partial?: boolean
}
function setup({ servers = [], found = [], maxTools = 1_000, views = [], moved = [], partial = false }: Setup) {
  const clock = createManualClock()
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), child: () => logger }
  const runs: { request: McpRequest; providers: readonly string[] }[] = []
  const seen: (string | number | AbortSignal | undefined)[][] = []
  const described: string[] = []
  const called: string[] = []
  const remembered = new Map<string, FarTool>()
  const definition = (digest: string): Json => ({ name: digest, description: `Does what ${digest} says.`, inputSchema: { type: 'object' } })
  const search: FarToolSearch = {
    async search(query, limit, signal) {
      seen.push([query, limit, signal])
      const tools = await found
      for (const tool of tools) remembered.set(tool.name, tool)
      return { tools: [...tools], partial }
    },
    find: (name) => (moved.includes(name) ? 'moved' : remembered.get(name)),
    async describe(tool) {
      described.push(tool.name)
      return definition(tool.target.digest)
    },
    called: (tool) => void called.push(tool.name)
  }
  let visible = servers
  const backend = createBackend({
    self: SELF, clock, random: seededRandom(1), logger, metrics: createBackendMetrics(createMeter()), requestTimeout: 30_000,
    local: {
      run: (one): RunningCall => {
        runs.push({ request: one, providers: [] })
        return { outcome: Promise.resolve(OK), cancel() {} }
      },
      endSession() {}
    },
    remote: { run: () => ({ outcome: Promise.resolve(OK), cancel() {} }), endSession() {} },
    visible: () => visible,
    views: () => views,
    routing: {
      choose: (server: string, providers: readonly string[]) => (seen.push(['choose', server, providers.join()]), { peer: SELF, why: 'only', expected: 0 }),
      run: (_: string, __: unknown, start: (alive: () => void) => RunningCall) => start(() => {}),
      ended() {}
    } as unknown as Routing,
    limits: () => ({ maxTools, more: false }),
    far: { search, definition: (digest) => definition(digest) }
  })
  const use = (tool: string, args: Json, view: string | null = '@search') => backend.run(request('tools/call', { name: tool, arguments: args }, { view: view ?? undefined }), recordingSink()).outcome as Promise<{ result: { structuredContent?: { tools: { name: string; description: string }[]; total: number }; isError?: boolean; content: { text: string }[] } }>
  return {
    backend, warnings, runs, seen, described, called, use,
    show(...next: VisibleServer[]) {
      visible = next
      backend.changed()
    }
  }
}

describe('a search goes beyond the lists', () => {
  test('near and far tools in one ranking, far ones with their descriptions', async () => {
    const s = setup({ servers: [visibleServer('files', { tools: ['read', 'write'] })], found: [far('clock', 'read_time')] })
    const { structuredContent } = (await s.use('search_tools', { query: 'read', limit: 5 })).result
    expect(structuredContent?.tools.map(({ name }) => name)).toEqual(['files__read', 'clock__read_time'])
    expect(structuredContent?.tools[1]?.description).toBe('Does what digest of clock read_time says.')
    expect(structuredContent?.total).toBe(2)
    expect(s.seen[0]?.slice(0, 2)).toEqual(['read', 5])
  })

  test('half an answer is shown as one, to models and to people', async () => {
    const s = setup({ servers: [visibleServer('files', { tools: ['read'] })], partial: true })
    const { structuredContent, content } = (await s.use('search_tools', { query: 'read' })).result
    expect(structuredContent).toMatchObject({ total: 1, partial: true })
    expect(content[0]?.text).toMatch(/^files__read\nParts of the federation did not answer, so there may be more/)
    expect((await s.backend.searchTools('read', { limit: 1 })).partial).toBe(true)
    const whole = setup({ servers: [visibleServer('files', { tools: ['read'] })] })
    expect((await whole.use('search_tools', { query: 'read' })).result.structuredContent).not.toHaveProperty('partial')
  })

  test('the empty query lists what is here, and asks nobody', async () => {
    const s = setup({ servers: [visibleServer('files')], found: [far('clock', 'now')] })
    expect((await s.use('search_tools', { query: ' ' })).result.structuredContent?.tools.map(({ name }) => name)).toEqual(['files__t'])
    expect(s.seen).toEqual([])
  })

  test('of one server: a distant one too, and an unknown one is a mistake', async () => {
    const s = setup({ servers: [visibleServer('files')], found: [far('clock', 'now'), far('mail', 'now')] })
    expect((await s.use('search_tools', { query: 'now', server: 'clock' })).result.structuredContent?.tools.map(({ name }) => name)).toEqual(['clock__now'])
    expect((await s.use('search_tools', { query: 'now', server: 'none' })).result).toMatchObject({ isError: true })
  })

  test('what was found can be described and called, and nothing else', async () => {
    const s = setup({ found: [far('clock', 'now')] })
    expect((await s.use('describe_tool', { name: 'clock__now' })).result).toMatchObject({ isError: true })
    await s.use('search_tools', { query: 'now' })
    expect((await s.use('describe_tool', { name: 'clock__now' })).result.structuredContent).toMatchObject({ name: 'clock__now', description: 'Does what digest of clock now says.' })
    expect(s.described).toEqual(['clock__now'])
    const other = await s.use('call_tool', { name: 'clock__then' })
    expect(other.result.isError).toBe(true)
    expect(s.called).toEqual([])
    // Nobody resolves it in this test, but it is known, and its server is of interest now.
    await s.use('call_tool', { name: 'clock__now' }).catch((error: { code: string }) => expect(error.code).not.toBe('SKEIN_NOT_FOUND'))
    expect(new Set(s.called)).toEqual(new Set(['clock__now']))
  })

  test('a name that stands for another server by now is neither described nor called', async () => {
    const s = setup({ servers: [visibleServer('clock', { tools: ['now'] })], moved: ['clock__now'] })
    for (const tool of ['describe_tool', 'call_tool']) {
      const { result } = await s.use(tool, { name: 'clock__now' })
      expect(result.isError).toBe(true)
      expect(result.content[0]?.text).toContain('another server by now')
    }
    expect(s.runs).toEqual([])
  })

  test('a view finds only what its patterns and servers let through', async () => {
    const views: WideView[] = [{ name: 'mine', mode: 'search', allow: ['clock__*'], deny: ['*__secret'], rename: {} }]
    const s = setup({ views, found: [far('clock', 'now'), far('clock', 'secret'), far('mail', 'now')] })
    expect((await s.use('search_tools', { query: 'now' }, '@mine')).result.structuredContent?.tools.map(({ name }) => name)).toEqual(['clock__now'])
    expect((await s.use('describe_tool', { name: 'mail__now' }, '@mine')).result).toMatchObject({ isError: true })
    expect((await s.use('call_tool', { name: 'clock__secret' }, '@mine')).result).toMatchObject({ isError: true })
  })

  test('nor can what a view does not show be called there by its name', async () => {
    const views: WideView[] = [{ name: 'default', mode: 'list', allow: ['*'], deny: ['mail__*'], rename: {} }]
    const s = setup({ views, found: [far('clock', 'now'), far('mail', 'now')] })
    expect((await s.backend.searchTools('now', { limit: 10 })).tools.map(({ name }) => name)).toEqual(['clock__now'])
    await expect(s.use('mail__now', {}, null)).rejects.toMatchObject({ code: 'SKEIN_NOT_FOUND' })
    await s.use('clock__now', {}, null).catch((error: { code: string }) => expect(error.code).not.toBe('SKEIN_NOT_FOUND'))
  })

  test('a client that gives up ends the search', async () => {
    const s = setup({ found: new Promise<never>(() => {}) })
    const running = s.backend.run(request('tools/call', { name: 'search_tools', arguments: { query: 'x' } }, { view: '@search' }), recordingSink())
    running.cancel('no longer needed')
    await expect(running.outcome).rejects.toMatchObject({ code: 'SKEIN_CANCELLED' })
    const [[, , signal] = []] = s.seen
    expect((signal as AbortSignal).aborted).toBe(true)
  })
})

describe('a list that is too long', () => {
  const two = [visibleServer('a', { tools: ['t', 'u'] }), visibleServer('b', { tools: ['t', 'u'] })]

  test('has search tools that work in /mcp, and what it leaves out can be called', async () => {
    const s = setup({ servers: two, maxTools: 3 })
    expect(s.backend.lists(undefined)?.tools.map(({ name }) => name)).toEqual(['call_tool', 'describe_tool', 'search_tools'])
    expect((await s.use('search_tools', { query: 'u' }, null)).result.structuredContent?.tools.map(({ name }) => name)).toEqual(['a__u', 'b__u'])
    await s.use('call_tool', { name: 'b__u', arguments: { x: 1 } }, null)
    await s.use('a__t', {}, null)
    expect(s.runs.map(({ request: { server, params } }) => [server, params['name']])).toEqual([['b', 'u'], ['a', 't']])
  })

  test('is named in the log once, and in the status as long as it is', () => {
    const s = setup({ servers: two, maxTools: 3 })
    expect(s.backend.notices()).toEqual([expect.stringContaining('catalog.max_tools is 3')])
    s.show(...two, visibleServer('c'))
    s.backend.lists(undefined)
    expect(s.warnings).toEqual([expect.stringContaining('/mcp does not list 4 tools of the servers a, b')])
    s.show(visibleServer('c'))
    expect(s.backend.notices()).toEqual([])
  })
})

describe('the search of the command line', () => {
  test('finds both, says which are listed, and makes far ones callable here', async () => {
    const s = setup({ servers: [visibleServer('files', { tools: ['read', 'write'] })], found: [far('clock', 'read_time')] })
    const { tools, total } = await s.backend.searchTools('read', { limit: 1 })
    expect(total).toBe(2)
    expect(tools).toEqual([{ name: 'files__read', server: 'files', tool: 'read', description: '', digest: 'digest of read', providers: 1, distant: false, listed: true }])
    const all = await s.backend.searchTools('read', { limit: 10 })
    expect(all.tools[1]).toEqual({
      name: 'clock__read_time', server: 'clock', tool: 'read_time', description: 'Does what digest of clock read_time says.', digest: 'digest of clock read_time', providers: 3, distant: true, listed: false
    })
  })

  test('says how many nodes beyond the own pools have a tool that is listed here', async () => {
    const s = setup({ servers: [visibleServer('clock', { tools: ['read_time'], providers: [] })], found: [far('clock', 'read_time')] })
    const { tools } = await s.backend.searchTools('read', { limit: 1 })
    expect(tools).toMatchObject([{ name: 'clock__read_time', providers: 3, distant: true, listed: true }])
  })
})
