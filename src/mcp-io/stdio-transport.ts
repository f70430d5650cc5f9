import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { UpstreamTransport } from '../mcp/ports.ts'
import type { JsonRpcMessage } from '../wire/json-rpc.ts'
import type { StdioTarget } from '../mcp/upstream/spec.ts'
import { errorMessage, SkeinError } from '../base/errors.ts'
import { createLineSplitter } from '../base/lines.ts'
import { parseMessages } from './message-parse.ts'
import type { ProcessGroups } from './process-groups.ts'
import { createStderrLog } from './stderr-log.ts'

/** Room for a file or an image in one result, and a bound for what a broken server can make us hold. */
const MAX_LINE_BYTES = 16 * 1024 * 1024
/** A child that does not read gets no more than this queued. */
const MAX_UNSENT_CHARS = 32 * 1024 * 1024
/** From closing stdin to SIGKILL, ms; half of what a stopping node has before someone looks. */
const CLOSE_GRACE = 1_500
/** After the child is gone its pipes are normally empty at once; someone outside the group may keep them open. */
const DRAIN_TIMEOUT = 250

/** What a program needs to work at all; nothing that holds a secret. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TMPDIR', 'SHELL', 'TERM', 'TZ']

export interface StdioDeps {
  clock: Clock
  logger: Logger
  groups: ProcessGroups
}

export interface StdioOptions {
  /** Under `mcp.servers`, for messages. */
  name: string
  target: StdioTarget
  /** @default 16 MiB */
  maxLineBytes?: number
}

