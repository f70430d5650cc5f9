import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom, randomInt } from '../../../src/base/random.ts'
import { isSkeinError } from '../../../src/base/errors.ts'
import { load, problemsOf, temporaryDirectory, write } from './files.ts'

const directory = temporaryDirectory()
const file = join(directory, 'node.yaml')
const server = (entry: string) => `mcp:\n  servers:\n    one: ${entry}\n`

describe('each mistake is reported with file, line, column and key', () => {
  // [what, yaml, line, column, key, part of the message]
  test.each<[string, string, number, number, string, string]>([
    ['unknown section', 'nod: {}', 1, 1, 'nod', 'unknown key; did you mean node?'],
    ['unknown key', 'network:\n  http_prt: 1', 2, 3, 'network.http_prt', 'did you mean network.http_port?'],
    ['key of another section', 'network:\n  fanout: 3', 2, 3, 'network.fanout', 'did you mean gossip.fanout?'],
    ['key like no other', 'rpc:\n  zzzzzzzz: 3', 2, 3, 'rpc.zzzzzzzz', 'known here: max_in_flight, max_body_bytes'],
    ['key of Object.prototype', 'toString: 1', 1, 1, 'toString', 'unknown key'],
    ['nested unknown key', 'node:\n  coordinates:\n    lattitude: 1', 3, 5, 'node.coordinates.lattitude', 'did you mean node.coordinates.latitude?'],
    ['text for a number', 'network:\n  http_port: "80"', 2, 14, 'network.http_port', 'expected a number, got "80"'],
    ['fraction', 'network:\n  http_port: 80.5', 2, 14, 'network.http_port', 'expected a whole number, got 80.5'],
    ['number for a text', 'node:\n  id: 5', 2, 7, 'node.id', 'expected text, got 5; put it in quotes'],
    ['text for a switch', 'monitoring:\n  metrics_enabled: "yes"', 2, 20, 'monitoring.metrics_enabled', 'expected true or false, got "yes"'],
    ['nothing for a number', 'network:\n  http_port:', 2, 3, 'network.http_port', 'expected a number, got nothing'],
    ['text for a list', 'network:\n  bootstrap: /ip4/1.2.3.4/tcp/1', 2, 14, 'network.bootstrap', 'expected a list'],
    ['text for a section', 'gossip: fast', 1, 9, 'gossip', 'expected a section of keys, got "fast"'],
    ['list for a section', 'gossip: [1]', 1, 9, 'gossip', 'expected a section of keys, got a list'],
    ['port too high', 'network:\n  http_port: 65536', 2, 14, 'network.http_port', 'must be at most 65535, got 65536'],
    ['number too low', 'gossip:\n  fanout: 1', 2, 11, 'gossip.fanout', 'must be at least 2, got 1'],
    ['not a duration', 'gossip:\n  interval: 5 minutes', 2, 13, 'gossip.interval', 'expected a duration such as 500ms'],
    ['list for a duration', 'gossip:\n  interval: [1]', 2, 13, 'gossip.interval', 'expected a duration such as 500ms, 20s, 30m or 1h (a number is seconds), got a list'],
    ['duration out of range', 'gossip:\n  interval: 2h', 2, 13, 'gossip.interval', 'must be between 100ms and 1m'],
    ['not a size', 'gossip:\n  max_message_bytes: 64KB', 2, 22, 'gossip.max_message_bytes', 'expected a size such as 64KiB'],
    ['size out of range', 'gossip:\n  max_message_bytes: 10', 2, 22, 'gossip.max_message_bytes', 'must be between 4KiB and 1MiB'],
    ['not a profile', 'membership:\n  profile: lna', 2, 12, 'membership.profile', 'expected one of lan, wan, local, guide, got "lna"; did you mean lan?'],
    ['probes out of range', 'membership:\n  probe_timeout: 5m', 2, 18, 'membership.probe_timeout', 'must be between 10ms and 30s'],
    ['a key that membership never had', 'membership:\n  gossip_nodes: 3', 2, 3, 'membership.gossip_nodes', 'unknown key; known here: profile, probe_interval, probe_timeout, suspicion_timeout'],
    ['wrong choice', 'node:\n  hub_tier: globl', 2, 13, 'node.hub_tier', 'expected one of global, regional, local, leaf, got "globl"; did you mean global?'],
    ['wrong choice in a list', 'network:\n  bootstrap_methods:\n    - ipfs', 3, 7, 'network.bootstrap_methods[0]', 'expected one of ipfs_nodes'],
    ['bad id', 'node:\n  id: "a b"', 2, 7, 'node.id', 'must be 1 to 63 letters'],
    ['one coordinate', 'node:\n  coordinates:\n    latitude: 1', 3, 5, 'node.coordinates', 'needs both latitude and longitude'],
    ['same port twice', 'monitoring:\n  metrics_port: 8080', 2, 17, 'monitoring.metrics_port', 'is the same port as network.http_port (8080)'],
    ['bad origin', 'security:\n  allowed_origins: [example.org]', 2, 21, 'security.allowed_origins[0]', 'must be an origin such as https://'],
    ['multiaddr: not one', 'network:\n  listen: [localhost]', 2, 12, 'network.listen[0]', 'is not a multiaddr'],
    ['multiaddr: bad IP', 'network:\n  listen: [/ip4/1.2.3/tcp/1]', 2, 12, 'network.listen[0]', 'is not a multiaddr'],
    ['multiaddr: bad port', 'network:\n  listen: [/ip4/1.2.3.4/tcp/99999]', 2, 12, 'network.listen[0]', 'is not a multiaddr'],
    ['multiaddr: no port', 'network:\n  bootstrap: [/ip4/1.2.3.4]', 2, 15, 'network.bootstrap[0]', 'must go on with /tcp/<port>'],
    ['multiaddr: udp', 'network:\n  bootstrap: [/ip4/1.2.3.4/udp/1/quic-v1]', 2, 15, 'network.bootstrap[0]', 'must go on with /tcp/<port>'],
    ['multiaddr: more behind', 'network:\n  bootstrap: [/ip4/1.2.3.4/tcp/1/ws]', 2, 15, 'network.bootstrap[0]', 'may only have /p2p/<peer id>'],
    ['multiaddr: bad peer id', 'network:\n  bootstrap: [/ip4/1.2.3.4/tcp/1/p2p/12D3Koo]', 2, 15, 'network.bootstrap[0]', 'is not a peer id'],
    ['multiaddr: no host', 'network:\n  announce: [/tcp/1]', 2, 14, 'network.announce[0]', 'must start with /ip4'],
    ['server: neither', server('{}'), 3, 10, 'mcp.servers.one', 'needs command (a program to start) or url'],
    ['server: both', server('{command: x, url: "http://h/"}'), 3, 10, 'mcp.servers.one', 'has both command and url'],
    ['server: nothing', server(''), 3, 5, 'mcp.servers.one', 'expected a section of keys, got nothing'],
    ['server: unknown key', server('{command: x, arg: [a]}'), 3, 23, 'mcp.servers.one.arg', 'did you mean mcp.servers.one.args?'],
    ['server: type against command', server('{command: x, type: http}'), 3, 29, 'mcp.servers.one.type', 'says http, but the entry has a command'],
    ['server: transport against url', server('{url: "http://h/", transport: stdio}'), 3, 40, 'mcp.servers.one.transport', 'says stdio, but the entry has a url'],
    ['server: sse', server('{url: "http://h/", type: sse}'), 3, 35, 'mcp.servers.one.type', 'the old SSE transport is not supported'],
    ['server: headers of a program', server('{command: x, headers: {a: b}}'), 3, 32, 'mcp.servers.one.headers', 'has no meaning for a server with a command'],
    ['server: args of a url', server('{url: "http://h/", args: [a]}'), 3, 35, 'mcp.servers.one.args', 'has no meaning for a server with a url'],
    ['server: bad url', server('{url: "ftp://h/"}'), 3, 16, 'mcp.servers.one.url', 'must be a URL that starts with http://'],
    ['server: number in env', server('{command: x, env: {PORT: 80}}'), 3, 35, 'mcp.servers.one.env.PORT', 'expected text, got a number; put it in quotes'],
    ['server: line break in a header', server('{url: "http://h/", headers: {A: "a\\nb"}}'), 3, 42, 'mcp.servers.one.headers.A', 'must not contain line breaks'],
    ['server: bad header name', server('{url: "http://h/", headers: {"a b": c}}'), 3, 39, 'mcp.servers.one.headers.a b', 'is not the name of an HTTP header'],
    ['server: bad variable name', server('{command: x, env: {"A B": c}}'), 3, 29, 'mcp.servers.one.env.A B', 'is not the name of an environment variable'],
    ['server: bad expose', server('{command: x, expose: {alow: [a]}}'), 3, 32, 'mcp.servers.one.expose.alow', 'did you mean mcp.servers.one.expose.allow?'],
    ['server: number for expose', server('{command: x, expose: 1}'), 3, 31, 'mcp.servers.one.expose', 'expected true, false, a list of tool patterns, or a section with the lists allow and deny, got 1'],
    ['server: list in expose', server('{command: x, expose: {allow: a}}'), 3, 31, 'mcp.servers.one.expose', 'a section with the lists allow and deny, got a section of keys'],
    ['server: bad isolation', server('{command: x, isolation: own}'), 3, 34, 'mcp.servers.one.isolation', 'expected one of auto, shared, session'],
    ['server: variable not set', server('{command: x, args: [a, "${NOPE}"]}'), 3, 33, 'mcp.servers.one.args[1]', 'the environment variable NOPE is not set'],
    ['server: name', 'mcp:\n  servers:\n    a b: {command: x}', 3, 5, 'mcp.servers.a b', 'must be 1 to 32 letters'],
    ['server: name too long', `mcp:\n  servers:\n    ${'a'.repeat(33)}: {command: x}`, 3, 5, `mcp.servers.${'a'.repeat(33)}`, 'must be 1 to 32 letters'],
    ['server: name of the bundled one', 'mcp:\n  servers:\n    graph: {command: x}', 3, 12, 'mcp.servers.graph', 'the bundled server has this name'],
    ['same key twice', 'node:\n  id: a\n  id: b', 3, 3, '', 'this key is there twice'],
    ['tab', 'node:\n\tid: a', 2, 1, '', 'a tab indents this line'],
    ['not YAML', 'node: [a', 1, 9, '', 'is not valid YAML'],
    ['two documents', 'node: {}\n---\nnode: {}', 2, 1, '', 'a second document starts here'],
    ['a list', '- a', 1, 1, '', 'must be a map of sections'],
    ['only text', 'hello', 1, 1, '', 'must be a map of sections'],
    ['a tag', 'node: !!js/function x', 1, 7, '', 'is not valid YAML'],
    ['__proto__', 'node:\n  __proto__: {a: 1}', 2, 3, '', '"__proto__" cannot be a key'],
    ['key that is a list', '? [a]\n: 1', 1, 3, '', 'a key must be plain text']
  ])('%s', (_, yaml, line, column, key, message) => {
    const problems = problemsOf(() => load(directory, yaml))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ where: file, line, column, key })
    expect(problems[0]?.message).toContain(message)
  })
})

