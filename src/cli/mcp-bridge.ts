import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

export interface McpBridgeOptions {
  /** The control socket of the running node. */
  socketPath: string
  /** One server with bare names instead of everything. */
  server?: string
  /** Where sentences for people go; stdout carries nothing but MCP. @default process.stderr */
  stderr?: Writable
}

const OK = 0
const FAILED = 1
const NOT_RUNNING = 3

/** A local socket answers at once or never. */
const CONNECT_TIMEOUT = 10_000

/** What is kept of a refusal's body. */
const MAX_REFUSAL = 64 * 1024

/** Nobody listens there: no file, a file nobody serves any more. */
const NOBODY = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'])

type Upgraded = { socket: Socket; head: Buffer } | { code: number; message: string }

function refusal(body: string, status: number): string {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } }
    if (typeof error?.message === 'string') return error.message
  } catch {
    // Not one of our answers: the status says what there is to say.
  }
  return `The node refused the session (HTTP ${status}).`
}

function upgrade({ socketPath, server }: McpBridgeOptions): Promise<Upgraded> {
  return new Promise((resolve) => {
    const req = request({
      path: server === undefined ? '/mcp' : `/mcp/${encodeURIComponent(server)}`,
      headers: { host: 'localhost', connection: 'Upgrade', upgrade: 'skein-mcp' },
      // Half-open: after stdin ends the answers to what runs are still to come.
      createConnection: () => connect({ path: socketPath, allowHalfOpen: true })
    })
    req.setTimeout(CONNECT_TIMEOUT, () => {
      resolve({ code: FAILED, message: `The node behind ${socketPath} does not answer: see its log, or restart it.` })
      req.destroy()
    })
    req.on('upgrade', (_response, socket, head) => {
      socket.setTimeout(0)
      resolve({ socket: socket as Socket, head })
    })
    req.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (body.length < MAX_REFUSAL) body += chunk
      })
      response.on('close', () => resolve({ code: FAILED, message: refusal(body, response.statusCode ?? 0) }))
    })
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (NOBODY.has(error.code ?? '')) resolve({ code: NOT_RUNNING, message: 'No node is running here: start one with "skein start", or name its directory with --data-dir.' })
      else resolve({ code: FAILED, message: `The control socket ${socketPath} cannot be used: ${error.message}` })
    })
    req.end()
  })
}

/**
 * Makes stdin and stdout an MCP session of the running node, for clients that start a process. Resolves with the exit code:
 * 0 the client ended it, 1 refused or the node ended it, 3 no node is running.
 */
export async function runMcpBridge(options: McpBridgeOptions, stdin: Readable, stdout: Writable): Promise<number> {
  const stderr = options.stderr ?? process.stderr
  const upgraded = await upgrade(options)
  if ('code' in upgraded) {
    stderr.write(`skein: ${upgraded.message}\n`)
    return upgraded.code
  }
  const { socket, head } = upgraded
  return new Promise((resolve) => {
    let clientEnded = false
    const finish = (): void => {
      stdin.unpipe(socket)
      // A stdin that stays open would keep the process alive.
      stdin.destroy()
      if (!clientEnded) stderr.write('skein: the node ended the session; it was stopped or restarted.\n')
      resolve(clientEnded ? OK : FAILED)
    }
    const clientGone = (): void => {
      clientEnded = true
      socket.destroy()
    }
    stdin.on('end', () => {
      clientEnded = true
    })
    stdin.on('error', clientGone)
    stdout.on('error', clientGone)
    socket.on('error', () => socket.destroy())
    socket.on('close', finish)
    if (head.length > 0) stdout.write(head)
    stdin.pipe(socket)
    socket.pipe(stdout, { end: false })
    // The node's end is the end, whether or not the client still writes.
    socket.on('end', () => socket.end())
  })
}
