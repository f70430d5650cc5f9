import { describe, expect, test } from 'vitest'
import { searchCall, type SearchOutcome } from '../../../src/mcp/search/search.ts'
import { nameWords, textWords } from '../../../src/mcp/search/words.ts'
import { buildView, viewSpecOf, type OfferedServer, type View, type ViewSpec, type WideView } from '../../../src/mcp/views.ts'
import type { Json } from '../../../src/wire/json-rpc.ts'

const SEARCH = viewSpecOf('@search', []) as ViewSpec
const offered = (server: string, definitions: readonly Json[]): OfferedServer<string> => ({
  server,
  tools: definitions.map((definition) => ({ server, tool: String(definition.name), definition, target: `${server}/${String(definition.name)}` })),
  about: undefined
})
const servers = [
  offered('files', [
    { name: 'read_file', title: 'Read a file', description: 'Reads\n  the content of a file.', inputSchema: { type: 'object', properties: { path: {} } } },
    { name: 'write_file', description: 'Writes content to a file.' },
    { name: 'listDirectories', description: 'Shows what is in a folder.' }
  ]),
  offered('mail', [
    { name: 'send', description: `Sends a message. ${'Long words follow here. '.repeat(30)}`, inputSchema: { properties: { recipientAddress: {} } } },
    { name: 'read', description: 'Reads a message.', title: 5, annotations: null, inputSchema: 'odd' }
  ])
]
const view = buildView(servers, SEARCH)
const call = (name: string, args: unknown, on: View<unknown> = view) => searchCall(on, name, args)
const answer = (outcome: SearchOutcome): Json => {
  if ('answer' in outcome && !(outcome.answer instanceof Promise)) return outcome.answer
  throw new Error(`no answer: ${JSON.stringify(outcome)}`)
}
const textOf = (result: Json) => (result.content as [{ text: string }])[0].text
const found = (args: Json) => (answer(call('search_tools', args)).structuredContent as { tools: { name: string }[] }).tools.map(({ name }) => name)
const mistake = (name: string, args: unknown) => {
  const result = answer(call(name, args))
  expect(result.isError).toBe(true)
  return textOf(result)
}

describe('the list', () => {
  test('three tools, sorted, small, the same whatever there is', () => {
    expect(view.tools.map(({ name }) => name)).toEqual(['call_tool', 'describe_tool', 'search_tools'])
    expect(JSON.stringify({ tools: view.tools }).length).toBeLessThan(4_096)
    expect(buildView([], SEARCH).tools).toBe(view.tools)
    expect(view.instructions).toBe(buildView([], SEARCH).instructions)
    expect([...view.table.keys()]).toContain('files__read_file')
  })

  test('hints: two only read, the third may do anything', () => {
    expect(view.tools.map(({ annotations }) => annotations)).toMatchObject([{ readOnlyHint: false, destructiveHint: true, openWorldHint: true }, { readOnlyHint: true }, { readOnlyHint: true }])
    expect(view.tools.map((tool) => 'outputSchema' in tool)).toEqual([false, true, true])
  })
})