test('all problems are reported together, in the order of the file', () => {
  const yaml = 'network:\n  http_prt: 1\n  listen: [foo]\nnode: {id: 5}\nmcp: {servers: {a: {command: x, env: {B: "${NOPE}"}}}}'
  expect(problemsOf(() => load(directory, yaml)).map(({ key }) => key)).toEqual(['network.http_prt', 'network.listen[0]', 'node.id', 'mcp.servers.a.env.B'])
})

test('of very many problems the first twenty are shown', () => {
  const yaml = Array.from({ length: 300 }, (_, index) => `key${index}: 1`).join('\n')
  expect(problemsOf(() => load(directory, yaml))).toHaveLength(20)
  expect(() => load(directory, yaml)).toThrow(/has 300 problems:[^]*and 280 more$/)
})

test('one problem is one line', () => {
  expect(() => load(directory, 'nod: 1')).toThrow(`${file}:1:1: nod: unknown key; did you mean node?`)
})

describe('the environment and flags are named as the place', () => {
  test.each([
    [{ env: { SKEIN_NETWORK_HTTP_PORT: 'x' } }, 'environment variable SKEIN_NETWORK_HTTP_PORT', 'network.http_port', 'expected a number, got "x"'],
    [{ env: { SKEIN_NETWORK_LISTEN: '/ip4/127.0.0.1/tcp/0,foo' } }, 'environment variable SKEIN_NETWORK_LISTEN', 'network.listen[1]', 'is not a multiaddr'],
    [{ env: { SKEIN_MONITORING_METRICS_ENABLED: 'maybe' } }, 'environment variable SKEIN_MONITORING_METRICS_ENABLED', 'monitoring.metrics_enabled', 'expected true or false'],
    [{ env: { SKEIN_BOOTSTRAP: 'foo' } }, 'environment variable SKEIN_BOOTSTRAP', '', 'is not a multiaddr'],
    [{ flags: { logLevel: 'loud' } }, 'flag --log-level', 'monitoring.log_level', 'expected one of debug, info, warn, error'],
    [{ flags: { listen: ['bad'] } }, 'flag --listen', 'network.listen[0]', 'is not a multiaddr'],
    [{ flags: { metricsPort: '8080' } }, 'flag --metrics-port', 'monitoring.metrics_port', 'is the same port']
  ])('%j', (options, where, key, message) => {
    // A file without errors does not take the blame.
    const problems = problemsOf(() => load(directory, 'node: {id: a}', options))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ where, key })
    expect(problems[0]).not.toHaveProperty('line')
    expect(problems[0]?.message).toContain(message)
  })
})

