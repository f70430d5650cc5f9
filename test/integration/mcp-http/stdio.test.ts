import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { runMcpBridge } from '../../../src/cli/mcp-bridge.ts'
import { INITIALIZE, setup, until } from './setup.ts'

const line = (message: object) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`
const call = (id: number, name: string, params: object = {}) => line({ id, method: 'tools/call', params: { name, arguments: { text: 't' }, ...params } })

/** The bridge with pipes in place of a terminal. */
function bridge(socketPath: string, server?: string, patience?: number) {
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  let out = ''
  let err = ''
  stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const code = runMcpBridge({ socketPath, stderr, ...(server === undefined ? {} : { server }), ...(patience === undefined ? {} : { patience }) }, stdin, stdout)
  const messages = () => out.split('\n').filter(Boolean).map((text) => JSON.parse(text))
  return { stdin, stdout, code, messages, err: () => err }
}

test('a session over the control socket, from the first line to the end', async () => {
  const { socketPath, mcpHttp, backend } = await setup()
  const client = bridge(socketPath)
  client.stdin.write(`${JSON.stringify(INITIALIZE)}\n${line({ method: 'notifications/initialized' })}`)
  await until(() => client.messages().length === 1)
  expect(client.messages()[0]).toMatchObject({ id: 0, result: { serverInfo: { name: 'skein' } } })
  expect(mcpHttp.sessions()).toBe(1)
  backend.setTools(['a__echo'])
  await until(() => client.messages().length === 2)
  expect(client.messages()[1]).toEqual({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
  client.stdin.end()
  expect(await client.code).toBe(0)
  await until(() => mcpHttp.sessions() === 0)
  expect(backend.ended).toHaveLength(1)
})

test('progress is all on the wire, before its answer; what ran when stdin ended is still answered', async () => {
  const { socketPath } = await setup()
  const client = bridge(socketPath)
  client.stdin.end(`${JSON.stringify(INITIALIZE)}\n${call(1, 'a__progress', { _meta: { progressToken: 9 } })}`)
  expect(await client.code).toBe(0)
  expect(client.messages().slice(1).map((message) => message.params?.progress ?? message.id)).toEqual([1, 2, 3, 1])
})

test('sampling and cancellation work both ways', async () => {
  const { socketPath, backend } = await setup()
  const client = bridge(socketPath)
  client.stdin.write(`${JSON.stringify(INITIALIZE)}\n${call(1, 'a__ask')}`)
  await until(() => client.messages().length === 2)
  client.stdin.write(line({ id: client.messages()[1].id, result: { role: 'assistant' } }))
  await until(() => client.messages().length === 3)
  expect(client.messages()[2].result.content[0].text).toBe('{"role":"assistant"}')
  client.stdin.write(call(2, 'a__wait') + line({ method: 'notifications/cancelled', params: { requestId: 2, reason: 'r' } }) + line({ id: 3, method: 'ping' }))
  await until(() => client.messages().length === 4)
  expect(client.messages()[3]).toEqual({ jsonrpc: '2.0', id: 3, result: {} })
  expect(backend.calls[2]?.cancelled).toBe('r')
  client.stdin.end()
  expect(await client.code).toBe(0)
})

test('one server with bare names; a server nobody offers is a sentence and code 1', async () => {
  const { socketPath } = await setup()
  const one = bridge(socketPath, 'files')
  one.stdin.end(`${JSON.stringify(INITIALIZE)}\n${line({ id: 1, method: 'tools/list' })}`)
  expect(await one.code).toBe(0)
  expect(one.messages()[1].result.tools.map((tool: { name: string }) => tool.name)).toEqual(['echo'])
  const none = bridge(socketPath, 'no such')
  expect(await none.code).toBe(1)
  expect(none.err()).toContain('No node offers a server named "no such"')
  expect(none.messages()).toEqual([])
})

test('no node: a sentence on stderr and code 3', async () => {
  const client = bridge('/tmp/skein-there-is-no-such-socket')
  expect(await client.code).toBe(3)
  expect(client.err()).toMatch(/^skein: No node is running here: .*skein start.*\n$/)
  expect(client.messages()).toEqual([])
})

test('the node goes and does not come back: code 1 and a sentence, stdin still open', async () => {
  const { socketPath, mcpHttp, closeControl } = await setup()
  const client = bridge(socketPath, undefined, 250)
  client.stdin.write(`${JSON.stringify(INITIALIZE)}\n`)
  await until(() => client.messages().length === 1)
  const closing = closeControl()
  mcpHttp.close()
  await closing
  expect(await client.code).toBe(1)
  expect(client.err()).toContain('the node ended the session')
  expect(client.err()).toContain('did not come back')
})

test('bad lines get errors and do not end the session; one too long does, and the client gets another', async () => {
  const { socketPath, mcpHttp } = await setup({ maxBody: 2_000 })
  const client = bridge(socketPath)
  client.stdin.write(`${JSON.stringify(INITIALIZE)}\nnot json\n\n[]\n{"jsonrpc":"2.0","id":1,"method":"ping"}\r\n`)
  await until(() => client.messages().length === 4)
  expect(client.messages().slice(1).map((message) => message.error?.code ?? message.id)).toEqual([-32700, -32600, 1])
  client.stdin.write(`${'x'.repeat(3_000)}\n`)
  await until(() => client.messages().length === 5)
  expect(client.messages()[4].error.message).toContain('2000 bytes')
  client.stdin.write(line({ id: 2, method: 'ping' }))
  await until(() => client.messages().at(-1).id === 2)
  expect(mcpHttp.sessions()).toBe(1)
  client.stdin.end()
  expect(await client.code).toBe(0)
})

test('multi-byte characters survive any cut', async () => {
  const { connect, backend } = await setup()
  const socket = connect()
  let out = ''
  socket.on('data', (chunk: Buffer) => (out += chunk.toString()))
  socket.write('GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: skein-mcp\r\n\r\n')
  await until(() => out.includes('101'))
  const bytes = Buffer.from(`${JSON.stringify(INITIALIZE)}\n${call(1, 'a__echo', { arguments: { text: 'é🙂' } })}`)
  for (const byte of bytes) {
    socket.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => backend.calls.length === 1)
  expect(backend.calls[0]?.request.params['arguments']).toEqual({ text: 'é🙂' })
  socket.destroy()
})

test('a client that does not read is closed', async () => {
  const { connect, backend, meter, mcpHttp } = await setup()
  const socket = connect()
  socket.pause()
  socket.on('error', () => {})
  socket.write(`GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: skein-mcp\r\n\r\n${JSON.stringify(INITIALIZE)}\n${call(1, 'a__hold')}`)
  await until(() => backend.calls.length === 1)
  const text = 'x'.repeat(256 * 1024)
  for (let sent = 0; sent < 100; sent++) backend.calls[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/message', params: { data: text } })
  await until(() => mcpHttp.sessions() === 0)
  expect(backend.calls[0]?.cancelled).toBe('it did not read')
  expect(meter.snapshot().find((family) => family.name === 'skein_mcp_slow_clients_total')?.samples[0]?.value).toBe(1)
  socket.destroy()
})

test.each([
  ['/mcp', 'websocket', 400],
  ['/other', 'skein-mcp', 404],
  ['/mcp/%E0%A4%A', 'skein-mcp', 400],
  ['/mcp/a/b', 'skein-mcp', 404]
])('an upgrade of %s to %s is %i', async (path, upgrade, status) => {
  const { socketPath } = await setup()
  const req = request({ socketPath, path, headers: { connection: 'Upgrade', upgrade } })
  req.end()
  const [response] = await once(req, 'response')
  expect(response.statusCode).toBe(status)
  response.resume()
})

test('an upgrade of a node that is stopping is refused, so that the client waits for the next one', async () => {
  const { socketPath, mcpHttp } = await setup()
  mcpHttp.close()
  const req = request({ socketPath, path: '/mcp', headers: { connection: 'Upgrade', upgrade: 'skein-mcp' } })
  req.end()
  const [response] = await once(req, 'response')
  expect(response.statusCode).toBe(503)
  response.resume()
})

test('something else on the socket: a sentence and code 1', async () => {
  const { socketPath } = await setup()
  const other = createServer((_req, res) => res.writeHead(500).end('oops'))
  await new Promise<void>((resolve) => other.listen(`${socketPath}.other`, resolve))
  const client = bridge(`${socketPath}.other`)
  expect(await client.code).toBe(1)
  expect(client.err()).toContain('HTTP 500')
  other.closeAllConnections()
  await new Promise((resolve) => other.close(resolve))
})
