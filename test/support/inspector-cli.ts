import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import type { AnyClient, ClientKind, Target } from './mcp-clients.ts'

/** A command connects, asks and ends within a second; other tests share the cores. */
const COMMAND_MS = 30_000

/** A result of any method. */
interface Inspected {
  tools?: { name: string }[]
  resources?: { uri: string }[]
  prompts?: { name: string }[]
  content?: unknown
  structuredContent?: unknown
  isError?: boolean
  contents?: unknown
  messages?: unknown
}

/** One command of the Inspector: it connects, asks one thing, prints the result and ends. */
async function inspect(home: string, scratch: string, target: Target, mode: string, args: readonly string[]): Promise<Inspected> {
  const main = join(home, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js')
  const where = 'url' in target ? ['--transport', 'http', '--server-url', target.url] : []
  // Its own options end at `--`; what it starts may have some of its own.
  const what = 'url' in target ? [] : ['--', target.command, ...target.args]
  const child = spawn(process.execPath, [main, '--cli', ...where, '--protocol-era', mode, '--format', 'json', '--quiet', ...args, ...what], {
    cwd: tmpdir(),
    // It keeps state in the home directory.
    env: { ...process.env, HOME: scratch },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_MS
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  if (ended !== 0) throw new Error(`inspector --cli ${args.join(' ')} ended with ${ended}: ${stderr}${stdout}`)
  return (JSON.parse(stdout) as { result: Inspected }).result
}

/** The Inspector's command line in each of its modes; `home` is where it is installed, `scratch` becomes its home directory. */
export function inspectorClis(home: string, scratch: string): ClientKind[] {
  const modes: readonly [string, ClientKind['era']][] = [
    ['legacy', '2025'],
    ['auto', '2026'],
    ['modern', '2026']
  ]
  return modes.map(([mode, era]) => {
    const kind = `Inspector CLI (${mode})`
    return {
      kind,
      era,
      async connect(target): Promise<AnyClient> {
        const run = (...args: string[]) => inspect(home, scratch, target, mode, args)
        return {
          kind,
          list: async () => (await run('--method', 'tools/list')).tools?.map(({ name }) => name) ?? [],
          call: (name, args = {}) => run('--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)),
          resources: async () => (await run('--method', 'resources/list')).resources?.map(({ uri }) => uri) ?? [],
          read: (uri) => run('--method', 'resources/read', '--uri', uri),
          prompts: async () => (await run('--method', 'prompts/list')).prompts?.map(({ name }) => name) ?? [],
          prompt: (name, args = {}) => {
            const pairs = Object.entries(args).map(([key, value]) => `${key}=${value}`)
            return run('--method', 'prompts/get', '--prompt-name', name, ...(pairs.length > 0 ? ['--prompt-args', ...pairs] : []))
          },
          close: async () => {}
        }
      }
    }
  })
}