describe('secrets', () => {
  test('a file with a token that everyone may read is refused with the command that helps', () => {
    const path = write(directory, 'open.yaml', 'security: {token: abc}', 0o644)
    const problems = problemsOf(() => load(directory, undefined, { file: path }))
    expect(problems).toMatchObject([{ where: path, line: 1, key: 'security.token', message: `every user of this machine can read this secret; run: chmod 600 ${path}` }])
    write(directory, 'open.yaml', 'security: {token: abc}', 0o640)
    expect(load(directory, undefined, { file: path }).config.security.token).toBe('abc')
  })

  test('without a token in it, everyone may read the file', () => {
    const path = write(directory, 'open.yaml', 'node: {id: a}', 0o644)
    expect(load(directory, undefined, { file: path, env: { SKEIN_TOKEN: 'abc' } }).config.security.token).toBe('abc')
  })

  test.each<[string, string | undefined, number, string]>([
    ['open to everyone', 'abc', 0o604, 'run: chmod 600'],
    ['empty', ' \n', 0o600, 'is empty'],
    ['missing', undefined, 0o600, 'does not exist'],
    ['far too long', 'a'.repeat(20_000), 0o600, 'is larger than 16384 bytes']
  ])('a token file that is %s', (name, text, mode, message) => {
    const token = `token-${name.replaceAll(' ', '-')}`
    if (text !== undefined) write(directory, token, text, mode)
    const problems = problemsOf(() => load(directory, `security: {token_file: ${token}}`))
    expect(problems).toMatchObject([{ where: file, line: 1, key: 'security.token_file' }])
    expect(problems[0]?.message).toContain(message)
    expect(problems[0]?.message).toContain(join(directory, token))
  })

  test('are not in messages', () => {
    const yaml = `security:\n  token: ${'1'.repeat(15)}\nmcp: {servers: {a: {url: "\${V}"}, b: {url: "http://h", headers: {A: [hush]}}}}`
    const text = JSON.stringify(problemsOf(() => load(directory, yaml, { env: { V: 'hush-hush' } })))
    expect(text).toContain('security.token')
    expect(text).toContain('mcp.servers.a.url')
    expect(text).not.toMatch(/1111|hush/)
  })
})

