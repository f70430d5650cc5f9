import { describe, expect, test } from 'vitest'
import { buildView } from '../../../src/mcp/views.ts'

const offered = (server: string, tool: string, extra: object = {}) => ({ server, tool, definition: { name: tool, ...extra }, target: `${server}/${tool}` })

describe('buildView', () => {
  test('everything: advertised names, sorted, with the way back', () => {
    const view = buildView([offered('b', 'y'), offered('a', 'Z'), offered('a', 'z')])
    expect(view.tools.map((tool) => tool['name'])).toEqual(['a__Z', 'a__z', 'b__y'])
    expect([...view.table]).toEqual([
      ['a__Z', 'a/Z'],
      ['a__z', 'a/z'],
      ['b__y', 'b/y']
    ])
  })

  test('one server: its tools alone, bare names', () => {
    const view = buildView([offered('b', 'y'), offered('a', 'x.1')], 'a')
    expect(view.tools).toEqual([{ name: 'x.1' }])
    expect(view.table.get('x.1')).toBe('a/x.1')
    expect(view.table.size).toBe(1)
  })

  test('definitions are copied, only the name changes', () => {
    const definition = { name: 'x', inputSchema: { type: 'object' }, _meta: { some: 'thing' }, annotations: { title: 'X' } }
    const view = buildView([{ server: 's', tool: 'x', definition, target: 1 }])
    expect(view.tools).toEqual([{ ...definition, name: 's__x' }])
    expect(definition.name).toBe('x')
  })

  test('the same tool twice: the first counts', () => {
    const view = buildView([
      { server: 's', tool: 'x', definition: { from: 1 }, target: 1 },
      { server: 's', tool: 'x', definition: { from: 2 }, target: 2 }
    ])
    expect(view.tools).toEqual([{ from: 1, name: 's__x' }])
    expect(view.table.get('s__x')).toBe(1)
  })

  test('the order of offering does not show', () => {
    const tools = [offered('s', 'a.b'), offered('s', 'a b'), offered('t', 'c')]
    expect(buildView(tools.toReversed()).tools.map((tool) => tool['name'])).toEqual(buildView(tools).tools.map((tool) => tool['name']))
  })
})
