import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { removeTemporaryDirs, temporaryDir } from '../../support/control-node.ts'

const BIN = new URL('../../../bin/skein.js', import.meta.url).pathname

/** An entry point that says who runs it and ends as it is told. */
const MAIN = `
const [what, value] = process.argv.slice(2)
if (what === 'exit') process.exitCode = Number(value)
if (what === 'wait') {
  setInterval(() => {}, 1000)
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => { console.log(signal); if (signal === 'SIGTERM') process.exit(7) })
}
// Last, so that whoever reads it may send signals.
console.log(JSON.stringify({ pid: process.pid, version: process.version, args: process.argv.slice(2), marked: '_SKEIN_LAUNCHED' in process.env }))
`

/**
 * A Node that calls itself old, so that the tests need none: the launcher only looks at its version. Preloaded into the
 * first process alone, as NODE_OPTIONS would reach the second one too.
 */
const OLD = `if (process.env._SKEIN_LAUNCHED === undefined) Object.defineProperty(process.versions, 'node', { value: '20.0.0' })\n`

let root = ''
const children: ChildProcess[] = []

beforeEach(async () => {
  root = await temporaryDir('skein-launcher-')
  await mkdir(join(root, 'bin'))
  await mkdir(join(root, 'src'))
  await writeFile(join(root, 'package.json'), '{"type":"module"}')
  await copyFile(BIN, join(root, 'bin', 'skein.js'))
  await writeFile(join(root, 'src', 'main.ts'), MAIN)
  await writeFile(join(root, 'old.cjs'), OLD)
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await removeTemporaryDirs()
})

/** Puts the running Node where npm would put the packaged one. */
async function installNode(): Promise<void> {
  const folder = join(root, 'node_modules', `node-${process.platform}-${process.arch}`)
  await mkdir(join(folder, 'bin'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{"name":"x"}')
  await symlink(process.execPath, join(folder, 'bin', 'node'))
}

const script = () => join(root, 'bin', 'skein.js')
const asOld = () => ['--require', join(root, 'old.cjs'), script()]

interface Running {
  child: ChildProcess
  /** The next line of output. */
  line(): Promise<string>
  end: Promise<{ code: number | null; signal: string | null }>
}

function launch(args: string[]): Running {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  child.stdout?.on('data', (chunk) => {
    const parts = (rest + String(chunk)).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) (waiting.shift() ?? ((line: string) => lines.push(line)))(part)
  })
  const line = () => new Promise<string>((resolve) => (lines.length > 0 ? resolve(lines.shift() as string) : waiting.push(resolve)))
  const end = new Promise<{ code: number | null; signal: string | null }>((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })))
  return { child, line, end }
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('bin/skein.js', () => {
  test('on a Node that is new enough runs the sources in the same process', async () => {
    const { child, line, end } = launch([script(), 'exit', '3'])
    expect(JSON.parse(await line())).toMatchObject({ pid: child.pid, args: ['exit', '3'] })
    expect(await end).toEqual({ code: 3, signal: null })
  })

  test('on an old one hands over to the packaged Node, arguments and exit code included', async () => {
    await installNode()
    const { child, line, end } = launch([...asOld(), 'exit', '4'])
    const said = JSON.parse(await line()) as { pid: number }
    expect(said).toMatchObject({ args: ['exit', '4'], marked: false })
    expect(said.pid).not.toBe(child.pid)
    expect(await end).toEqual({ code: 4, signal: null })
  })

  test('without a packaged Node says what to do', async () => {
    const { status, stderr } = spawnSync(process.execPath, [...asOld(), 'status'], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^skein: this is Node .* needs Node 24 or newer.*install Node 24\.\n$/)
  })

  test('signals reach the second process, and its end is the end of the first', async () => {
    await installNode()
    const { child, line, end } = launch([...asOld(), 'wait'])
    await line()
    child.kill('SIGHUP')
    expect(await line()).toBe('SIGHUP')
    child.kill('SIGTERM')
    expect(await line()).toBe('SIGTERM')
    expect(await end).toEqual({ code: 7, signal: null })
  })

  test('a second process killed by a signal ends the first by the same', async () => {
    await installNode()
    const { line, end } = launch([...asOld(), 'wait'])
    const { pid } = JSON.parse(await line()) as { pid: number }
    process.kill(pid, 'SIGKILL')
    expect(await end).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('a first process killed with -9 leaves no second one', async () => {
    await installNode()
    const { child, line } = launch([...asOld(), 'wait'])
    const { pid } = JSON.parse(await line()) as { pid: number }
    child.kill('SIGKILL')
    await gone(pid)
  })

  test('installed under node_modules it runs what was built', async () => {
    const home = join(root, 'node_modules', 'skein')
    await mkdir(join(home, 'bin'), { recursive: true })
    await mkdir(join(home, 'dist'))
    await mkdir(join(home, 'src'))
    await writeFile(join(home, 'package.json'), '{"type":"module"}')
    await copyFile(BIN, join(home, 'bin', 'skein.js'))
    await chmod(join(home, 'bin', 'skein.js'), 0o755)
    await writeFile(join(home, 'src', 'main.ts'), 'console.log("sources")')
    await writeFile(join(home, 'dist', 'main.js'), 'console.log("built")')
    const { line } = launch([join(home, 'bin', 'skein.js')])
    expect(await line()).toBe('built')
  })
})
