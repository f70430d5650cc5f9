import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { liveDiff } from '../../../src/config/diff.ts'
import { printConfig } from '../../../src/config/print.ts'
import { load, problemsOf, temporaryDirectory } from './files.ts'

const directory = temporaryDirectory()
const config = (yaml: string) => load(directory, `mcp:\n  views: ${yaml}`).config
const views = (yaml: string) => config(yaml).mcp.views
const problems = (yaml: string) => problemsOf(() => views(yaml))

test('none, a view with the defaults, and one with everything, sorted by name', () => {
  expect(views('{}')).toEqual([])
  expect(views('')).toEqual([])
  expect(views('{plain: {}, all: {mode: search, allow: [a*], deny: [b], rename: {s__x: y}, servers: [s, t-12345678]}}')).toEqual([
    { name: 'all', mode: 'search', allow: ['a*'], deny: ['b'], rename: { s__x: 'y' }, servers: ['s', 't-12345678'] },
    { name: 'plain', mode: 'list', allow: ['*'], deny: [], rename: {} }
  ])
})

test('the view search searches', () => {
  expect(views('{search: {deny: [x]}}')[0]).toMatchObject({ mode: 'search', deny: ['x'] })
  expect(views('{search: {mode: search}}')[0]).toMatchObject({ mode: 'search' })
  expect(problems('{search: {mode: list}}')).toMatchObject([{ key: 'mcp.views.search.mode', message: 'the view search always searches; leave mode out, or give the view another name' }])
})

test('the view default lists', () => {
  expect(views('{default: {deny: [x]}}')[0]).toMatchObject({ name: 'default', mode: 'list' })
  expect(problems('{default: {mode: search}}')).toMatchObject([{ key: 'mcp.views.default.mode', message: expect.stringContaining('/mcp/@search') }])
})

describe('what is wrong has a place and a cure', () => {
  test.each([
    ['{a b: {}}', 'mcp.views.a b', /"a b" must be 1 to 32 letters/],
    ['{a: {mod: list}}', 'mcp.views.a.mod', /did you mean mcp\.views\.a\.mode\?/],
    ['{a: {mode: serch}}', 'mcp.views.a.mode', /expected one of list, search, got "serch"; did you mean search\?/],
    ['{a: {allow: x}}', 'mcp.views.a.allow', /expected a list/],
    ['{a: {rename: {s__x: a b}}}', 'mcp.views.a.rename.s__x', /must be 1 to 64 letters/],
    ['[a]', 'mcp.views', /expected a section of keys/]
  ])('%s', (yaml, key, message) => {
    expect(problems(yaml)).toMatchObject([{ key, line: 2, message: expect.stringMatching(message) }])
  })

  test('numbers are bounded', () => {
    const many = (count: number, text: (index: number) => string) => Array.from({ length: count }, (_, index) => text(index)).join(', ')
    expect(problems(`{${many(65, (index) => `v${index}: {}`)}}`)).toMatchObject([{ message: 'may have at most 64 views' }])
    expect(problems(`{a: {allow: [${many(257, (index) => `p${index}`)}]}}`)).toMatchObject([{ key: 'mcp.views.a.allow' }])
    expect(problems(`{a: {rename: {${many(257, (index) => `s__${index}: n${index}`)}}}}`)).toMatchObject([{ key: 'mcp.views.a.rename' }])
  })
})

test('a change is live and names the view', () => {
  const before = config('{a: {}, b: {deny: [x]}, c: {}}')
  expect(liveDiff(before, config('{a: {}, b: {deny: [y]}, d: {}}'))).toEqual({ live: ['mcp.views.b', 'mcp.views.c', 'mcp.views.d'], restart: [] })
})

test('printed, it is a configuration of the same meaning', () => {
  const given = config('{a: {rename: {s__x: y}, servers: [s]}, search: {deny: [x]}}')
  const text = printConfig(given)
  expect((parse(text) as { mcp: { views: object } }).mcp.views).toEqual({
    a: { mode: 'list', allow: ['*'], deny: [], rename: { s__x: 'y' }, servers: ['s'] },
    search: { mode: 'search', allow: ['*'], deny: ['x'], rename: {} }
  })
  expect(load(directory, text).config.mcp.views).toEqual(given.mcp.views)
})