describe('search_tools', () => {
  test.each([
    ['read file', ['files__read_file', 'mail__read', 'files__write_file', 'files__listDirectories']],
    ['reading', []],
    ['rea', ['mail__read', 'files__read_file']],
    ['directory', ['files__listDirectories']],
    ['folder', ['files__listDirectories']],
    ['ADDRESS', ['mail__send']],
    ['files', ['files__read_file', 'files__write_file', 'files__listDirectories']],
    ['files__write_file', ['files__write_file', 'files__read_file', 'files__listDirectories']],
    ['zzz', []]
  ])('%s', (query, names) => expect(found({ query })).toEqual(names))

  test('the empty query lists by name, and what is equally good comes by name', () => {
    expect(found({ query: ' ' })).toEqual(['files__listDirectories', 'files__read_file', 'files__write_file', 'mail__read', 'mail__send'])
    const same = buildView([offered('s', ['c', 'a', 'b'].map((name) => ({ name, description: 'does it' })))], SEARCH)
    expect(textOf(answer(call('search_tools', { query: 'does' }, same)))).toBe('s__a: does it\ns__b: does it\ns__c: does it')
  })

  test('text and structure say the same; long descriptions are cut, white space is folded', () => {
    const result = answer(call('search_tools', { query: 'read content', limit: 2 }))
    expect(result.structuredContent).toEqual({
      tools: [
        { name: 'files__read_file', server: 'files', title: 'Read a file', description: 'Reads the content of a file.' },
        { name: 'mail__read', server: 'mail', description: 'Reads a message.' }
      ],
      total: 3
    })
    expect(textOf(result)).toBe('files__read_file: Reads the content of a file.\nmail__read: Reads a message.\n(1 more: use more precise words, or a larger limit)')
    const [sent] = (answer(call('search_tools', { query: 'send' })).structuredContent as { tools: { description: string }[] }).tools
    expect(sent?.description).toHaveLength(200)
  })

  test('one server', () => {
    expect(found({ query: 'read', server: 'mail' })).toEqual(['mail__read'])
    expect(mistake('search_tools', { query: 'x', server: 'nope' })).toBe('There is no server named "nope" with tools. Servers: files, mail. Leave "server" out to search all.')
  })

  test('nothing found is no mistake', () => {
    const result = answer(call('search_tools', { query: 'zzz' }))
    expect(result).toEqual({ content: [{ type: 'text', text: 'No tool fits: try other words, or an empty query to list tools by name.' }], structuredContent: { tools: [], total: 0 } })
  })
})

describe('describe_tool', () => {
  test('the whole definition, with the name of the view', () => {
    const result = answer(call('describe_tool', { name: 'files__read_file' }))
    expect(result.structuredContent).toEqual({ ...servers[0]?.tools[0]?.definition, name: 'files__read_file' })
    expect(JSON.parse(textOf(result))).toEqual(result.structuredContent)
  })

  test('what the view denies is not there', () => {
    const narrow = buildView(servers, { ...(SEARCH as WideView), deny: ['files__*'] })
    expect(answer(call('describe_tool', { name: 'files__read_file' }, narrow)).isError).toBe(true)
    expect(answer(call('call_tool', { name: 'files__read_file' }, narrow)).isError).toBe(true)
    expect(JSON.stringify(call('search_tools', { query: 'file' }, narrow))).not.toContain('files__')
  })
})

describe('call_tool', () => {
  test('stands for the call of that tool', () => {
    expect(call('call_tool', { name: 'mail__send', arguments: { to: 'x' } })).toEqual({ call: { name: 'mail__send', arguments: { to: 'x' } } })
    expect(call('call_tool', { name: 'mail__send' })).toEqual({ call: { name: 'mail__send', arguments: {} } })
  })

  test('an unknown name gets the nearest ones', () => {
    expect(mistake('call_tool', { name: 'files__raed_file' })).toMatch(/^There is no tool named "files__raed_file"\. Similar names: files__read_file, /)
    expect(mistake('call_tool', { name: 'qqqqqq' })).toBe('There is no tool named "qqqqqq". Find the right name with search_tools.')
    expect(mistake('describe_tool', { name: 'x'.repeat(10_000) }).length).toBeLessThan(1_000)
  })
})

