import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { isSkeinError } from '../../../../src/base/errors.ts'
import { importServers, type ImportRequest } from '../../../../src/config/import/import-servers.ts'
import type { ImportReport } from '../../../../src/wire/import-report.ts'
import { loadConfig } from '../../../../src/config/load.ts'
import { temporaryDirectory } from '../files.ts'

const base = temporaryDirectory()
let home = ''
let count = 0
beforeEach(() => {
  home = join(base, String(count++))
  mkdirSync(join(home, 'project'), { recursive: true })
})

function put(path: string, content: unknown, mode = 0o600): string {
  const full = join(home, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content))
  chmodSync(full, mode)
  return full
}
const run = (request: Partial<ImportRequest> = {}): ImportReport =>
  importServers({ platform: 'linux', env: { HOME: home }, cwd: join(home, 'project'), config: join(home, 'node.yaml'), ...request })
const text = () => readFileSync(join(home, 'node.yaml'), 'utf8')
const actions = ({ servers }: ImportReport) => servers.map(({ name, action }) => `${name} ${action}`)
const codeOf = (request: Partial<ImportRequest>) => {
  try {
    run(request)
  } catch (error) {
    if (isSkeinError(error)) return `${error.code}: ${error.message}`
  }
  return undefined
}

test('all known clients into a new file, private, that the node accepts', () => {
  put('.config/Claude/claude_desktop_config.json', { mcpServers: { files: { command: 'npx', args: ['-y', 'server-files', '/srv'] } } })
  put('.claude.json', { mcpServers: { web: { type: 'http', url: 'https://h/mcp' } }, projects: { [join(home, 'project')]: { mcpServers: { local: { command: 'x' } } } } })
  put('project/.vscode/mcp.json', '{\n  // ours\n  "servers": {"tool": {"command": "./tool"}, "asks": {"command": "x", "env": {"K": "${input:k}"}}},\n}')
  put('.codeium/windsurf/mcp_config.json', 'not JSON')
  const report = run()
  expect(actions(report)).toEqual(['files added', 'web added', 'local added', 'tool added', 'asks skipped'])
  expect(report).toMatchObject({ created: true, written: true, notes: [expect.stringMatching(/mcp_config\.json is not valid JSON/)] })
  expect(statSync(join(home, 'node.yaml')).mode & 0o777).toBe(0o600)
  const { servers } = loadConfig({ file: join(home, 'node.yaml'), env: {}, cwd: home }).config.mcp
  expect(servers.map(({ name }) => name)).toEqual(['files', 'local', 'tool', 'web'])
  expect(servers[2]).toMatchObject({ command: join(home, 'project', 'tool'), cwd: join(home, 'project') })
  expect(readdirSync(home).filter((name) => name.endsWith('.tmp'))).toEqual([])
})

test('one client, a prefix, switched off', () => {
  put('.cursor/mcp.json', { mcpServers: { 'my files': { command: 'x' } } })
  put('.config/Claude/claude_desktop_config.json', { mcpServers: { other: { command: 'x' } } })
  const report = run({ from: 'cursor', prefix: 'work-', disabled: true })
  expect(report.servers).toMatchObject([{ name: 'work-my-files', written: 'my files', action: 'added', notes: ['named "work-my-files" here'] }])
  expect(text()).toBe('mcp:\n  servers:\n    work-my-files:\n      command: x\n      enabled: false\n')
})