/** A child process that speaks newline-delimited JSON-RPC on stdin and stdout, in a process group of its own. */
export function createStdioTransport(deps: StdioDeps, options: StdioOptions): UpstreamTransport {
  const { clock, groups } = deps
  const { name, target } = options
  const maxLineBytes = options.maxLineBytes ?? MAX_LINE_BYTES
  const stderr = createStderrLog(deps)
  let child: ChildProcessWithoutNullStreams | undefined
  let exited = false
  let closing = false
  let reason: Error | undefined
  let queue: { text: string; resolve(): void; reject(error: Error): void }[] = []
  let unsent = 0
  let writing = false
  const { promise: gone, resolve: markGone } = Promise.withResolvers<void>()

  const lines = createLineSplitter(maxLineBytes, (bytes) => {
    const line = bytes.toString().trim()
    if (line === '') return
    const messages = parseMessages(line)
    if (messages === undefined) transport.onNoise(line.slice(0, 500))
    else for (const { message, resultText } of messages) transport.onMessage(message, resultText === undefined ? {} : { resultText })
  })

  function notRun(why: string): SkeinError {
    return new SkeinError('SKEIN_UPSTREAM_DOWN', `mcp.servers.${name}: ${why}`)
  }
  /** One line at a time: then an error means that this very line was not taken whole, so the server cannot have run it. */
  function pump(): void {
    const next = queue[0]
    if (writing || next === undefined || child === undefined) return
    writing = true
    child.stdin.write(next.text, (error) => {
      writing = false
      if (queue[0] !== next) return
      queue.shift()
      unsent -= next.text.length
      if (error) {
        next.reject(notRun(`the server did not take the message: ${error.message}`))
        fail(notRun('the server closed its stdin'))
      } else next.resolve()
      pump()
    })
  }
  function rejectQueue(): void {
    const rest = queue
    queue = []
    unsent = 0
    for (const entry of rest) entry.reject(notRun('the server is gone'))
  }
  /** Ends the link for a reason of ours. */
  function fail(error: Error): void {
    if (reason !== undefined || closing) return
    reason = error
    void transport.close({ grace: 0 })
  }

  function onExit(code: number | null, signal: NodeJS.Signals | null): void {
    exited = true
    const pid = child?.pid
    if (pid !== undefined) groups.reap(pid)
    if (!closing) reason ??= notRun(`the server ${signal === null ? `exited with code ${code}` : `was ended by ${signal}`}`)
  }
  function finish(): void {
    const last = stderr.last()
    if (reason !== undefined && last !== undefined) reason = notRun(`${reason.message.replace(`mcp.servers.${name}: `, '')}; its last line on stderr: ${last}`)
    rejectQueue()
    markGone()
    transport.onClose(reason)
  }

  function startError(error: NodeJS.ErrnoException): SkeinError {
    const at = `mcp.servers.${name}`
    if (target.cwd !== undefined && !isDirectory(target.cwd)) return new SkeinError('SKEIN_CONFIG', `${at}.cwd: ${target.cwd} is not a directory`)
    if (error.code === 'ENOENT') {
      const where = target.command.includes('/') ? 'does not exist' : 'was not found in PATH'
      return new SkeinError('SKEIN_CONFIG', `${at}.command: '${target.command}' ${where}. Install it or correct the name.`, { cause: error })
    }
    if (error.code === 'EACCES') return new SkeinError('SKEIN_CONFIG', `${at}.command: '${target.command}' is not executable. Check its permissions.`, { cause: error })
    return notRun(`'${target.command}' could not be started: ${error.message}`)
  }

  const transport: UpstreamTransport = {
    onMessage() {},
    onClose() {},
    onNoise() {},
    get pid() {
      return exited ? undefined : child?.pid
    },
    async start({ signal }) {
      signal.throwIfAborted()
      try {
        child = spawn(target.command, [...target.args], { cwd: target.cwd, env: environment(target.env), detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
        await once(child, 'spawn')
      } catch (error) {
        child = undefined
        markGone()
        throw startError(error as NodeJS.ErrnoException)
      }
      const running = child
      groups.add(running.pid as number)
      running.stdin.on('error', () => {})
      running.stdout.on('error', (error) => deps.logger.debug('reading stdout failed', { error: errorMessage(error) }))
      running.stdout.on('data', (chunk: Buffer) => {
        if (!lines.feed(chunk)) fail(notRun(`the server sent a line of over ${maxLineBytes} bytes`))
      })
      running.stderr.on('error', () => {})
      running.stderr.on('data', stderr.feed)
      running.on('error', (error) => deps.logger.debug('child process error', { error: error.message }))
      let drain: Timer | undefined
      running.once('exit', (code, ended) => {
        onExit(code, ended)
        drain = clock.after(DRAIN_TIMEOUT, () => {
          running.stdout.destroy()
          running.stderr.destroy()
          running.stdin.destroy()
        })
      })
      // After the last byte of stdout: answers that were on their way arrive before the end.
      running.once('close', () => {
        drain?.cancel()
        stderr.end()
        finish()
      })
    },
    send(message: JsonRpcMessage) {
      if (child === undefined || exited || closing) return Promise.reject(notRun('the server is not running'))
      const text = `${JSON.stringify(message)}\n`
      if (unsent + text.length > MAX_UNSENT_CHARS) return Promise.reject(new SkeinError('SKEIN_BUSY', `mcp.servers.${name}: the server does not read its input; the request was not run.`))
      unsent += text.length
      return new Promise((resolve, reject) => {
        queue.push({ text, resolve, reject })
        pump()
      })
    },
    async close({ grace = CLOSE_GRACE } = {}) {
      const running = child
      if (running === undefined) return
      const { pid } = running
      closing = true
      if (!exited && pid !== undefined) {
        running.stdin.end()
        const timers = [clock.after(grace / 3, () => groups.signal(pid, 'SIGTERM')), clock.after(grace, () => groups.signal(pid, 'SIGKILL'))]
        void gone.then(() => timers.forEach((timer) => timer.cancel()))
      }
      await gone
    }
  }
  return transport
}

function environment(given: Readonly<Record<string, string>>): Record<string, string> {
  const inherited = INHERITED.flatMap((key) => {
    const value = process.env[key]
    return value === undefined ? [] : [[key, value]]
  })
  return { ...Object.fromEntries(inherited), ...given }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
