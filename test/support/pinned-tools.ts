import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './skein-process.ts'

/** What npm and Node call a registry that is out of reach. */
const OUT_OF_REACH = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|E5\d\d)\b/

/** `npm ci` of a pinned lock did not work. */
export interface NotInstalled {
  /** Everything npm said. */
  reason: string
  /** The registry cannot be reached: nothing here is wrong. */
  unreachable: boolean
}

/**
 * Installs what the package.json and package-lock.json of a folder name, once, where git does not look: for programs that few runs
 * need and that are too large to be dependencies of the project.
 * @returns the folder that holds their node_modules
 */
export async function installPinned(from: string, name: string, print: (line: string) => void): Promise<{ home: string } | NotInstalled> {
  const home = join(ROOT, 'node_modules/.cache', name)
  const lock = readFileSync(join(from, 'package-lock.json'), 'utf8')
  // Written last: an installation that was interrupted is not taken for a whole one.
  const done = join(home, 'installed-lock.json')
  if (existsSync(done) && readFileSync(done, 'utf8') === lock) return { home }
  const { dependencies } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  print(`installing ${Object.keys(dependencies).join(' and ')} (once)…`)
  rmSync(done, { force: true })
  mkdirSync(home, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(from, file), join(home, file))
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=1', '--fetch-retry-mintimeout=1000']
  const npm = spawn('npm', args, { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  npm.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => {
    npm.once('error', (error) => {
      said += String(error)
      resolve(null)
    })
    npm.once('close', resolve)
  })
  if (status !== 0) return { reason: `npm ci in ${home} failed: ${said.trim()}`, unreachable: OUT_OF_REACH.test(said) }
  writeFileSync(done, lock)
  return { home }
}
