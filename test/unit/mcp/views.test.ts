import { describe, expect, test } from 'vitest'
import { buildView, viewSpecOf, type OfferedServer, type ViewSpec, type WideView } from '../../../src/mcp/views.ts'
import type { About } from '../../../src/wire/about.ts'
import type { Json } from '../../../src/wire/json-rpc.ts'

const about = (extra: Partial<About> = {}): About => ({ capabilities: {}, serverInfo: {}, prompts: [], resources: [], resourceTemplates: [], ...extra })
const definitionOf = (tool: string): Json => ({ name: tool, inputSchema: { type: 'object' } })
const server = (name: string, tools: readonly string[], extra?: Partial<About>): OfferedServer<string> => ({
  server: name,
  tools: tools.map((tool) => ({ server: name, tool, definition: definitionOf(tool), target: `${name}/${tool}` })),
  about: extra === undefined ? undefined : about(extra)
})
const everything = viewSpecOf(undefined, []) as ViewSpec
const wide = (extra: Partial<WideView>): WideView => ({ ...(everything as WideView), name: 'v', ...extra })
const namesOf = (list: readonly Json[], key = 'name') => list.map((entry) => entry[key])

describe('tools', () => {
  test('everything: advertised names, sorted, with the way back', () => {
    const view = buildView([server('b', ['y']), server('a', ['Z', 'z'])], everything)
    expect(namesOf(view.tools)).toEqual(['a__Z', 'a__z', 'b__y'])
    expect([...view.table]).toEqual([
      ['a__Z', 'a/Z'],
      ['a__z', 'a/z'],
      ['b__y', 'b/y']
    ])
    expect(view.rows.map(({ name, server: of }) => `${name} ${of}`)).toEqual(['a__Z a', 'a__z a', 'b__y b'])
    expect(view.passesLists).toBe(false)
  })

  test('one server: its tools alone under bare names, the very objects it gave', () => {
    const servers = [server('b', ['y']), server('a', ['x.1', 'b'])]
    const view = buildView(servers, { server: 'a' })
    expect(namesOf(view.tools)).toEqual(['b', 'x.1'])
    expect(view.tools[1]).toBe(servers[1]?.tools[0]?.definition)
    expect([...view.table.keys()]).toEqual(['b', 'x.1'])
    expect(view.passesLists).toBe(true)
  })

  test.each([
    ['2025', true],
    ['2026', false],
    [undefined, false]
  ] as const)('one server of %s: it may have more tools for a client that can be asked: %s', (protocol, expected) => {
    const about = { capabilities: {}, serverInfo: {}, prompts: [], resources: [], resourceTemplates: [], ...(protocol === undefined ? {} : { protocol }) }
    const servers = [{ ...server('a', ['x']), about }]
    expect(buildView(servers, { server: 'a' }).passesTools).toBe(expected)
    expect(buildView(servers, everything).passesTools).toBe(false)
  })

  test('definitions are copied, only the name changes', () => {
    const definition = { name: 'x', inputSchema: { type: 'object' }, _meta: { some: 'thing' }, annotations: { title: 'X' } }
    const view = buildView([{ server: 's', tools: [{ server: 's', tool: 'x', definition, target: 1 }], about: undefined }], everything)
    expect(view.tools).toEqual([{ ...definition, name: 's__x' }])
    expect(definition.name).toBe('x')
  })

  test('the same tool twice: the first counts, in both kinds of views', () => {
    const tools = [1, 2].map((from) => ({ server: 's', tool: 'x', definition: { name: 'x', from }, target: from }))
    for (const spec of [everything, { server: 's' }]) {
      const view = buildView([{ server: 's', tools, about: undefined }], spec)
      expect(view.tools).toMatchObject([{ from: 1 }])
      expect([...view.table.values()]).toEqual([1])
    }
  })

  test('the order of offering does not show', () => {
    const servers = [server('s', ['a.b', 'a b']), server('t', ['c'])]
    const turned = servers.map((entry) => ({ ...entry, tools: entry.tools.toReversed() })).toReversed()
    expect(buildView(turned, everything).tools).toEqual(buildView(servers, everything).tools)
  })

  test('a change in one server leaves the objects of the others what they are', () => {
    const [a, b] = [server('a', ['x', 'y']), server('b', ['x'])]
    const before = buildView([a, b], everything)
    const after = buildView([a, server('b', ['x', 'new'])], everything)
    expect(after.tools[0]).toBe(before.tools[0])
    expect(after.tools[1]).toBe(before.tools[1])
    expect(after.tools[3]).not.toBe(before.tools[2])
    expect(namesOf(after.tools)).toEqual(['a__x', 'a__y', 'b__new', 'b__x'])
  })

  test('one definition under many names: each view has its own', () => {
    const definition = definitionOf('x')
    const view = (name: string) => buildView([{ server: name, tools: [{ server: name, tool: 'x', definition, target: 0 }], about: undefined }], everything)
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`)
    for (const round of [1, 2]) for (const name of names) expect(view(name).tools, `${round}`).toEqual([{ ...definition, name: `${name}__x` }])
  })
})

describe('a configured view', () => {
  const servers = [server('git', ['diff', 'log', 'delete_branch']), server('db', ['query', 'delete_row'])]

  test('allow and deny, over advertised names', () => {
    const view = buildView(servers, wide({ allow: ['git__*', 'db__query'], deny: ['*__delete_*'] }))
    expect(namesOf(view.tools)).toEqual(['db__query', 'git__diff', 'git__log'])
    expect(view.table.has('git__delete_branch')).toBe(false)
  })

  test('servers of the view; names are those of the view of everything', () => {
    const alike = [server('a', ['b__c']), server('a__b', ['c'])]
    const names = namesOf(buildView(alike, everything).tools)
    const view = buildView(alike, wide({ servers: ['a'] }))
    expect(names).toContain(view.rows[0]?.name)
    expect(view.rows).toHaveLength(1)
    expect(view.rows[0]?.name).toMatch(/^a__b__c_[0-9a-f]{8}$/)
  })

  test('renames, exchanges of names too; patterns are about the old name', () => {
    const view = buildView(servers, wide({ allow: ['git__*'], rename: { git__diff: 'git__log', git__log: 'git__diff', git__delete_branch: 'rm' } }))
    expect([...view.table]).toEqual([
      ['git__diff', 'git/log'],
      ['git__log', 'git/diff'],
      ['rm', 'git/delete_branch']
    ])
    expect(namesOf(view.tools)).toEqual(['git__diff', 'git__log', 'rm'])
    expect(view.notices).toEqual([])
  })

  test.each([
    ['a name that another tool keeps', { git__diff: 'git__log' }, ['git__diff']],
    ['two that want one name', { git__diff: 'x', git__log: 'x' }, ['git__diff', 'git__log']],
    ['a name whose owner does not give it away after all', { git__diff: 'git__log', git__log: 'db__query' }, ['git__diff', 'git__log']]
  ])('%s: the old name stays, with a notice', (_, rename, kept) => {
    const view = buildView(servers, wide({ rename }))
    expect(view.rows.map(({ name }) => name)).toEqual(buildView(servers, everything).rows.map(({ name }) => name))
    expect(view.notices).toHaveLength(kept.length)
    for (const name of kept) expect(view.notices.join('\n')).toContain(`mcp.views.v.rename: "${name}" keeps its name`)
  })

  test('a rename of nothing is a notice', () => {
    expect(buildView(servers, wide({ deny: ['git__diff'], rename: { git__diff: 'd' } })).notices).toEqual([
      'mcp.views.v.rename: there is no tool "git__diff" in this view now: take the name from `skein tools ls`.'
    ])
  })

  test('what a name means', () => {
    const configured = [wide({ name: 'default', deny: ['a'] }), wide({ name: 'mine' }), wide({ name: 'search', mode: 'list', deny: ['b'] })]
    expect(viewSpecOf(undefined, configured)).toBe(configured[0])
    expect(viewSpecOf('@mine', configured)).toBe(configured[1])
    expect(viewSpecOf('@search', configured)).toEqual({ ...configured[2], mode: 'search' })
    expect(viewSpecOf('@search', [])).toMatchObject({ mode: 'search', allow: ['*'] })
    expect(viewSpecOf('@mine', [])).toBeUndefined()
    expect(viewSpecOf('mine', configured)).toEqual({ server: 'mine' })
  })
})

describe('prompts and resources', () => {
  const prompt = (name: string) => ({ name })
  const resource = (uri: string) => ({ uri, name: uri })
  const template = (uriTemplate: string) => ({ uriTemplate, name: uriTemplate })
  const servers = [
    server('b', [], { prompts: [prompt('z'), prompt('both')], resources: [resource('x://2'), resource('both://')], resourceTemplates: [template('b://{id}'), template('t://{x}')] }),
    server('a', [], { prompts: [prompt('both'), prompt('a')], resources: [resource('both://'), resource('x://1')], resourceTemplates: [template('t://{x}'), template('a://{+path}')] }),
    server('c', ['tool'])
  ]
  const view = buildView(servers, everything)

  test('of all servers, sorted, under their own names; what two have is dropped for both, with one notice each', () => {
    expect(namesOf(view.prompts)).toEqual(['a', 'z'])
    expect(namesOf(view.resources, 'uri')).toEqual(['x://1', 'x://2'])
    expect(namesOf(view.resourceTemplates, 'uriTemplate')).toEqual(['a://{+path}', 'b://{id}'])
    expect([...view.promptServers]).toEqual(expect.arrayContaining([['a', 'a'], ['z', 'b']]))
    expect(view.promptServers.has('both')).toBe(false)
    expect(view.notices).toEqual([
      'The servers b, a have the same prompts "both": ask for them at /mcp/b or /mcp/a, they are left out where both are shown.',
      'The servers b, a have the same resources "both://": ask for them at /mcp/b or /mcp/a, they are left out where both are shown.',
      'The servers b, a have the same resource templates "t://{x}": ask for them at /mcp/b or /mcp/a, they are left out where both are shown.'
    ])
  })

  test('much that is shared is one sentence', () => {
    const many = Array.from({ length: 1000 }, (_, index) => resource(`u://${index}`))
    const { notices, resources } = buildView([server('a', [], { resources: many }), server('b', [], { resources: many })], everything)
    expect(resources).toEqual([])
    expect(notices).toHaveLength(1)
    expect(notices[0]).toContain('"u://0", "u://1", "u://10" and 997 more')
  })

  test.each([
    ['x://1', 'a'],
    ['b://7', 'b'],
    ['a://deep/path', 'a'],
    ['b://{id}', 'b'],
    ['both://', undefined],
    ['t://1', undefined],
    ['t://{x}', undefined],
    ['b://7/8', undefined],
    ['y://', undefined]
  ])('%s is of %s', (uri, name) => expect(view.serverOfUri(uri)).toBe(name))

  test('a URI that fits templates of two servers is of none', () => {
    const two = buildView([server('a', [], { resourceTemplates: [template('x://{a}')] }), server('b', [], { resourceTemplates: [template('x://1{b}')] })], everything)
    expect(two.serverOfUri('x://2')).toBe('a')
    expect(two.serverOfUri('x://12')).toBeUndefined()
  })

  test('a template that would fit everything takes nothing from others', () => {
    const greedy = buildView([...servers, server('d', [], { resourceTemplates: [template('{+anything}')] })], everything)
    expect(greedy.serverOfUri('b://7')).toBe('b')
    expect(greedy.serverOfUri('d://7')).toBeUndefined()
  })

  test('of a server with very many templates the first count, with a notice', () => {
    const many = buildView([server('a', [], { resourceTemplates: Array.from({ length: 101 }, (_, index) => template(`a${index}://{x}`)) })], everything)
    expect([many.serverOfUri('a99://x'), many.serverOfUri('a100://x'), many.resourceTemplates.length]).toEqual(['a', undefined, 100])
    expect(many.notices).toEqual(['The server "a" has more than 100 resource templates: /mcp shows the first ones, use /mcp/a for all.'])
  })

  test('a view of fewer servers has what only one of them claims', () => {
    const narrow = buildView(servers, wide({ servers: ['b', 'c'], deny: ['z'] }))
    expect(namesOf(narrow.prompts)).toEqual(['both'])
    expect(namesOf(narrow.resources, 'uri')).toEqual(['both://', 'x://2'])
    expect(narrow.serverOfUri('t://1')).toBe('b')
    expect(narrow.serverOfUri('a://x')).toBeUndefined()
  })

  test('one server: its own lists and order', () => {
    const one = buildView(servers, { server: 'b' })
    expect(one.prompts).toBe(servers[0]?.about?.prompts)
    expect(one.resources).toBe(servers[0]?.about?.resources)
    expect(one.promptServers.get('both')).toBe('b')
    expect(one.serverOfUri('any://thing')).toBe('b')
    expect(one.notices).toEqual([])
  })

  test('lists that were too large are named', () => {
    expect(buildView([server('a', [], { partial: ['resources', 'resourceTemplates'] })], everything).notices).toEqual([
      'The server "a" has too many resources for /mcp: use /mcp/a for them.',
      'The server "a" has too many resource templates for /mcp: use /mcp/a for them.'
    ])
  })
})

