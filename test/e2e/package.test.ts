import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeStatus } from '../../src/node/api.ts'
import { descendants, processes } from '../support/processes.ts'
import { ROOT } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** What the package is made from: a copy is built and packed, so that other runs find this tree as it was. */
const INPUT = ['bin', 'config', 'docs', 'protocols', 'scripts', 'src', 'LICENSE', 'README.md', 'package.json', 'tsconfig.json', 'tsconfig.build.json', '.npmrc']
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED|ENETUNREACH|ERR_SOCKET_TIMEOUT/

interface Result {
  code: number | null
  stdout: string
  stderr: string
}

const root = realpathSync(mkdtempSync(join(tmpdir(), 'skein-package-')))
const app = join(root, 'app')
const dataDir = join(root, 'data')
// Without this project's own binaries: a user has the machine's node and npm, and what the package brings.
const env = { ...process.env, PATH: (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.startsWith(ROOT)).join(delimiter), NODE_OPTIONS: '' }

function run(cwd: string, command: string, ...args: string[]): Promise<Result> {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  return new Promise((done, fail) => {
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.once('error', fail)
    child.once('close', (code) => done({ code, stdout, stderr }))
  })
}

async function ok(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(cwd, command, ...args)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
  return stdout
}

interface Packed {
  filename: string
  version: string
  files: { path: string }[]
}

describe('the published package', () => {
  let packed: Packed
  beforeAll(async () => {
    const tree = join(root, 'tree')
    mkdirSync(tree)
    for (const path of INPUT) cpSync(join(ROOT, path), join(tree, path), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
    // `npm pack` builds first (prepack) and the build may speak on standard output before the JSON.
    const output = await ok(tree, 'npm', 'pack', '--json', '--pack-destination', root)
    packed = (JSON.parse(output.slice(output.search(/^\[$/m))) as [Packed])[0]
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  test('holds what it needs and nothing else', () => {
    const files = packed.files.map(({ path }) => path)
    const sources = globSync('**/*.ts', { cwd: join(ROOT, 'src') })
    const built = sources.flatMap((path) => [`dist/${path.replace(/\.ts$/, '.js')}`, `dist/${path.replace(/\.ts$/, '.d.ts')}`])
    expect(files.filter((path) => path.startsWith('dist/')).sort()).toEqual(built.sort())
    const rest = ['bin', 'config', 'docs', 'protocols'].flatMap((folder) => globSync(`${folder}/**/*.*`, { cwd: ROOT }))
    expect(files.filter((path) => !path.startsWith('dist/')).sort()).toEqual(['LICENSE', 'README.md', 'package.json', ...rest].sort())
    expect(readFileSync(join(ROOT, 'LICENSE'), 'utf8')).toContain('Apache License\n                           Version 2.0')
  })

  test('installs, starts, serves the bundled tools and stops', async ({ skip }) => {
    mkdirSync(app)
    writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true }')
    const install = await run(app, 'npm', 'install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0', join(root, packed.filename))
    if (install.code !== 0 && OFFLINE.test(install.stderr)) {
      console.warn('SKIPPED: the package was not installed, because no registry can be reached:\n', install.stderr.slice(0, 500))
      skip('no registry')
    }
    expect(install.code, install.stderr).toBe(0)
    expect(existsSync(join(app, 'node_modules/skein/src'))).toBe(false)
    expect(existsSync(join(app, 'node_modules/vitest')), 'development tools are not installed').toBe(false)

    expect((await ok(app, 'npx', 'skein', '--version')).trim()).toBe(packed.version)
    const library = `import('skein').then((skein) => console.log(Object.keys(skein).join(), skein.VERSION))`
    expect((await ok(app, join(app, 'node_modules/.bin/node'), '-e', library)).trim()).toBe(`SkeinError,VERSION,startNode ${packed.version}`)

    const free = ['--listen', '/ip4/127.0.0.1/tcp/0', '--http-port', '0', '--metrics-port', '0']
    const node = spawn('npx', ['skein', 'start', '--json', '--log-format', 'json', '--data-dir', dataDir, ...free], { cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let status: NodeStatus | undefined
    try {
      const ended = new Promise<number | string | null>((done) => node.once('exit', (code, signal) => done(signal ?? code)))
      status = await firstStatus(node)
      const { pid, version } = status
      const ran = processes().filter((found) => found.pid === pid).concat(descendants(pid)).map(({ command }) => command)
      expect(version).toBe(packed.version)
      expect(ran.join('\n')).toContain('node_modules/skein/dist/packs/graph/main.js')
      expect(ran.filter((line) => /\.ts\b/.test(line)), 'nothing under node_modules runs from TypeScript').toEqual([])

      const call = (...args: string[]) => ok(app, 'npx', 'skein', 'call', '--json', '--data-dir', dataDir, ...args)
      await call('graph__create_graph', '{"id":"g"}')
      expect(await call('graph__list_graphs')).toContain('"g"')
      const missing = await run(app, 'npx', 'skein', 'call', '--data-dir', dataDir, 'graph__nothing')
      expect([missing.code, missing.stdout]).toEqual([1, ''])
      expect(missing.stderr).toMatch(/^skein: .*\[SKEIN_NOT_FOUND\]$/m)

      await ok(app, 'npx', 'skein', 'stop', '--wait', '--data-dir', dataDir)
      expect(await ended).toBe(0)
      const gone = await run(app, 'npx', 'skein', 'status', '--data-dir', dataDir)
      expect([gone.code, gone.stderr.includes('[SKEIN_NOT_RUNNING]')]).toEqual([3, true])
    } finally {
      await stopNode(node, status?.pid)
    }
  })
})

async function firstStatus(node: ChildProcess): Promise<NodeStatus> {
  let [stdout, stderr] = ['', '']
  node.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  node.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await waitUntil('the installed node is ready', () => {
    if (node.exitCode !== null) throw new Error(`it ended with ${node.exitCode}:\n${stderr}`)
    return stdout.includes('\n')
  }, { timeout: 20_000 })
  return JSON.parse(stdout.slice(0, stdout.indexOf('\n'))) as NodeStatus
}

/** For a test that failed on the way. npx has a shell between itself and the node, which does not pass signals on. */
async function stopNode(npx: ChildProcess, pid: number | undefined): Promise<void> {
  if (npx.exitCode !== null || npx.signalCode !== null) return
  const gone = new Promise((done) => npx.once('exit', done))
  for (const found of descendants(npx.pid as number)) if (pid === undefined || found.pid === pid) process.kill(found.pid, 'SIGTERM')
  await gone
}