describe('a file that is there already', () => {
  const BEFORE = '# my node\nmcp:\n  servers:\n    a: {command: old}   # mine\n'

  test('keeps its comments, layout, mode and entries; twice is once', () => {
    put('node.yaml', BEFORE, 0o640)
    const file = put('client.json', { mcpServers: { a: { command: 'new' }, b: { command: 'x' } } })
    expect(actions(run({ file }))).toEqual(['a kept', 'b added'])
    expect(text()).toBe(`${BEFORE}    b:\n      command: x\n`)
    expect(statSync(join(home, 'node.yaml')).mode & 0o777).toBe(0o640)
    const again = run({ file })
    expect(actions(again)).toEqual(['a kept', 'b unchanged'])
    expect(again.written).toBe(false)
  })

  test('--replace overwrites, --dry-run changes nothing', () => {
    put('node.yaml', BEFORE)
    const file = put('client.json', { mcpServers: { a: { command: 'new' } } })
    const dry = run({ file, replace: true, dryRun: true })
    expect([actions(dry), dry.written, text()]).toEqual([['a replaced'], false, BEFORE])
    run({ file, replace: true })
    expect(text()).toBe('# my node\nmcp:\n  servers:\n    a:\n      command: new   # mine\n')
    run({ file, config: join(home, 'none.yaml'), dryRun: true })
    expect(existsSync(join(home, 'none.yaml'))).toBe(false)
  })

  test('a link stays a link', () => {
    const real = put('real/node.yaml', BEFORE)
    symlinkSync(real, join(home, 'node.yaml'))
    run({ file: put('client.json', { mcpServers: { b: { command: 'x' } } }) })
    expect(readFileSync(real, 'utf8')).toContain('    b:\n')
    expect(readdirSync(join(home, 'real'))).toEqual(['node.yaml'])
  })

  test('secrets in a file that others read', () => {
    put('node.yaml', BEFORE, 0o644)
    const file = put('client.json', { mcpServers: { b: { command: 'x', env: { TOKEN: 's3cret' } } } })
    expect(run({ file }).notes).toEqual([expect.stringMatching(/chmod 600/)])
  })

  test.each([
    ['a: [', /node\.yaml:1:\d+: is not valid YAML/],
    ['s: &s {x: {command: y}}\nmcp: {servers: *s}\n', /cannot be extended/]
  ])('one that is broken or cannot be extended is refused and stays: %j', (broken, message) => {
    put('node.yaml', broken)
    expect(codeOf({ file: put('client.json', { mcpServers: { b: { command: 'x' } } }) })).toMatch(message)
    expect(text()).toBe(broken)
  })
})

test('names: the same server in two clients is one; another one of the same name is reported', () => {
  put('.config/Claude/claude_desktop_config.json', { mcpServers: { a: { command: 'x' }, b: { command: 'x' } } })
  put('.cursor/mcp.json', { mcpServers: { a: { command: 'x' }, b: { command: 'y' } } })
  const report = run()
  expect(actions(report)).toEqual(['a added', 'b added', 'a unchanged', 'b skipped'])
  expect(report.servers[3]?.notes).toEqual([expect.stringMatching(/another server of this name was found in .*claude_desktop_config\.json/)])
})

test('what the node would refuse is not written', () => {
  const file = put('client.json', {
    mcpServers: { 'bad url': { url: 'ftp://h' }, 'bad env': { command: 'x', env: { 'A-B': '1' } }, graph: { command: 'x' }, sse: { type: 'sse', url: 'https://h' }, fine: { url: '${BASE}/mcp' } }
  })
  const report = run({ file })
  expect(actions(report)).toEqual(['bad-url skipped', 'bad-env skipped', 'graph skipped', 'sse skipped', 'fine added'])
  expect(report.servers.map(({ notes }) => notes[0])).toEqual([
    'url must be a URL that starts with http:// or https://',
    expect.stringContaining('is not the name of an environment variable'),
    expect.stringContaining('the bundled server has this name'),
    expect.stringContaining('old SSE transport'),
    'needs BASE in the environment of the node, which will not start without'
  ])
  put('node.yaml', 'mcp: {graph: {enabled: false}}\n')
  expect(actions(run({ file }))).toContain('graph added')
})

test('which file, and what is wrong with it', () => {
  expect(codeOf({ config: undefined })).toMatch(/^SKEIN_USAGE: Name the node's configuration file with --config/)
  expect(codeOf({})).toMatch(/^SKEIN_USAGE: No file of a known client was found: name it\. Looked at .*claude_desktop_config\.json, /)
  expect(codeOf({ from: 'emacs' })).toMatch(/^SKEIN_USAGE: --from knows claude-desktop, /)
  expect(codeOf({ file: 'nope.json' })).toMatch(/^SKEIN_CONFIG: .*project\/nope\.json does not exist/)
  expect(codeOf({ file: put('odd.json', '{"x": 1}') })).toMatch(/^SKEIN_CONFIG: .*odd\.json has no servers/)
  const file = put('client.json', { mcpServers: { b: { command: 'x' } } })
  expect(run({ file, config: undefined, env: { HOME: home, SKEIN_CONFIG: '~/by-variable.yaml' } }).config).toBe(join(home, 'by-variable.yaml'))
  expect(codeOf({ file, config: join(home, 'no', 'such', 'node.yaml') })).toMatch(/^SKEIN_CONFIG: .* cannot be written/)
})
