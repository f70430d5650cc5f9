import { join } from 'node:path'
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
      maxConcurrent: 256,
      maxWaiting: 256,
      isolation: 'auto',
      protocol: 'auto',
      repeatable: [],
      trustAnnotations: false,
      shown: { args: ['-y', 'x'] }
    }
  ])
})

test('a URL, with everything set', () => {
  const yaml =
    '{two: {url: "https://h/mcp", headers: {Authorization: Bearer x}, proxy: "http://u:p@proxy:3128", ca_file: certs/ca.pem, protocol: 2025, enabled: false, expose: {deny: [rm*]}, stateless: true, timeout: 2m, max_concurrent: 8, max_waiting: 0, isolation: session, repeatable: [get_*], trust_annotations: true}}'
  expect(servers(yaml)).toEqual([
    {
      name: 'two',
      kind: 'http',
      url: 'https://h/mcp',
      headers: { Authorization: 'Bearer x' },
      proxy: 'http://u:p@proxy:3128',
      caFile: join(directory, 'certs/ca.pem'),
      enabled: false,
      expose: { allow: ['*'], deny: ['rm*'] },
      stateless: true,
      timeout: 120_000,
      maxConcurrent: 8,
      maxWaiting: 0,
      isolation: 'session',
      protocol: '2025',
      repeatable: ['get_*'],
      trustAnnotations: true,
      shown: { url: 'https://h/mcp' }
    }
  ])
})

test.each([
  ['{url: "http://h/", proxy: "socks5://p"}', 'proxy', 'http://proxy.example:3128'],
  ['{url: "http://h/", proxy: nonsense}', 'proxy', 'http://proxy.example:3128'],
  ['{command: x, proxy: direct}', 'proxy', 'no meaning'],
  ['{command: x, ca_file: a.pem}', 'ca_file', 'no meaning'],
  ['{command: x, protocol: 2024}', 'protocol', 'auto, 2025 or 2026']
])('refused with its place: %s', (yaml, field, words) => {
  const [problem] = problemsOf(() => servers(`{a: ${yaml}}`))
  expect(problem).toMatchObject({ key: `mcp.servers.a.${field}` })
  expect(problem?.message).toContain(words)
})

test('the proxy is direct, or a URL in which variables are replaced', () => {
  expect(servers('{a: {url: "http://h/", proxy: direct}}')[0]).toMatchObject({ proxy: 'direct' })
  expect(servers('{a: {url: "http://h/", proxy: "http://u:${P}@p:1"}}', { P: 's3cret' })[0]).toMatchObject({ proxy: 'http://u:s3cret@p:1' })
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
