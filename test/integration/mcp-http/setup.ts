import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { createMcpHttp } from '../../../src/http/mcp/create-mcp-http.ts'
import type { McpHttpOptions } from '../../../src/http/mcp/ports.ts'
import { acceptMcpUpgrade } from '../../../src/http/mcp/upgrade.ts'
import { viewOf } from '../../../src/http/server.ts'
import { createDownstream } from '../../../src/mcp/downstream/create-downstream.ts'
import { createFakeBackend, toolNamed, type FakeCall } from '../../support/fake-mcp-backend.ts'

/** Behaves by the tool's name: echo, progress (three, then the answer), ask (samples), wait (until cancelled), hold (until the test answers). */
function behave(call: FakeCall): void {
  const { name, arguments: args } = call.request.params as { name?: string; arguments?: { text?: string } }
  const text = (value: string) => call.answer({ result: { content: [{ type: 'text', text: value }] } })
  const token = (call.request.params['_meta'] as { progressToken?: unknown } | undefined)?.progressToken
  if (call.request.method === 'resources/list') call.answer({ result: { resources: [{ uri: 'a://b', name: 'b' }], ttlMs: 0, cacheScope: 'private' } })
  else if (name === 'a__echo' || name === 'echo') text(String(args?.text))
  else if (name === 'a__progress') {
    for (const progress of [1, 2, 3]) call.sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress, total: 3 } })
    setTimeout(() => text('done'), 5)
  } else if (name === 'a__ask') {
    const answers = call.request.params['inputResponses'] as { question: unknown } | undefined
    const question = { method: 'sampling/createMessage', params: { messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }], maxTokens: 5 } }
    if (answers === undefined) call.answer({ result: { resultType: 'input_required', inputRequests: { question }, requestState: 's' } })
    else text(JSON.stringify(answers.question))
  } else if (name === 'a__wait' || name === 'a__hold') return
  else call.fail(new SkeinError('SKEIN_NOT_FOUND', `There is no tool ${name}.`))
}

const close = (server: Server) => {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
}

/** The edge on a real server at 127.0.0.1 and on a unix socket, over a fake backend. */
export async function setup(options: McpHttpOptions & { clock?: Clock } = {}) {
  const { clock = systemClock, ...httpOptions } = options
  const backend = createFakeBackend(behave)
  const tools = ['a__echo', 'a__progress', 'a__ask', 'a__wait', 'a__hold']
  backend.setTools(tools)
  backend.setView('files', { tools: [toolNamed('echo')], capabilities: { tools: {}, resources: {} } })
  const meter = createMeter()
  const deps = { clock, random: systemRandom, meter, logger: silentLogger }
  const downstream = createDownstream({ ...deps, backend, edge: 'peerA' }, { version: '1.2.3' })
  const mcpHttp = createMcpHttp({ ...deps, downstream }, httpOptions)
  const route = (server: Server) =>
    server.on('request', (req, res) => {
      mcpHttp.handle(req, res, viewOf(req.url ?? '/') ?? undefined)
    })
  const server = route(createServer())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = (server.address() as AddressInfo).port
  const directory = await mkdtemp(join(tmpdir(), 'skein-mcp-'))
  const socketPath = join(directory, 's.sock')
  const control = createServer()
  control.on('upgrade', (req, socket, head) => acceptMcpUpgrade(req, socket, head, mcpHttp))
  await new Promise<void>((resolve) => control.listen(socketPath, resolve))
  const closeControl = () => (control.listening ? close(control) : Promise.resolve())
  onTestFinished(async () => {
    mcpHttp.close()
    await Promise.all([close(server), closeControl()])
    await rm(directory, { recursive: true, force: true })
  })
  return { backend, meter, mcpHttp, port, tools, url: new URL(`http://127.0.0.1:${port}/mcp`), socketPath, closeControl, connect: () => connect(socketPath) }
}

export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', clientInfo: { name: 'raw', version: '1' }, capabilities: { sampling: {} } }
}

/** POSTs `body` as a well-behaved client would; `headers` override. */
export function post(url: URL, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers }
  })
}

/** A raw session: its header. */
export async function open(url: URL): Promise<Record<string, string>> {
  const response = await post(url, INITIALIZE)
  await response.text()
  return { 'mcp-session-id': String(response.headers.get('mcp-session-id')) }
}

export async function until(condition: () => boolean, within = 5_000): Promise<void> {
  const end = Date.now() + within
  while (!condition()) {
    if (Date.now() > end) throw new Error('the condition did not come true')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
