import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { liveDiff } from '../../../src/config/diff.ts'
import { printConfig } from '../../../src/config/print.ts'
import { configJsonSchema, describeConfig } from '../../../src/config/schema.ts'
import { load, temporaryDirectory } from './files.ts'

const directory = temporaryDirectory()
const yaml = `
node: {id: a, coordinates: {latitude: 1, longitude: 2}, data_dir: /d}
network: {bootstrap_file: /peers, dial_timeout: 2500ms}
security: {token: t0ken}
mcp:
  request_timeout: 90
  servers:
    prog: {command: x, args: ['--key=\${KEY}'], env: {A: s3cret, B: '\${KEY}'}, expose: [a*]}
    web: {url: 'https://u:pass@h/\${KEY}', headers: {Authorization: Bearer s3cret}, timeout: 1h}
`
const env = { KEY: 'hidden' }

describe('print', () => {
  const text = printConfig(load(directory, yaml, { env }).config)

  test('has no secret in it', () => {
    expect(text).not.toMatch(/t0ken|s3cret|hidden|pass@/)
    expect(parse(text)).toMatchObject({
      security: { token: '<redacted>' },
      mcp: { servers: { prog: { args: ['--key=${KEY}'], env: { A: '<redacted>', B: '<redacted>' } }, web: { url: 'https://u:<redacted>@h/${KEY}', headers: { Authorization: '<redacted>' } } } }
    })
  })

  test('is a configuration again, of the same meaning', () => {
    const plain = load(directory, yaml.replace('https://u:pass@h/', 'https://h/'), { env }).config
    const again = load(directory, printConfig(plain), { env }).config
    const withoutSecrets = (config: typeof plain) => ({
      ...config,
      security: { ...config.security, token: '' },
      mcp: { ...config.mcp, servers: config.mcp.servers.map((server) => ({ ...server, env: undefined, headers: undefined })) }
    })
    expect(withoutSecrets(again)).toEqual(withoutSecrets(plain))
  })

  test('says every key of a node without configuration, as one would write it', () => {
    expect(parse(printConfig(load(directory, undefined, { env: { HOME: '/h' } }).config))).toMatchObject({
      network: { refresh_interval: '30m', http_port: 8080 },
      gossip: { interval: '1s', max_message_bytes: '64KiB' },
      mcp: { max_body_bytes: '4MiB', servers: {}, views: {} }
    })
  })
})

describe('what changed', () => {
  const config = (text: string) => load(directory, text).config

  test('nothing', () => expect(liveDiff(config('node: {id: a}'), config('node: {id: a}'))).toEqual({ live: [], restart: [] }))

  test('live keys and keys that need a restart, servers by name', () => {
    const before = config('node: {id: a}\nmcp: {servers: {gone: {command: x}, same: {command: x}, other: {command: x}}}')
    const after = config('node: {id: b, coordinates: {latitude: 1, longitude: 1}}\nmonitoring: {log_level: debug}\nmcp: {graph: {expose: true}, views: {v: {deny: [x]}}, servers: {new: {command: x}, same: {command: x}, other: {command: y}}}')
    expect(liveDiff(before, after)).toEqual({
      live: ['monitoring.log_level', 'mcp.graph.expose', 'mcp.views.v', 'mcp.servers.gone', 'mcp.servers.new', 'mcp.servers.other'],
      restart: ['node.id', 'node.coordinates.latitude', 'node.coordinates.longitude']
    })
  })

  test('a new secret is a change', () => {
    const server = (secret: string) => config(`mcp: {servers: {a: {command: x, env: {A: ${secret}}}}}`)
    expect(liveDiff(server('one'), server('two')).live).toEqual(['mcp.servers.a'])
  })
})

describe('the description', () => {
  const rows = describeConfig()

  test('every key has what the reference page needs', () => {
    expect(rows.length).toBeGreaterThan(60)
    for (const row of rows) {
      expect(row.about, row.key).toMatch(/^\S.*\.$/)
      expect(row.type, row.key).not.toBe('')
      expect(row.default !== undefined || row.defaultText !== undefined, row.key).toBe(true)
    }
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
  })

  const fileOnly = (key: string) => key.startsWith('mcp.servers') || key.startsWith('mcp.views')

  test('every variable sets its key, and every key outside mcp.servers and mcp.views has one', () => {
    // security.token_file has one too, but it would be read.
    for (const row of rows.filter(({ key }) => !fileOnly(key) && key !== 'security.token_file')) {
      const takesAnyText = row.type === 'text' || row.type === 'path'
      const run = () => load(directory, undefined, { env: { [row.variable as string]: takesAnyText ? 'a' : '?' } })
      // What is no text refuses a question mark, and the error names variable and key.
      if (takesAnyText) expect(run().sources.get(row.key), row.key).toBe('environment')
      else expect(run, row.key).toThrow(`environment variable ${row.variable}: ${row.key}`)
    }
  })

  test('only the file can say what is in mcp.servers and mcp.views', () => {
    expect(rows.filter(({ variable }) => variable === undefined).every(({ key }) => fileOnly(key))).toBe(true)
  })

  test('JSON Schema: draft, defaults, closed objects, sentences', () => {
    const schema = configJsonSchema()
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(schema).toMatchObject({
      type: 'object',
      additionalProperties: false,
      properties: {
        network: {
          additionalProperties: false,
          properties: { http_port: { type: 'integer', minimum: 0, maximum: 65_535, default: 8080, description: expect.stringContaining('/mcp') } }
        },
        mcp: { properties: { servers: { additionalProperties: { properties: { command: { type: 'string' } } } } } }
      }
    })
    expect(JSON.stringify(schema)).not.toContain('"required":["')
  })
})
