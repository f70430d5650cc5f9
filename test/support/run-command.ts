import { PassThrough, Writable } from 'node:stream'
import type { CliActions, CliIo } from '../../src/cli/context.ts'
import { runCli } from '../../src/cli/main.ts'

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

function collector(): { stream: Writable; text: () => string } {
  const parts: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      parts.push(String(chunk))
      done()
    }
  })
  return { stream, text: () => parts.join('') }
}

const notHere = async (): Promise<never> => {
  throw new Error('not part of this test')
}

/** Runs one command line in this process and gathers what it printed. */
export async function runCommand(
  argv: string[],
  options: { stdin?: string; io?: Partial<CliIo>; actions?: Partial<CliActions> } = {}
): Promise<CommandResult> {
  const stdin = new PassThrough()
  stdin.end(options.stdin ?? '')
  const out = collector()
  const err = collector()
  const io: CliIo = { stdin, stdout: out.stream, stderr: err.stream, env: { HOME: '/nonexistent' }, cwd: '/nonexistent', ...options.io }
  const actions: CliActions = { version: '9.9.9', startNode: notHere, joinFederation: notHere, configTools: notHere, ...options.actions }
  const code = await runCli(argv, io, actions)
  return { code, stdout: out.text(), stderr: err.text() }
}
