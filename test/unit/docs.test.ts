import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { declaredMetrics, metricsPage } from '../../scripts/gen-metrics.ts'
import { ERROR_CODES } from '../../src/base/error-codes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { dropGuideKeys } from '../../src/config/guide-keys.ts'
import { loadConfig } from '../../src/config/load.ts'
import { camelName, describeConfig, sections } from '../../src/config/schema.ts'
import { temporaryDirectory, write } from './config/files.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const pages = new Map(globSync(['README.md', 'docs/*.md', 'protocols/*.md', 'config/*.yaml'], { cwd: ROOT }).map((path) => [path, read(path)]))
const markdown = [...pages].filter(([path]) => path.endsWith('.md'))
const sources = new Map(globSync('src/**/*.ts', { cwd: ROOT }).map((path) => [path, read(path)]))
const rows = describeConfig()

/** Every match of `pattern` in the pages, as `page: match`, without those that are `known`. */
function unknownIn(texts: Iterable<[string, string]>, pattern: RegExp, known: (match: RegExpMatchArray) => boolean): string[] {
  return [...texts].flatMap(([path, text]) => [...text.matchAll(pattern)].filter((match) => !known(match)).map((match) => `${path}: ${match[0]}`))
}

test('the pages were found', () => {
  expect([...pages.keys()]).toEqual(expect.arrayContaining(['README.md', 'docs/config.md', 'docs/cli.md', 'docs/metrics.md', 'protocols/rpc.md', 'config/node.example.yaml']))
})

describe('configuration keys', () => {
  const keys = new Set(rows.map(({ key }) => key))
  /** Groups too: `mcp.graph`, `mcp.servers`. */
  const known = (key: string) => keys.has(key) || [...keys].some((full) => full.startsWith(`${key}.`)) || isGuideKey(key)

  function isGuideKey(key: string): boolean {
    const [section, name] = key.split('.') as [string, string]
    return dropGuideKeys({ [section]: { [name]: 1 } }).length > 0
  }

  test('every key that a page names exists', () => {
    const pattern = new RegExp(String.raw`(?<![\w/.@-])(?:${Object.keys(sections).join('|')})\.[a-z][a-z_]*(?:\.(?:<name>|[a-z_]+))*(?!\w)(?!\.(?:ts|yaml|md))`, 'g')
    const files = /\.(?:yaml|ts|md)$/
    expect(unknownIn(pages, pattern, ([key]) => files.test(key) || known(key))).toEqual([])
  })

  test('every key stands in docs/config.md and, outside mcp.servers, in the example of all keys', () => {
    for (const { key, variable } of rows) {
      expect(pages.get('docs/config.md'), key).toContain(`| \`${key}\` |`)
      if (variable !== undefined) expect(pages.get('config/node.example.yaml'), key).toMatch(new RegExp(`^ *#${key.split('.').at(-1)}:`, 'm'))
    }
  })

  test('every SKEIN_ name is a variable or an error code', () => {
    const short = [
      'SKEIN_CONFIG', 'SKEIN_CONFIG_PATH', 'SKEIN_BOOTSTRAP', 'SKEIN_TOKEN', 'SKEIN_DATA_DIR', 'SKEIN_REGION', 'SKEIN_HUB_TIER', 'SKEIN_PARENT', 'SKEIN_PARENT_HUB',
      'SKEIN_MAX_REGIONAL_HUBS', 'SKEIN_MAX_CHILD_HUBS', 'SKEIN_MAX_CLUSTERS', 'SKEIN_LOG_LEVEL', 'SKEIN_METRICS_ENABLED'
    ]
    const overlays = read('src/config/overlay.ts') + read('src/config/load.ts') + read('src/config/finish.ts')
    for (const name of short) expect(overlays).toContain(name)
    const names = new Set([...short, ...rows.map(({ variable }) => variable), ...Object.keys(ERROR_CODES)])
    expect(unknownIn(pages, /\bSKEIN_[A-Z][A-Z_]*[A-Z]\b/g, ([name]) => names.has(name))).toEqual([])
  })

  const directory = temporaryDirectory()

  test('every YAML block of a page is a valid configuration, without a warning', () => {
    const blocks = markdown.flatMap(([path, text]) => [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => ({ path, yaml })))
    expect(blocks.length).toBeGreaterThan(0)
    for (const { path, yaml } of blocks) {
      expect(parse(yaml), path).toBeTypeOf('object')
      expect(loadConfig({ file: write(directory, 'block.yaml', yaml), env: {}, cwd: '/' }).warnings, path).toEqual([])
    }
  })

  /** What src/config itself turns into something else; the reason stands beside each. */
  const READ_BY_CONFIG: Record<string, string> = {
    'security.token_file': 'finish.ts reads the file into security.token',
    'mcp.servers.<name>.type': 'mcp-section.ts checks it against command and url',
    'mcp.servers.<name>.transport': 'another spelling of type'
  }
  const outside = [...sources].filter(([path]) => !path.startsWith('src/config/')).map(([, text]) => text).join('\n')

  test.each(rows.map(({ key }) => key).filter((key) => !(key in READ_BY_CONFIG) && key !== 'mcp.servers'))('%s is read by the node', (key) => {
    const path = key.split('.').map(camelName)
    const name = path.at(-1) as string
    const parents = path[1] === 'views' ? ['view', 'spec', 'mcp'] : path.at(-2) === '<name>' ? ['server'] : path.at(-2) === 'coordinates' ? ['node'] : [path.at(-2) as string]
    // Latitude and longitude travel together.
    const wanted = path.at(-2) === 'coordinates' ? 'coordinates' : name
    const found = parents.some(
      (parent) =>
        new RegExp(String.raw`\b${parent}\.${wanted}\b`).test(outside) ||
        [...outside.matchAll(new RegExp(String.raw`\{([^{}]*)\}(?: = (?:[\w.]+\.)?${parent}\b|: Config\['${parent}'\])`, 'g'))].some(([, names = '']) => names.split(',').some((one) => one.trim() === wanted))
    )
    expect(found, `nothing outside src/config reads ${path.join('.')}`).toBe(true)
  })
})