describe('what a view says about itself', () => {
  const servers = [
    server('a', ['x'], { capabilities: { tools: {}, resources: { subscribe: true }, logging: {}, experimental: { odd: {} } }, instructions: ' Use x. ' }),
    server('b', [], { capabilities: { prompts: { listChanged: false }, completions: {}, resources: {} }, instructions: 'b'.repeat(20_000) }),
    server('c', [])
  ]

  test('capabilities are those of its servers together', () => {
    expect(buildView(servers, everything).capabilities).toEqual({
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {}
    })
    expect(buildView([], everything).capabilities).toEqual({ tools: { listChanged: true } })
    expect(buildView(servers, { server: 'b' }).capabilities).toEqual({ prompts: { listChanged: true }, resources: { listChanged: true }, completions: {} })
    expect(buildView(servers, { server: 'c' }).capabilities).toEqual({ tools: { listChanged: true } })
  })

  test('instructions: those of its servers, whole ones up to a limit; one server: as they are', () => {
    expect(buildView(servers, everything).instructions).toBe('# Server "a" (its tools are named a__...)\n\nUse x.')
    expect(buildView(servers, { server: 'b' }).instructions).toHaveLength(20_000)
    expect(buildView([server('a', [])], everything).instructions).toBeUndefined()
  })
})

