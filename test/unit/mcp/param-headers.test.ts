import { expect, test } from 'vitest'
import { argumentAt, headerText, paramHeaders } from '../../../src/mcp/rev2026/param-headers.ts'

test('declarations are found on properties at any depth', () => {
  const inputSchema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { type: 'object', properties: { dry: { type: 'boolean', 'x-mcp-header': 'Dry-Run' } } },
      // An argument may be called like the declaration.
      'x-mcp-header': { type: 'integer', 'x-mcp-header': 'Odd' }
    },
    anyOf: [{ properties: { region: { type: 'string' } } }]
  }
  const scan = paramHeaders(inputSchema)
  expect(scan).toEqual({
    declared: [
      { header: 'Region', path: ['region'], type: 'string' },
      { header: 'Dry-Run', path: ['deep', 'dry'], type: 'boolean' },
      { header: 'Odd', path: ['x-mcp-header'], type: 'integer' }
    ]
  })
  expect(paramHeaders(inputSchema)).toBe(scan)
})

test.each([
  ['no name', { properties: { a: { type: 'string', 'x-mcp-header': '' } } }],
  ['no header name', { properties: { a: { type: 'string', 'x-mcp-header': 'a b' } } }],
  ['a number as its name', { properties: { a: { type: 'string', 'x-mcp-header': 7 } } }],
  ['no type', { properties: { a: { 'x-mcp-header': 'A' } } }],
  ['an object', { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }],
  ['a name twice', { properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } } }],
  ['a place at the root', { type: 'string', 'x-mcp-header': 'A' }],
  ['a place in items', { properties: { a: { type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } } } }],
  ['a place in a branch', { properties: { a: { type: 'string', 'x-mcp-header': 'A' } }, oneOf: [{ properties: { b: { type: 'string', 'x-mcp-header': 'B' } } }] }],
  ['a place in definitions', { $defs: { a: { type: 'string', 'x-mcp-header': 'A' } } }]
])('a declaration with %s is a fault, and nothing is declared', (_, inputSchema) => {
  expect(paramHeaders(inputSchema)).toEqual({ declared: [], fault: expect.stringContaining('x-mcp-header') })
})

test('a number is a fault too, but servers check it, so it stands', () => {
  const scan = paramHeaders({ properties: { a: { type: 'number', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'B' } } })
  expect(scan).toEqual({ declared: [{ header: 'A', path: ['a'], type: 'number' }, { header: 'B', path: ['b'], type: 'string' }], fault: expect.stringMatching(/^a: .*not number$/) })
})

test('a schema that is odd or nested without end is no danger', () => {
  let deep: Record<string, unknown> = { type: 'string', 'x-mcp-header': 'A' }
  for (let level = 0; level < 100_000; level++) deep = { properties: { a: deep }, items: level % 2 === 0 ? deep : {} }
  expect(paramHeaders(deep)).toEqual({ declared: [], fault: expect.stringContaining('too deeply') })
  for (const odd of [undefined, null, 'no schema', [], { properties: [1], anyOf: 'x', $defs: null }]) expect(paramHeaders(odd)).toEqual({ declared: [] })
})

test('an argument is text in its header, or there is none', () => {
  const args = { text: 'eu', truth: false, count: 42, half: 1.5, huge: 2 ** 60, list: [], nothing: null, deep: { dry: true } }
  const texts = (['text', 'truth', 'count', 'half', 'huge', 'list', 'nothing', 'absent'] as const).map((key) => headerText(args, [key]))
  expect(texts).toEqual(['eu', 'false', '42', '1.5', undefined, undefined, undefined, undefined])
  expect(headerText(args, ['deep', 'dry'])).toBe('true')
  expect(argumentAt({}, ['constructor', 'name'])).toBeUndefined()
  for (const odd of [undefined, 'odd', 7]) expect(headerText(odd, ['text'])).toBeUndefined()
})
