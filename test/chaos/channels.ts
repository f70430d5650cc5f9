import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { ROOT } from '../support/skein-process.ts'

/** MCP messages are read here as a person at the wire would: any field may be there. */
export type Message = Record<string, any>

/** Why there is no answer: the wire failed, or HTTP said no. */
export class WireError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** A way to a node: HTTP requests, or the standard input and output of `skein mcp`. */
export interface Channel {
  readonly kind: 'http' | 'stdio'
  /** Whatever arrives, on whatever stream. */
  onMessage: (message: Message) => void
  /** `done`: nothing more can come because of this message; rejects when the wire failed. */
  send(message: Message, headers?: Record<string, string>): Sent
  /** The session's own stream (HTTP with sessions). */
  stream?(): Sent
  /** `rudely`: without a word, as a client does that crashes. */
  close(rudely: boolean): Promise<void>
}

export interface Sent {
  done: Promise<void>
  /** The connection of this message ends (HTTP only). */
  drop(): void
}

const ACCEPT = 'application/json, text/event-stream'
/** A client that is asked to go has this long, ms. */
const EXIT_MS = 10_000

export function httpChannel(url: string): Channel {
  const agent = new Agent({ keepAlive: true })
  /** What a session adds to each request. */
  const own: Record<string, string> = {}

  function start(method: 'POST' | 'GET' | 'DELETE', headers: Record<string, string>, message?: Message): Sent {
    const body = message === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', ...message })
    const { promise: done, resolve, reject } = Promise.withResolvers<void>()
    const length = message === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }
    const req = request(url, { method, agent, headers: { accept: ACCEPT, ...length, ...own, ...headers } }, (res) => {
      const session = res.headers['mcp-session-id']
      if (typeof session === 'string') {
        own['mcp-session-id'] = session
        own['mcp-protocol-version'] = '2025-11-25'
      }
      const events = (res.headers['content-type'] ?? '').startsWith('text/event-stream')
      let text = ''
      const take = (piece: string) => {
        const data = piece.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : [])).join('\n')
        if (data !== '') channel.onMessage(JSON.parse(data) as Message)
      }
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => {
        text += chunk
        if (!events || !chunk.includes('\n')) return
        const pieces = text.split('\n\n')
        text = pieces.pop() as string
        pieces.forEach(take)
      })
      res.on('error', (error) => reject(new WireError('wire', error.message)))
      res.on('end', () => {
        const answered = !events && text.startsWith('{') && typeof (JSON.parse(text) as Message).id === 'number'
        if (answered) channel.onMessage(JSON.parse(text) as Message)
        else if ((res.statusCode ?? 0) >= 300) return reject(new WireError(`HTTP ${res.statusCode}`, text.slice(0, 300)))
        resolve()
      })
    })
    req.on('error', (error) => reject(new WireError('wire', error.message)))
    req.end(body)
    done.catch(() => {})
    return { done, drop: () => void req.destroy() }
  }
  const channel: Channel = {
    kind: 'http',
    onMessage() {},
    send: (message, headers = {}) => start('POST', headers, message),
    stream: () => start('GET', {}),
    async close(rudely) {
      if (!rudely && own['mcp-session-id'] !== undefined) await start('DELETE', {}).done.catch(() => {})
      agent.destroy()
    }
  }
  return channel
}

/** `skein mcp` at a node's data directory: it outlives restarts of the node. */
export function stdioChannel(dataDir: string, view: string | undefined): Channel {
  const args = [join(ROOT, 'bin/skein.js'), 'mcp', '--data-dir', dataDir, ...(view === undefined ? [] : ['--server', view])]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const gone = Promise.withResolvers<never>()
  gone.promise.catch(() => {})
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-500)))
  child.stdin.on('error', () => {})
  child.once('error', (error) => gone.reject(new WireError('bridge', error.message)))
  const exited = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      gone.reject(new WireError('bridge', `skein mcp ended (${code ?? signal}): ${said}`))
      resolve()
    })
  })
  createInterface({ input: child.stdout }).on('line', (line) => channel.onMessage(JSON.parse(line) as Message))
  const channel: Channel = {
    kind: 'stdio',
    onMessage() {},
    send(message) {
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
      // A notification is done when it is written.
      return { done: message.id === undefined || message.method === undefined ? Promise.resolve() : gone.promise, drop() {} }
    },
    async close(rudely) {
      if (rudely) child.kill('SIGKILL')
      else child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_MS)
      await exited
      clearTimeout(timer)
    }
  }
  return channel
}