// Measured with an idle core: 10 ms. The limit is five times what is wanted, for tests run beside each other.
test('10 000 tools are built anew within 30 ms', () => {
  const servers = Array.from({ length: 100 }, (_, index) => server(`server-${index}`, Array.from({ length: 100 }, (_unused, tool) => `tool_${tool}`)))
  let best = Infinity
  for (let run = 0; run < 5; run++) {
    const from = performance.now()
    expect(buildView(servers, everything).tools).toHaveLength(10_000)
    best = Math.min(best, performance.now() - from)
  }
  console.log(`a view of 10 000 tools: ${best.toFixed(1)} ms`)
  expect(best).toBeLessThan(5 * 30)
})

describe('what a change of a view costs', () => {
  const templates = (name: string) => ({ resourceTemplates: Array.from({ length: 100 }, (_, n) => ({ uriTemplate: `file:///{+a}/${name}${n}/{b}`, name: 't' })) })

  test('only a change of resources looks for the servers of URIs anew', () => {
    const servers = [server('a', ['x'], templates('a')), server('b', [], templates('b'))]
    const view = buildView(servers, everything)
    const moreTools = [{ ...servers[0]!, tools: server('a', ['x', 'y']).tools }, servers[1]!]
    expect(buildView(moreTools, everything, { view, servers }).serverOfUri).toBe(view.serverOfUri)
    const others = [servers[0]!, server('b', [], { resources: [{ uri: 'b://1', name: 'x' }] })]
    const changed = buildView(others, everything, { view, servers })
    expect(changed.serverOfUri('b://1')).toBe('b')
    expect(view.serverOfUri('b://1')).toBeUndefined()
    expect(buildView([servers[1]!], everything, { view, servers }).serverOfUri('file:///x/a7/y')).toBeUndefined()
    expect(view.serverOfUri('file:///x/a7/y')).toBe('a')
  })

  test('thousands of URIs and hundreds of templates of hostile members take no time worth mentioning', () => {
    const view = buildView(['a', 'b', 'c', 'd', 'e'].map((name) => server(name, [], templates(name))), everything)
    const from = performance.now()
    for (let n = 0; n < 2_000; n++) view.serverOfUri(`file:///x${n}/${'z'.repeat(100)}/a1/q`)
    // 60 ms where this was written; 16 s when every template was tried letter by letter.
    expect(performance.now() - from).toBeLessThan(2_000)
  })
})
