import { describe, expect, test } from 'vitest'
import { isSearchCall } from '../../../src/mcp/search/search.ts'
import { buildView, viewSpecOf, type OfferedServer, type ViewSpec, type WideView } from '../../../src/mcp/views.ts'

const server = (name: string, count: number, distance?: number): OfferedServer<string> => ({
  server: name, about: undefined, ...(distance === undefined ? {} : { distance }),
  tools: Array.from({ length: count }, (_, n) => ({ server: name, tool: `t${n}`, definition: { name: `t${n}` }, target: `${name}/t${n}` }))
})
const everything = viewSpecOf(undefined, []) as ViewSpec
const SEARCH = ['call_tool', 'describe_tool', 'search_tools']
const listed = (servers: readonly OfferedServer<string>[], maxTools: number, spec = everything) => {
  const view = buildView(servers, spec, undefined, { maxTools })
  return { view, names: view.tools.map(({ name }) => String(name)).filter((name) => !SEARCH.includes(name)), search: view.tools.map(({ name }) => String(name)).filter((name) => SEARCH.includes(name)) }
}
const serversOf = (names: readonly string[]) => [...new Set(names.map((name) => name.split('__')[0]))]

describe('a list with more tools than catalog.max_tools', () => {
  test('is whole as long as they fit', () => {
    const { view, names, search } = listed([server('a', 5), server('b', 5)], 10)
    expect([names.length, search, view.cut, view.searches, view.instructions]).toEqual([10, [], undefined, false, undefined])
    expect(view.notices).toEqual([])
  })

  test.each<[string, OfferedServer<string>[], number, string[]]>([
    ['near servers before distant ones', [server('a', 4, 2), server('b', 4), server('c', 4, 1)], 11, ['b', 'c']],
    ['equally near ones by name', [server('b', 4, 1), server('a', 4, 1), server('c', 4, 1)], 11, ['a', 'b']],
    ['whole servers, a smaller one in place of one that does not fit', [server('a', 4), server('b', 9), server('c', 4)], 11, ['a', 'c']],
    ['none that is larger than all room', [server('a', 20)], 11, []]
  ])('has %s', (_, servers, max, expected) => {
    const { view, names, search } = listed(servers, max)
    expect(serversOf(names)).toEqual(expected)
    expect(names.length + search.length).toBeLessThanOrEqual(max)
    expect(search).toEqual(SEARCH)
    expect(view.tools.map(({ name }) => name)).toEqual(view.tools.map(({ name }) => name).toSorted())
    // What is left out can be called and found all the same.
    for (const { server: name } of servers) expect(view.table.get(`${name}__t0`)).toBe(`${name}/t0`)
    expect(view.rows).toHaveLength(servers.reduce((sum, one) => sum + one.tools.length, 0))
    expect(listed(servers.toReversed(), max).names).toEqual(names)
  })

  test('says so: in the instructions, and in a notice that names the servers', () => {
    const many = Array.from({ length: 9 }, (_, n) => server(`s${n}`, 2))
    const { view } = listed(many, 7)
    expect(view.instructions).toMatch(/^Not all tools .* search_tools/)
    expect(view.notices).toEqual([view.cut])
    expect(view.cut).toBe(
      '/mcp does not list 14 tools of the servers s2, s3, s4, s5, s6 and 2 more, because catalog.max_tools is 7: ' +
      'clients find them with its search_tools, or list them at /mcp/<server>; they can be called all the same.'
    )
    const mine = { ...(everything as WideView), name: 'mine', allow: ['s0__*', 's1__*', 's2__*'] }
    expect(listed(many, 5, mine).view.cut).toMatch(/^\/mcp\/@mine does not list 4 tools/)
  })

  test('its search tools answer there, and in a whole list they are no tools', () => {
    const cut = listed([server('a', 5)], 4).view
    const whole = listed([server('a', 5)], 5).view
    expect([isSearchCall(cut, 'search_tools'), isSearchCall(cut, 'a__t0'), isSearchCall(whole, 'search_tools')]).toEqual([true, false, false])
  })

  test('a tool that was renamed to the name of a search tool keeps it', () => {
    const spec = { ...(everything as WideView), rename: { a__t0: 'search_tools' } }
    const { view } = listed([server('a', 2), server('b', 4)], 5, spec)
    expect(view.tools.filter(({ name }) => name === 'search_tools')).toEqual([{ name: 'search_tools' }])
    expect(isSearchCall(view, 'search_tools')).toBe(false)
  })

  test('where more is known to be beyond this node the search tools are listed though all fits', () => {
    const view = buildView([server('a', 2)], everything, undefined, { maxTools: 100, more: true })
    expect(view.tools.map(({ name }) => name)).toEqual(['a__t0', 'a__t1', ...SEARCH])
    expect([view.searches, view.cut]).toEqual([true, undefined])
  })

  test("one server's view, and the search view, are as they were", () => {
    expect(buildView([server('a', 9)], { server: 'a' }, undefined, { maxTools: 3, more: true }).tools).toHaveLength(9)
    const search = buildView([server('a', 9)], { ...(everything as WideView), name: 'search', mode: 'search' }, undefined, { maxTools: 3 })
    expect([search.tools.map(({ name }) => name), search.cut]).toEqual([SEARCH, undefined])
  })
})