describe('arguments that do not fit get a sentence', () => {
  test.each([
    ['search_tools', undefined, 'search_tools needs arguments'],
    ['search_tools', [], 'search_tools needs arguments'],
    ['search_tools', {}, 'search_tools needs "query"'],
    ['search_tools', { query: 1 }, 'search_tools needs "query"'],
    ['search_tools', { query: 'x'.repeat(1_001) }, '"query" may have at most 1000 characters'],
    ['search_tools', { query: 'x', limit: 51 }, '"limit" must be a whole number from 1 to 50'],
    ['search_tools', { query: 'x', limit: '10' }, '"limit" must be a whole number'],
    ['search_tools', { query: 'x', server: 1 }, '"server" must be the name of a server'],
    ['search_tools', { query: 'x', top: 1 }, 'search_tools has no argument "top"; it takes query, limit, server'],
    ['describe_tool', {}, 'describe_tool needs "name"'],
    ['call_tool', { name: 1 }, 'call_tool needs "name"'],
    ['call_tool', { tool: 'mail__send' }, 'call_tool has no argument "tool"; it takes name, arguments'],
    ['call_tool', { name: 'mail__send', arguments: '{}' }, '"arguments" of call_tool must be an object'],
    ['call_tool', { name: 'mail__send', arguments: null }, 'not null'],
    ['call_tool', { name: 'mail__send', arguments: [] }, 'not a list']
  ])('%s %j', (name, args, sentence) => expect(mistake(name, args)).toContain(sentence))

  test('a tool that is none of the three is no tool, even if call_tool could run it', () => {
    expect(call('mail__send', {})).toEqual({ problem: expect.stringMatching(/^there is no tool named "mail__send" in this view: it has call_tool, describe_tool, search_tools/) })
  })
})

test('words: of names by their parts, of texts by letters, plurals alike', () => {
  expect(nameWords('getHTTPServer_info2-files.v10')).toEqual(['get', 'http', 'server', 'info', '2', 'file', 'v', '10'])
  expect(nameWords('öffneDatei')).toEqual(['öffne', 'datei'])
  expect(textWords("It's Files, class and directories: 日本語")).toEqual(['it', 's', 'file', 'class', 'and', 'directory', '日本語'])
})

describe('10 000 tools', () => {
  const verbs = ['read', 'write', 'list', 'create', 'delete', 'update', 'search', 'get', 'move', 'copy']
  const text = 'It works on the given object of the remote system and returns what it found as text; use it when the user asks for details about a record of the last week.'
  const many = Array.from({ length: 100 }, (_, server) =>
    offered(
      `server-${server}`,
      Array.from({ length: 100 }, (_unused, tool) => ({
        name: `${verbs[tool % 10]}_thing_${tool}`,
        description: `${verbs[tool % 10]} a thing of kind ${tool}. ${text}`,
        inputSchema: { type: 'object', properties: { id: {}, path: {}, limit: {} } }
      }))
    )
  )
  const large = buildView(many, SEARCH)
  const best = (runs: number, run: () => unknown) => {
    let least = Infinity
    for (let at = 0; at < runs; at++) {
      const from = performance.now()
      run()
      least = Math.min(least, performance.now() - from)
    }
    return least
  }

  // Wanted: under 300 ms for the index, 5 ms for a query; with an idle core 150, 40 after a change, 1.
  // A loaded machine took 2 s for the index: what must hold there too is that the work is done once.
  test('are found by what they do, also after a change', () => {
    const index = best(1, () => call('search_tools', { query: 'x' }, large))
    const query = best(10, () => call('search_tools', { query: 'delete a thing of the last week by path' }, large))
    const again = best(3, () => call('search_tools', { query: 'x' }, buildView(many, SEARCH)))
    console.log(`10 000 tools: index ${index.toFixed(0)} ms, after a change ${again.toFixed(0)} ms, query ${query.toFixed(2)} ms`)
    expect(query).toBeLessThan(index / 5)
    expect(again).toBeLessThan(index)
    for (const one of [large, buildView(many, SEARCH)]) {
      expect(JSON.stringify(call('search_tools', { query: 'delete a thing of the last week by path', limit: 3 }, one))).toMatch(/server-\d+__delete_thing_\d+/)
    }
  })

  test('the list stays as small as it is', () => {
    expect(large.tools).toBe(view.tools)
    expect(large.table.size).toBe(10_000)
  })
})
