import { describe, expect, test } from 'vitest'
import type { LoadOptions } from '../../../src/config/load.ts'
import { load, problemsOf, temporaryDirectory } from './files.ts'

const directory = temporaryDirectory()
const servers = (yaml: string, env: LoadOptions['env'] = {}) => load(directory, `mcp:\n  servers: ${yaml}`, { env }).config.mcp.servers

test('a program, with the defaults of everything else', () => {
  expect(servers('{one: {command: npx, args: [-y, x], env: {A: b}}}')).toEqual([
    {
      name: 'one',
      kind: 'stdio',
      command: 'npx',
      args: ['-y', 'x'],
      env: { A: 'b' },
      cwd: undefined,
      enabled: true,
      expose: { allow: ['*'], deny: [] },
      stateless: false,
      timeout: 20_000,
      isolation: 'auto',
      repeatable: [],
      trustAnnotations: false,
      shown: { args: ['-y', 'x'] }
    }
  ])
})

test('a URL, with everything set', () => {
  const yaml =
    '{two: {url: "https://h/mcp", headers: {Authorization: Bearer x}, enabled: false, expose: {deny: [rm*]}, stateless: true, timeout: 2m, isolation: session, repeatable: [get_*], trust_annotations: true}}'
  expect(servers(yaml)).toEqual([
    {
      name: 'two',
      kind: 'http',
      url: 'https://h/mcp',
      headers: { Authorization: 'Bearer x' },
      enabled: false,
      expose: { allow: ['*'], deny: ['rm*'] },
      stateless: true,
      timeout: 120_000,
      isolation: 'session',
      repeatable: ['get_*'],
      trustAnnotations: true,
      shown: { url: 'https://h/mcp' }
    }
  ])
})

test('they are sorted by name, and names of Object.prototype are names', () => {
  expect(servers('{constructor: {command: x}, b: {command: x}, A: {command: x}}').map(({ name }) => name)).toEqual(['A', 'b', 'constructor'])
})

test('the timeout of all is the default of each', () => {
  const yaml = 'mcp: {request_timeout: 5s, servers: {a: {command: x}, b: {command: x, timeout: 1}}}'
  expect(load(directory, yaml).config.mcp.servers.map(({ timeout }) => timeout)).toEqual([5_000, 1_000])
})

test.each([
  ['true', { allow: ['*'], deny: [] }],
  ['false', { allow: [], deny: [] }],
  ['[a, b*]', { allow: ['a', 'b*'], deny: [] }],
  ['{allow: [a]}', { allow: ['a'], deny: [] }],
  ['{allow: [a], deny: [b]}', { allow: ['a'], deny: ['b'] }]
])('expose: %s', (yaml, expected) => expect(servers(`{a: {command: x, expose: ${yaml}}}`)[0]?.expose).toEqual(expected))

test.each(['{command: x, type: stdio}', '{command: x, transport: stdio}', '{url: "http://h/", type: http}', '{url: "http://h/", type: streamable-http}', '{url: "http://h/", transport: streamableHttp}'])(
  'what clients write beside it is accepted when it agrees: %s',
  (yaml) => expect(servers(`{a: ${yaml}}`)).toHaveLength(1)
)

describe('variables', () => {
  const env = { KEY: 's3cret', EMPTY: '' }

  test.each([
    ['${KEY}', 's3cret'],
    ['a ${KEY} b ${KEY}', 'a s3cret b s3cret'],
    ['${EMPTY}', ''],
    ['${NOPE:-fallback}', 'fallback'],
    ['${NOPE:-}', ''],
    ['${KEY:-fallback}', 's3cret'],
    ['$${KEY}', '${KEY}'],
    ['$KEY ${1} ${a b} ${', '$KEY ${1} ${a b} ${']
  ])('%s', (text, expected) => {
    const [server] = servers(`{a: {command: x, args: ['${text}'], env: {A: '${text}'}}}`, env)
    expect(server).toMatchObject({ args: [expected], env: { A: expected } })
  })

  test('are replaced in url and headers, and shown unreplaced', () => {
    const [server] = servers('{a: {url: "https://h/${KEY}", headers: {A: "Bearer ${KEY}"}}}', env)
    expect(server).toMatchObject({ url: 'https://h/s3cret', headers: { A: 'Bearer s3cret' }, shown: { url: 'https://h/${KEY}' } })
  })

  test('what a variable holds is not read as YAML and not replaced again', () => {
    expect(servers('{a: {command: x, args: ["${K}"]}}', { K: '${OTHER}: [1]\n' })[0]).toMatchObject({ args: ['${OTHER}: [1]\n'] })
  })

  test('a line break in one cannot end a header', () => {
    const yaml = 'mcp: {servers: {a: {url: "http://h/", headers: {A: "${K}"}}}}'
    expect(problemsOf(() => load(directory, yaml, { env: { K: 'a\r\nEvil: 1' } }))).toMatchObject([{ key: 'mcp.servers.a.headers.A' }])
  })

  test('each missing one is reported, command and cwd are not looked at', () => {
    const yaml = 'mcp: {servers: {a: {command: "${X}", args: ["${X}", "${Y}${Z}"]}}}'
    expect(problemsOf(() => load(directory, yaml)).map(({ key, message }) => `${key} ${message.split(' ')[3]}`)).toEqual([
      'mcp.servers.a.args[0] X',
      'mcp.servers.a.args[1] Y',
      'mcp.servers.a.args[1] Z'
    ])
  })
})

test('their number is bounded', () => {
  const many = Array.from({ length: 257 }, (_, index) => `s${index}: {command: x}`).join(', ')
  expect(problemsOf(() => servers(`{${many}}`))).toMatchObject([{ key: 'mcp.servers', message: 'may have at most 256 servers' }])
})