describe('commands', () => {
  const never = (): never => {
    throw new Error('commands do not run here')
  }
  const program = buildProgram({
    io: { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {}, cwd: '/' },
    clock: systemClock,
    actions: { version: '', startNode: never, joinFederation: never, configTools: never },
    exit: never
  })
  const leaves = (command: Command): Command[] => (command.commands.length === 0 ? [command] : command.commands.flatMap(leaves))
  const pathOf = (command: Command): string => (command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`)
  /** The command that words mean, and what is left of them. */
  function find(command: Command, words: readonly string[]): { command: Command; rest: readonly string[] } {
    const next = command.commands.find((one) => one.name() === words[0])
    return next === undefined ? { command, rest: words } : find(next, words.slice(1))
  }

  test('every command and option stands in docs/cli.md', () => {
    const page = pages.get('docs/cli.md') as string
    for (const command of leaves(program)) {
      const start = page.indexOf(`## ${pathOf(command)}\n`)
      expect(start, pathOf(command)).toBeGreaterThan(0)
      const next = page.indexOf('\n## ', start)
      const section = page.slice(start, next < 0 ? undefined : next)
      for (const option of command.options) expect(section, `${pathOf(command)} ${option.flags}`).toContain(`\`${option.flags.replaceAll('|', '\\|')}\``)
    }
  })

  test('every command and option that a page names exists', () => {
    const wrong: string[] = []
    let seen = 0
    for (const [path, text] of pages) {
      for (const [, line = ''] of text.matchAll(/(?:`|^\s*|: |\bby )(?:npx )?skein ((?:[a-z]|--)[^`\n]*)/gm)) {
        const words = line.trim().split(/\s+/)
        const { command, rest } = find(program, words)
        // Prose about skein, not a command line.
        if (command === program && !text.includes(`\`skein ${words[0]}`)) continue
        seen++
        if (command === program) wrong.push(`${path}: skein ${line}`)
        const options = rest.filter((word) => word.startsWith('--')).map((word) => word.replace(/[^a-z-]+$/, ''))
        for (const option of options) {
          if (option !== '--help' && !command.options.some(({ long }) => long === option)) wrong.push(`${path}: skein ${line}`)
        }
      }
    }
    expect(wrong).toEqual([])
    expect(seen).toBeGreaterThan(20)
  })

  test('every npm script that a page names exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    expect(unknownIn(pages, /npm (?:run ([\w:-]+)|(start|test))\b/g, ([, script, short]) => (script ?? (short as string)) in scripts)).toEqual([])
  })
})

