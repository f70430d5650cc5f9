import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { mergeServers } from '../../../../src/config/import/merge-yaml.ts'

const one = { name: 'one', entry: { command: 'npx', args: ['-y', 'x'], env: { A: 'yes', B: '1' } } }
const two = { name: 'two', entry: { url: 'https://h/mcp' } }
const ONE = ['one:', '  command: npx', '  args: [-y, x]', '  env:', '    A: yes', '    B: "1"']
const at = (indent: number, lines: readonly string[]) => lines.map((line) => `${' '.repeat(indent)}${line}\n`).join('')

describe('everything else stays as it was', () => {
  test.each([
    ['an empty file', '', `mcp:\n  servers:\n${at(4, ONE)}`],
    ['nothing but comments', '# mine', `# mine\nmcp:\n  servers:\n${at(4, ONE)}`],
    ['other sections', 'node: {id:  a}   # odd\n', `node: {id:  a}   # odd\nmcp:\n  servers:\n${at(4, ONE)}`],
    ['no newline at the end', 'node:\n  id: a', `node:\n  id: a\nmcp:\n  servers:\n${at(4, ONE)}`],
    ['an mcp section that is commented out', 'mcp:\n  # about\n  #servers:\n\nrpc:\n', `mcp:\n  servers:\n${at(4, ONE)}  # about\n  #servers:\n\nrpc:\n`],
    ['mcp without servers', 'mcp:\n   request_timeout: 5s  # five\n\nrpc: {}\n', `mcp:\n   request_timeout: 5s  # five\n   servers:\n${at(5, ONE)}\nrpc: {}\n`],
    ['empty servers', 'mcp:\n  servers:   # none\n  graph: {}\n', `mcp:\n  servers:   # none\n${at(4, ONE)}  graph: {}\n`],
    ['null servers', 'mcp:\n  servers: ~ # none\n', `mcp:\n  servers:  # none\n${at(4, ONE)}`],
    ['servers, with another indent, comments and layout', 'mcp:\n    servers:\n        # first\n        a:\n            command:   x   # c\n            args: [ 1a,\n                    b ] # d\n        # last\n    graph: {}\n', `mcp:\n    servers:\n        # first\n        a:\n            command:   x   # c\n            args: [ 1a,\n                    b ] # d\n${at(8, ONE)}        # last\n    graph: {}\n`],
    ['a last server that ends in a block of text', 'mcp:\n  servers:\n    a:\n      command: |\n        x\n\nrpc:\n', `mcp:\n  servers:\n    a:\n      command: |\n        x\n${at(4, ONE)}\nrpc:\n`],
    ['a last server whose last key is empty', 'mcp:\n  servers:\n    a:\n      command: x\n      env: # none\n  # end\n', `mcp:\n  servers:\n    a:\n      command: x\n      env: # none\n${at(4, ONE)}  # end\n`]
  ])('%s', (_, before, after) => {
    const merged = mergeServers(before, [one])
    expect(merged).toBe(after)
    expect(parse(after)).toMatchObject({ mcp: { servers: { one: one.entry } } })
  })

  test.each([
    ['mcp: {servers: {a: {command: x}}}\n', 'mcp: {servers: {"two":{"url":"https://h/mcp"}, a: {command: x}}}\n'],
    ['mcp: {servers: {}} # c\n', 'mcp: {servers: {"two":{"url":"https://h/mcp"}}} # c\n'],
    ['{"mcp": {"graph": {}}}', '{"mcp": {"servers":{"two":{"url":"https://h/mcp"}}, "graph": {}}}'],
    ['a: 1\n...\n', 'a: 1\nmcp:\n  servers:\n    two:\n      url: https://h/mcp\n...\n'],
    ['{}', '{"mcp":{"servers":{"two":{"url":"https://h/mcp"}}}}'],
    ['mcp:\r\n  servers:\r\n    a: {command: x}\r\n', 'mcp:\r\n  servers:\r\n    a: {command: x}\r\n    two:\r\n      url: https://h/mcp\r\n']
  ])('%j', (before, after) => expect(mergeServers(before, [two])).toBe(after))

  test('nothing to add is nothing to change', () => expect(mergeServers('a:   1', [])).toBe('a:   1'))
})

test('entries of the same name are replaced in their place, in both styles, others follow', () => {
  const before = 'mcp:\n  servers:\n    two:   # old\n      command: old   # gone\n      args: [a]\n    # kept\n    three: {command: y}\n'
  expect(mergeServers(before, [one, two])).toBe(`mcp:\n  servers:\n    two:\n      url: https://h/mcp\n    # kept\n    three: {command: y}\n${at(4, ONE)}`)
  expect(mergeServers('mcp: {servers: {two: {command: x}, three: {command: y}}}', [two])).toBe('mcp: {servers: {"two":{"url":"https://h/mcp"}, three: {command: y}}}')
})

test.each(['mcp: &m {servers: {}}\nother: *m\n', 's: &s {a: {command: x}}\nmcp: {servers: *s}\n', 'mcp: [a]\n', '- a\n', 'mcp:\n  servers: text\n'])(
  'what cannot be extended safely is left alone: %j',
  (text) => expect(mergeServers(text, [two])).toBeUndefined()
)

test('odd texts survive', () => {
  const entry = { command: 'x', env: { A: 'line\nbreak\n', B: ' # no comment', C: '${D:-e: f}', E: '', F: "it's \"quoted\"", G: 'null', H: 'x'.repeat(300) } }
  for (const before of ['', 'mcp:\n  servers:\n    a: {command: x}\n', 'mcp: {servers: {}}']) {
    expect(parse(mergeServers(before, [{ name: 'odd', entry }]) as string)).toMatchObject({ mcp: { servers: { odd: entry } } })
  }
})