describe('files that are no configuration', () => {
  const problem = (path: string) => problemsOf(() => load(directory, undefined, { file: path }))[0]

  test('missing', () => expect(problem('gone.yaml')).toMatchObject({ where: join(directory, 'gone.yaml'), message: 'does not exist; check the path' }))
  test('a directory', () => {
    mkdirSync(join(directory, 'dir.yaml'))
    expect(problem('dir.yaml')?.message).toContain('is a directory')
  })
  test('too large', () => expect(problem(write(directory, 'large.yaml', '#'.repeat(1_048_577)))?.message).toContain('is larger than 1048576 bytes'))
  test('not text', () => expect(problem(write(directory, 'binary.yaml', Uint8Array.of(0x61, 0xff, 0xfe)))?.message).toBe('is not UTF-8 text'))
  test('deeply nested lists', () => expect(problem(write(directory, 'deep.yaml', `node: ${'['.repeat(20_000)}${']'.repeat(20_000)}`))).toBeDefined())
  test('deeply nested maps', () => expect(problem(write(directory, 'deep.yaml', `node: ${'{a: '.repeat(30)}1${'}'.repeat(30)}`))?.message).toBe('is nested too deeply'))
  test('a section inside itself', () => expect(problem(write(directory, 'loop.yaml', 'node: &a {coordinates: *a, id: *a}\nmcp: &m {servers: {x: *m}}'))).toBeDefined())
  test('a YAML bomb', () => {
    const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array.from({ length: 9 }, () => `*l${level}`).join(', ')}]`)
    expect(problem(write(directory, 'bomb.yaml', `l0: &l0 [x]\n${levels.join('\n')}`))?.message).toContain('repeats itself through aliases')
  })
})

test('whatever the bytes are, the answer is a configuration or SKEIN_CONFIG', () => {
  const text = 'node: {id: a, coordinates: {latitude: 1, longitude: 2}}\nnetwork:\n  listen: [/ip4/0.0.0.0/tcp/1]\n  dial_timeout: 3s\nmcp: {servers: {x: &s {command: y, env: {A: "${B:-c}"}}, z: *s}}\n'
  const random = seededRandom(7)
  const noise = ':{}[]&*!|>-?#"\'\n\t ,x0$~\u0000'
  let accepted = 0
  let parsed = 0
  for (let round = 0; round < 1_000; round++) {
    let mutated = text
    for (let changes = 1 + randomInt(random, 2); changes > 0; changes--) {
      const at = randomInt(random, mutated.length)
      mutated = mutated.slice(0, at) + noise.charAt(randomInt(random, noise.length)) + mutated.slice(at + randomInt(random, 4))
    }
    try {
      load(directory, mutated)
      accepted++
    } catch (error) {
      if ((error as { data: { problems: { key: string }[] } }).data.problems.some(({ key }) => key !== '')) parsed++
      expect(isSkeinError(error, 'SKEIN_CONFIG'), `${mutated}\n${String((error as Error).stack)}`).toBe(true)
    }
  }
  // Most mutants must be YAML, or only the YAML parser would be tested.
  expect(accepted).toBeGreaterThan(20)
  expect(parsed + accepted).toBeGreaterThan(300)
})
