import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { EXIT_FAILED, EXIT_NOT_RUNNING } from './exit-codes.ts'

/** A local socket answers at once or never. */
const CONNECT_TIMEOUT = 10_000

/** What is kept of a refusal's body. */
const MAX_REFUSAL = 64 * 1024

/** Nobody listens there: no file, a file nobody serves any more. */
const NOBODY = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'])

/** A session, or the exit code and the sentence of a refusal; `starting`: a node is there that is not ready yet. */
export type Upgraded = { socket: Socket; head: Buffer } | { code: number; message: string; starting?: boolean }

function refusal(body: string, status: number): string {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } }
    if (typeof error?.message === 'string') return error.message
  } catch {
    // Not one of our answers: the status says what there is to say.
  }
  return `The node refused the session (HTTP ${status}).`
}

/** Opens an MCP session over the control socket of a node. Never rejects. */
export function upgrade({ socketPath, server }: { socketPath: string; server?: string }): Promise<Upgraded> {
  return new Promise((resolve) => {
    const req = request({
      path: server === undefined ? '/mcp' : `/mcp/${encodeURIComponent(server)}`,
      headers: { host: 'localhost', connection: 'Upgrade', upgrade: 'skein-mcp' },
      // Half-open: after stdin ends the answers to what runs are still to come.
      createConnection: () => connect({ path: socketPath, allowHalfOpen: true })
    })
    req.setTimeout(CONNECT_TIMEOUT, () => {
      resolve({ code: EXIT_FAILED, message: `The node behind ${socketPath} does not answer: see its log, or restart it.` })
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
      response.on('close', () => resolve({ code: EXIT_FAILED, message: refusal(body, response.statusCode ?? 0) }))
    })
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (NOBODY.has(error.code ?? '')) resolve({ code: EXIT_NOT_RUNNING, message: 'No node is running here: start one with "skein start", or name its directory with --data-dir.' })
      // A node that is not ready hangs up.
      else resolve({ code: EXIT_FAILED, message: `The control socket ${socketPath} cannot be used: ${error.message}`, starting: error.code === 'ECONNRESET' })
    })
    req.end()
  })
}
