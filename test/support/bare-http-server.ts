import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface BareHttpServer {
  url: string
  /** Live sessions. */
  sessions: Set<string>
  /** Headers of every POST. */
  seen: Record<string, unknown>[]
  /** Tools called, in order. */
  calls: string[]
  /** Forgets all sessions, as a restarted server does. */
  forget(): void
  /** Stops listening and cuts every connection. */
  kill(): Promise<void>
}

/** A streamable HTTP MCP server by hand, with sessions; tools: echo, slow (progress over SSE), hang, cut (ends without an answer), fail (502). */
export async function startBareHttpServer(options: { authorization?: string } = {}): Promise<BareHttpServer> {
  const sessions = new Set<string>()
  const seen: Record<string, unknown>[] = []
  const calls: string[] = []
  type Message = { id?: number | string; method?: string; params?: { protocolVersion?: string; name?: string; arguments?: Record<string, unknown>; _meta?: { progressToken?: number } } }

  const json = (res: ServerResponse, body: unknown, headers: Record<string, string> = {}) => {
    res.writeHead(200, { 'content-type': 'application/json', ...headers })
    res.end(JSON.stringify(body))
  }
  async function call(res: ServerResponse, message: Message): Promise<void> {
    const name = String(message.params?.name)
    calls.push(name)
    const answer = { jsonrpc: '2.0', id: message.id, result: { content: [{ type: 'text', text: String(message.params?.arguments?.text ?? name) }] } }
    if (name === 'fail') return void res.writeHead(502).end('bad gateway')
    if (name === 'echo') return json(res, answer)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.flushHeaders()
    if (name === 'hang') return
    if (name === 'cut') return void res.end()
    const steps = Number(message.params?.arguments?.steps ?? 3)
    const progressToken = message.params?._meta?.progressToken
    for (let progress = 1; progress <= steps; progress += 1) {
      res.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress } })}\n\n`)
    }
    await sleep(5)
    res.end(`data: ${JSON.stringify(answer)}\n\n`)
  }

  const server = createServer((req, res) => {
    const session = String(req.headers['mcp-session-id'])
    if (options.authorization !== undefined && req.headers.authorization !== options.authorization) return void res.writeHead(401).end()
    if (req.method === 'DELETE') return void res.writeHead(sessions.delete(session) ? 200 : 404).end()
    if (req.method !== 'POST') return void res.writeHead(405).end()
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      const message = JSON.parse(body) as Message
      seen.push({ ...req.headers })
      if (message.method === 'initialize') {
        const id = randomUUID()
        sessions.add(id)
        const result = { protocolVersion: message.params?.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'bare-http', version: '1' } }
        return json(res, { jsonrpc: '2.0', id: message.id, result }, { 'mcp-session-id': id })
      }
      if (!sessions.has(session)) return void res.writeHead(404).end()
      if (message.id === undefined || message.method === undefined) return void res.writeHead(202).end()
      if (message.method === 'tools/call') return void call(res, message)
      const tools = ['echo', 'slow', 'hang', 'cut', 'fail'].map((name) => ({ name, inputSchema: { type: 'object' } }))
      return json(res, { jsonrpc: '2.0', id: message.id, result: message.method === 'tools/list' ? { tools } : {} })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    sessions,
    seen,
    calls,
    forget: () => sessions.clear(),
    async kill() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    }
  }
}