describe('metrics', () => {
  test('docs/metrics.md is what the code declares (else: node scripts/gen-metrics.ts)', async () => {
    expect(pages.get('docs/metrics.md')).toBe(await metricsPage())
    const script = join(ROOT, 'scripts/gen-metrics.ts')
    expect(spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  })

  test('no metric is declared elsewhere than in a metrics.ts', async () => {
    const declared = new Set((await declaredMetrics()).map(({ name }) => name))
    const calls = [...sources].filter(([path]) => path !== 'src/base/meter.ts').flatMap(([path, text]) => [...text.matchAll(/\b(?:counter|gauge|histogram)\(\s*'([a-z0-9_]+)'/g)].map(([, name = '']) => ({ path, name })))
    expect(calls.length).toBeGreaterThan(30)
    expect(calls.filter(({ path, name }) => !path.endsWith('/metrics.ts') || !declared.has(name))).toEqual([])
    expect([...declared].filter((name) => !calls.some((call) => call.name === name))).toEqual([])
  })

  test('names and help are as they should be', async () => {
    const metrics = await declaredMetrics()
    for (const { name, type, help } of metrics) {
      expect(name).toMatch(/^(skein_[a-z]+|mcp|p2p|federation|membership|circuit_breaker)_[a-z_]+$/)
      // Names that were promised to whoever watches a federation: a gauge, and two counters.
      if (!['federation_nodes_total', 'circuit_breaker_calls_success', 'circuit_breaker_calls_failed'].includes(name)) expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter')
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/)
      expect(help, name).toMatch(/[.]$/)
    }
  })

  test('every metric that a page names exists', async () => {
    const names = (await declaredMetrics()).map(({ name }) => name)
    const pattern = /\b(?:skein|mcp|p2p|federation_nodes|membership_failures|circuit_breaker)_[a-z0-9_]+\*?/g
    // skein_rpc_* stands for all that begin so.
    const exists = ([name]: RegExpMatchArray) => (name.endsWith('*') ? names.some((one) => one.startsWith(name.slice(0, -1))) : names.includes(name))
    expect(unknownIn(markdown, pattern, exists)).toEqual([])
  })
})

describe('places', () => {
  test('every link within the project leads somewhere', () => {
    const broken = markdown.flatMap(([path, text]) => [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].filter(([, to = '']) => !existsSync(join(ROOT, dirname(path), to))).map(([link]) => `${path}: ${link}`))
    expect(broken).toEqual([])
  })

  test('every file and folder that a page names exists', () => {
    const missing = unknownIn(markdown, /(?<![\w/.-])(?:src|test|scripts|docs|protocols|config|bin)\/[\w.*/-]*[\w*]/g, ([path]) => path.includes('*') || existsSync(join(ROOT, path)))
    expect(missing).toEqual([])
  })

  test('every short name of a source file on a page is one', () => {
    const short = markdown.flatMap(([path, text]) => [...text.matchAll(/`((?!src\/|test\/|scripts\/)[\w-]+(?:\/[\w-]+)*\.ts)`/g)].map(([, name = '']) => ({ path, name })))
    expect(short.length).toBeGreaterThan(5)
    expect(short.filter(({ name }) => ![...sources.keys()].some((source) => source.endsWith(`/${name}`)))).toEqual([])
  })

  test('every folder of src is in the folder table of README.md', () => {
    const readme = pages.get('README.md') as string
    for (const folder of new Set([...sources.keys()].filter((path) => path.split('/').length > 2).map((path) => path.split('/').slice(0, 2).join('/')))) {
      expect(readme).toContain(`\`${folder}\``)
    }
  })
})
