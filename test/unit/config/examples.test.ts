import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { generatedFiles } from '../../../scripts/gen-config.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { describeConfig } from '../../../src/config/schema.ts'
import { load, temporaryDirectory, write } from './files.ts'

const root = join(import.meta.dirname, '../../..')
const directory = temporaryDirectory()

test.each(readdirSync(join(root, 'config')))('config/%s is valid, without a warning', (name) => {
  const { config, warnings } = loadConfig({ file: join(root, 'config', name), env: {}, cwd: '/' })
  expect(warnings).toEqual([])
  // Hubs have no servers of their own.
  expect(config.mcp.servers.length > 0).toBe(name !== 'node.example.yaml' && config.node.hubTier === 'leaf')
})

test.each(Object.entries(generatedFiles()))('%s is up to date (else: node scripts/gen-config.ts)', (path, text) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(text)
})

test('there is an example for a hub of each tier and for a leaf below them', () => {
  const tierOf = (name: string) => loadConfig({ file: join(root, 'config', `${name}.example.yaml`), env: {}, cwd: '/' }).config.node.hubTier
  expect(['global-hub', 'regional-hub', 'local-hub', 'leaf'].map(tierOf)).toEqual(['global', 'regional', 'local', 'leaf'])
})

describe('config/node.example.yaml with every # before a key taken away', () => {
  const text = readFileSync(join(root, 'config/node.example.yaml'), 'utf8').replaceAll(/^( *)#(?=[a-z_]+:)/gm, '$1')
  write(directory, 'join-token', 'abc')
  const { config, sources } = load(directory, text)
  const plain = load(directory, undefined).config

  test('sets every key there is', () => {
    const keys = describeConfig().flatMap(({ key }) => (key.includes('<') ? [] : [key]))
    expect([...sources.keys()].sort()).toEqual(keys.sort())
  })

  test('sets it to its default, where it has one', () => {
    const { node, federation, consensus, security, network, membership, mcp, ...rest } = config
    const { node: plainNode, federation: plainFederation, consensus: plainConsensus, security: plainSecurity, network: plainNetwork, membership: plainMembership, mcp: plainMcp, ...plainRest } = plain
    expect(rest).toEqual(plainRest)
    expect({ ...node, id: '', dataDir: '', coordinates: '' }).toEqual({ ...plainNode, id: '', dataDir: '', coordinates: '' })
    expect({ ...security, token: '', tokenFile: '' }).toEqual({ ...plainSecurity, token: '', tokenFile: '' })
    expect({ ...network, bootstrapFile: '' }).toEqual({ ...plainNetwork, bootstrapFile: '' })
    expect({ ...federation, parent: '' }).toEqual({ ...plainFederation, parent: '' })
    expect({ ...consensus, threshold: 0 }).toEqual({ ...plainConsensus, threshold: 0 })
    const profileTimes = { probeInterval: 0, probeTimeout: 0, suspicionTimeout: 0 }
    expect({ ...membership, ...profileTimes }).toEqual({ ...plainMembership, ...profileTimes })
    expect({ ...mcp, servers: [], views: [] }).toEqual(plainMcp)
    expect(mcp.servers.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['memory stdio', 'remote http'])
    expect(mcp.views.map(({ name }) => name)).toEqual(['review'])
  })
})

test('the reference page names every key and variable', () => {
  const page = readFileSync(join(root, 'docs/config.md'), 'utf8')
  for (const { key, variable } of describeConfig()) {
    expect(page).toContain(`| \`${key}\` |`)
    if (variable !== undefined) expect(page).toContain(`\`${variable}\``)
  }
})
