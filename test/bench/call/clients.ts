import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { leanConnection } from './lean-http.ts'

/** One MCP client: `call` does one echo; as many at once as it was opened for. */
export interface EchoClient {
  /** `lane`: 0 to width - 1, one call at a time each. Throws when the echo is not what was sent. */
  call(lane: number): Promise<void>
  close(): Promise<void>
}

/** 32 bytes, as an id or a short question. */
const TEXT = 'abcdefghijklmnopqrstuvwxyz012345'
const REVISION = '2025-06-18'
const HELLO = { protocolVersion: REVISION, capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } }

function check(body: string, id: number): void {
  if (!body.includes(TEXT) || !body.includes(`"id":${id}`)) throw new Error(`not the echo that was asked for: ${body.slice(0, 300)}`)
}

const request = (id: number, method: string, params: object) => JSON.stringify({ jsonrpc: '2.0', id, method, params })
const echo = (id: number, tool: string) => request(id, 'tools/call', { name: tool, arguments: { text: TEXT } })

/** Keep-alive connections, one for each call in flight, one session. */
export async function leanHttp(url: string, tool: string, width: number): Promise<EchoClient> {
  let headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  let session: string | undefined
  const open = () => leanConnection(new URL(url), () => headers, (id) => (session ??= id))
  const first = await open()
  await first.post(request(0, 'initialize', HELLO))
  headers = { ...headers, 'mcp-protocol-version': REVISION, ...(session === undefined ? {} : { 'mcp-session-id': session }) }
  await first.post(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
  const lanes = [first, ...(await Promise.all(Array.from({ length: width - 1 }, open)))]
  let lastId = 0
  return {
    async call(lane) {
      const id = ++lastId
      check(await (lanes[lane] as (typeof lanes)[number]).post(echo(id, tool)), id)
    },
    async close() {
      await fetch(url, { method: 'DELETE', headers }).catch(() => {})
      for (const lane of lanes) lane.close()
    }
  }
}

/** The server's own stdin and stdout: what a call costs with nothing in between. */
export async function leanStdio(command: readonly string[], tool: string): Promise<EchoClient> {
  const [program, ...args] = command as [string, ...string[]]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const waiting = new Map<number, (line: string) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const id = (JSON.parse(line) as { id?: number }).id
    if (id === undefined) return
    waiting.get(id)?.(line)
    waiting.delete(id)
  })
  const ask = (id: number, text: string) =>
    new Promise<string>((resolve) => {
      waiting.set(id, resolve)
      child.stdin.write(`${text}\n`)
    })
  await ask(0, request(0, 'initialize', HELLO))
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`)
  let lastId = 0
  return {
    async call() {
      const id = ++lastId
      check(await ask(id, echo(id, tool)), id)
    },
    async close() {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    }
  }
}

export const sdkHttp = (url: string, tool: string): Promise<EchoClient> => sdk(new StreamableHTTPClientTransport(new URL(url)), tool)
export const sdkStdio = ([command, ...args]: readonly string[], tool: string): Promise<EchoClient> =>
  sdk(new StdioClientTransport({ command: command as string, args, stderr: 'ignore' }), tool)

async function sdk(transport: StdioClientTransport | StreamableHTTPClientTransport, tool: string): Promise<EchoClient> {
  const client = new Client({ name: 'bench', version: '1.0.0' })
  // Its optional session id does not fit its own interface under exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client['connect']>[0])
  return {
    async call() {
      const answer = await client.callTool({ name: tool, arguments: { text: TEXT } })
      if (!JSON.stringify(answer.content).includes(TEXT)) throw new Error('not the echo that was asked for')
    },
    close: () => client.close()
  }
}

/** Idle as SDK clients are: initialized, with the stream for messages of the server open. */
export async function idleSession(url: string): Promise<{ close(): Promise<void> }> {
  const client = await sdkHttp(url, 'echo')
  return { close: () => client.close() }
}
