import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LeanAnswer {
  result?: { content?: { type: string; text?: string }[]; isError?: boolean }
  error?: { code: number; message: string; data?: { code?: string; retry?: string } }
}

export interface LeanClient {
  call(name: string, args: Record<string, unknown>, meta?: Record<string, unknown>): Promise<LeanAnswer>
  ask(method: string, params: object): Promise<LeanAnswer>
  /** Sends a request and cancels it after `ms`, as a client does that lost interest. */
  abandon(method: string, params: object, ms: number): Promise<void>
  /** Ends the session at the server too. */
  end(): Promise<void>
  close(): void
}

/** One MCP session over keep-alive connections without an SDK: what comes back is what was sent. */
export async function leanClient(url: string, connections = 16): Promise<LeanClient> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  let lastId = 0

  function post(message: object): Promise<{ status: number; type: string; session: string | undefined; body: string }> {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify({ jsonrpc: '2.0', ...message })
      const req = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': Buffer.byteLength(text) } }, (res) => {
        let body = ''
        res.setEncoding('utf8')
        res.on('data', (chunk: string) => (body += chunk))
        res.on('error', reject)
        res.on('end', () => resolve({ status: res.statusCode ?? 0, type: res.headers['content-type'] ?? '', session: res.headers['mcp-session-id'] as string | undefined, body }))
      })
      req.on('error', reject)
      req.end(text)
    })
  }
  async function ask(method: string, params: object): Promise<LeanAnswer> {
    const id = ++lastId
    const { status, type, body } = await post({ id, method, params })
    const messages = type.includes('event-stream') ? body.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5)] : [])) : [body]
    for (const text of messages) {
      if (text.trim() === '') continue
      const message = JSON.parse(text) as LeanAnswer & { id?: number }
      if (message.id === id) return message
    }
    throw new Error(`request ${id} got HTTP ${status} and no answer: ${body.slice(0, 300)}`)
  }

  const protocolVersion = '2025-06-18'
  const hello = await post({ id: ++lastId, method: 'initialize', params: { protocolVersion, capabilities: {}, clientInfo: { name: 'lean', version: '1.0.0' } } })
  if (hello.session === undefined) throw new Error(`no session: HTTP ${hello.status} ${hello.body.slice(0, 300)}`)
  headers['mcp-session-id'] = hello.session
  headers['mcp-protocol-version'] = protocolVersion
  await post({ method: 'notifications/initialized' })
  return {
    call: (name, args, meta) => ask('tools/call', { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) }),
    ask,
    async abandon(method, params, ms) {
      const id = ++lastId
      const cancel = sleep(ms).then(() => post({ method: 'notifications/cancelled', params: { requestId: id, reason: 'abandoned' } }))
      await Promise.all([post({ id, method, params }), cancel])
    },
    async end() {
      await fetch(url, { method: 'DELETE', headers })
      agent.destroy()
    },
    close: () => agent.destroy()
  }
}
