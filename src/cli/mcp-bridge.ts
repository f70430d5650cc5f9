import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLineSplitter } from '../base/lines.ts'
import { EXIT_FAILED, EXIT_OK } from './exit-codes.ts'
import { createLedger } from './mcp-ledger.ts'
import { upgrade, type Upgraded } from './mcp-upgrade.ts'

export interface McpBridgeOptions {
  /** The control socket of the running node. */
  socketPath: string
  /** One server with bare names, or a view such as `@search`, instead of everything. */
  server?: string
  /** Where sentences for people go; stdout carries nothing but MCP. @default process.stderr */
  stderr?: Writable
  /** How long a node that went away may take to come back, ms: a restart with an upgrade in between. @default 60000 */
  patience?: number
}

/** Between two attempts, ms: a node starts in a few hundred; when it takes longer, asking more often does not help. */
const FIRST_DELAY = 100
const LONGEST_DELAY = 2000

/** A session that ended sooner, ms, was no success: the next attempt waits as if it had failed. */
const STABLE = 5000

/** Well above what a node takes or gives in one message (`mcp.max_body_bytes`, 16 MiB results, escaped): the node's limits come first. */
const MAX_LINE = 64 * 1024 * 1024

/** What the client may say while the node is away, bytes; then it has to wait. */
const MAX_WAITING = 4 * 1024 * 1024

const NEWLINE = Buffer.from('\n')

/** One line, without a copy of it. False: enough for now. */
function writeLine(stream: Writable, line: Buffer): boolean {
  stream.write(line)
  return stream.write(NEWLINE)
}

/** What `step` writes to the stream goes out in one system call. */
function together<T>(stream: Writable | undefined, step: () => T): T {
  stream?.cork()
  try {
    return step()
  } finally {
    stream?.uncork()
  }
}

/**
 * Makes stdin and stdout an MCP session of the running node, for clients that start a process. A node that goes away and comes back
 * is a pause for the client: its session is opened again behind its back, what ran gets an error (or is asked again where that does
 * no harm). Resolves with the exit code: 0 the client ended it, 1 refused or the node did not come back, 3 no node is running.
 */
export async function runMcpBridge(options: McpBridgeOptions, stdin: Readable, stdout: Writable): Promise<number> {
  const { patience = 60_000, stderr = process.stderr } = options
  const ledger = createLedger()
  const over = new AbortController()
  const waiting: Buffer[] = []
  let waitingBytes = 0
  let socket: Socket | undefined
  let inputEnded = false
  let tooLong = false

  const say = (sentence: string) => void stderr.write(`skein: ${sentence}\n`)

  function toClient(line: Buffer): void {
    if (!writeLine(stdout, line)) socket?.pause()
  }

  function toNode(line: Buffer): void {
    const passed = ledger.fromClient(line)
    if (passed !== undefined && socket !== undefined && !writeLine(socket, passed)) stdin.pause()
  }

  /** Nobody waits for anything any more. */
  function settle(): void {
    if (inputEnded && socket === undefined && waiting.length === 0 && !ledger.waiting) over.abort()
  }

  const lines = createLineSplitter(MAX_LINE, (line) => {
    if (line.length === 0) return
    if (socket !== undefined) return toNode(line)
    waiting.push(line)
    waitingBytes += line.length
    if (waitingBytes > MAX_WAITING) stdin.pause()
  })

  function onEnd(): void {
    inputEnded = true
    socket?.end()
    settle()
  }
  function onData(chunk: Buffer): void {
    if (tooLong || together(socket, () => lines.feed(chunk))) return
    tooLong = true
    say(`the client sent a message of more than ${MAX_LINE} bytes: there is no way to go on.`)
    over.abort()
  }
  const onGone = () => over.abort()

  /** Carries one session, from its connection to its end. */
  function serve(connected: { socket: Socket; head: Buffer }, again: boolean): Promise<void> {
    return new Promise((resolve) => {
      socket = connected.socket
      const session = connected.socket
      const answers = createLineSplitter(MAX_LINE, (line) => ledger.fromNode(line).forEach(toClient))
      const feed = (chunk: Buffer) => {
        if (!together(stdout, () => answers.feed(chunk))) session.destroy()
      }
      const onDrained = () => session.resume()
      const abort = () => session.destroy()
      stdout.on('drain', onDrained)
      over.signal.addEventListener('abort', abort, { once: true })
      session.on('data', feed)
      session.on('drain', () => stdin.resume())
      session.on('error', () => session.destroy())
      // The node's end is the end, whether or not the client still writes: what it writes now is for the next session.
      session.on('end', () => {
        socket = undefined
        session.end()
      })
      session.on('close', () => {
        socket = undefined
        stdout.off('drain', onDrained)
        over.signal.removeEventListener('abort', abort)
        stdin.resume()
        resolve()
      })
      if (connected.head.length > 0) feed(connected.head)
      if (again) for (const line of ledger.replay()) writeLine(session, line)
      stdin.resume()
      waitingBytes = 0
      waiting.splice(0).forEach(toNode)
      if (inputEnded) session.end()
      if (over.signal.aborted) abort()
    })
  }

  /** The node, when it is there again; what it said last when it does not come. */
  async function comeBack(outage: { since: number; delay: number }): Promise<Upgraded | undefined> {
    for (;;) {
      try {
        await sleep(outage.delay, undefined, { signal: over.signal })
      } catch {
        return undefined
      }
      outage.delay = Math.min(outage.delay * 2, LONGEST_DELAY)
      const next = await upgrade(options)
      if ('socket' in next || performance.now() - outage.since >= patience) return next
    }
  }

  let next: Upgraded | undefined = await upgrade(options)
  if ('code' in next && next.starting === true) next = (await comeBack({ since: performance.now(), delay: FIRST_DELAY })) ?? next
  if ('code' in next) {
    say(next.message)
    return next.code
  }
  let outage: { since: number; delay: number } | undefined
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  stdin.on('error', onGone)
  stdout.on('error', onGone)
  try {
    for (let again = false; next !== undefined && 'socket' in next; again = true) {
      const from = performance.now()
      await serve(next, again)
      // All that was asked is answered, or nobody listens any more.
      if (over.signal.aborted || (inputEnded && waiting.length === 0 && !ledger.waiting)) return tooLong ? EXIT_FAILED : EXIT_OK
      for (const line of ledger.broken()) toClient(line)
      settle()
      const now = performance.now()
      if (outage === undefined || now - from >= STABLE) {
        outage = { since: now, delay: FIRST_DELAY }
        say('the node ended the session; waiting for it to come back.')
      } else if (now - outage.since >= patience) break
      next = await comeBack(outage)
    }
    if (over.signal.aborted) return tooLong ? EXIT_FAILED : EXIT_OK
    say(`the node did not come back within ${Math.round(patience / 1000)} s. ${next !== undefined && 'code' in next ? next.message : 'It ends every session.'}`)
    return EXIT_FAILED
  } finally {
    over.abort()
    stdin.off('data', onData)
    // A stdin that stays open would keep the process alive.
    stdin.destroy()
  }
}
