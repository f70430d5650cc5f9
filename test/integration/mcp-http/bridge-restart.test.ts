import { createServer } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { runMcpBridge } from '../../../src/cli/mcp-bridge.ts'
import { createMcpHttp } from '../../../src/http/mcp/create-mcp-http.ts'
import { acceptMcpUpgrade } from '../../../src/http/mcp/upgrade.ts'
import { createDownstream } from '../../../src/mcp/downstream/create-downstream.ts'
import { createFakeBackend } from '../../support/fake-mcp-backend.ts'
import { until } from './setup.ts'

const line = (message: object) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`
const call = (id: number, name: string) => line({ id, method: 'tools/call', params: { name } })
const INITIALIZE = line({ id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', clientInfo: { name: 'c', version: '1' }, capabilities: { roots: {} } } })
const INITIALIZED = line({ method: 'notifications/initialized' })

/** A node's control socket at `socketPath`; calls wait for the test. */
async function startNode(socketPath: string, tools: string[]) {
  const backend = createFakeBackend()
  backend.setTools(tools)
  const deps = { clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger }
  const downstream = createDownstream({ ...deps, backend, edge: 'peerA' }, { version: '1.2.3' })
  const mcpHttp = createMcpHttp({ ...deps, downstream })
  const control = createServer()
  control.on('upgrade', (req, socket, head) => acceptMcpUpgrade(req, socket, head, mcpHttp))
  await new Promise<void>((resolve) => control.listen(socketPath, resolve))
  let stopped: Promise<unknown> | undefined
  const stop = () =>
    (stopped ??= new Promise((resolve) => {
      control.close(resolve)
      mcpHttp.close()
    }))
  onTestFinished(async () => void (await stop()))
  return { backend, mcpHttp, stop }
}

async function setup(tools = ['a__x']) {
  const directory = await mkdtemp(join(tmpdir(), 'skein-bridge-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const socketPath = join(directory, 's.sock')
  const node = await startNode(socketPath, tools)
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  let out = ''
  let err = ''
  stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const code = runMcpBridge({ socketPath, stderr, patience: 10_000 }, stdin, stdout)
  onTestFinished(() => void stdin.destroy())
  const messages = () => out.split('\n').filter(Boolean).map((text) => JSON.parse(text))
  const about = (id: unknown) => messages().filter((message) => message.id === id)
  return { node, stdin, code, messages, about, err: () => err, restart: (tools: string[]) => startNode(socketPath, tools) }
}

test('a session outlives its node: what ran is unknown, lists are asked again, news is told, the next call works', async () => {
  const { node, stdin, code, messages, about, err, restart } = await setup()
  stdin.write(INITIALIZE + INITIALIZED)
  await until(() => about(0).length === 1)
  stdin.write(call(1, 'a__x'))
  await until(() => node.backend.calls.length === 1)
  await node.stop()
  await until(() => about(1).length === 1)
  expect(about(1)[0].error).toMatchObject({ code: -32000, data: { code: 'SKEIN_OUTCOME_UNKNOWN' } })
  expect(err()).toContain('waiting for it to come back')
  // Said while nobody is there.
  stdin.write(line({ id: 2, method: 'tools/list' }))
  const second = await restart(['a__x', 'a__y'])
  await until(() => about(2).length === 1)
  expect(about(2)[0].result.tools.map((tool: { name: string }) => tool.name)).toEqual(['a__x', 'a__y'])
  expect(messages().filter(({ method }) => method === 'notifications/tools/list_changed').length).toBeGreaterThanOrEqual(1)
  stdin.write(call(3, 'a__y'))
  await until(() => second.backend.calls.length === 1)
  expect(second.backend.calls[0]!.request.client).toMatchObject({ clientInfo: { name: 'c' }, capabilities: { roots: {} } })
  second.backend.calls[0]!.answer({ result: { content: [] } })
  await until(() => about(3).length === 1)
  // Nothing that the bridge asked for itself.
  expect(messages().filter(({ id }) => id !== undefined).map(({ id }) => id)).toEqual([0, 1, 2, 3])
  stdin.end()
  expect(await code).toBe(0)
  await until(() => second.mcpHttp.sessions() === 0)
})

test('a stateless client that ends while it listens has ended: nothing is opened again', async () => {
  const { node, stdin, code, messages, err } = await setup()
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
  stdin.write(line({ id: 'l', method: 'subscriptions/listen', params: { _meta, notifications: { toolsListChanged: true } } }))
  await until(() => messages().some(({ method }) => method === 'notifications/subscriptions/acknowledged'))
  stdin.end()
  expect(await code).toBe(0)
  expect(err()).toBe('')
  await until(() => node.mcpHttp.sessions() === 0)
})

test('again and again', async () => {
  const { node, stdin, about, restart } = await setup()
  stdin.write(INITIALIZE + INITIALIZED)
  await until(() => about(0).length === 1)
  let running: { stop(): Promise<unknown> } = node
  for (let round = 1; round <= 3; round++) {
    await running.stop()
    stdin.write(line({ id: round, method: 'ping' }))
    running = await restart(['a__x'])
    await until(() => about(round).length === 1)
  }
})

test('a question of the first node that is answered late does not reach the second', async () => {
  const { node, stdin, messages, about, restart } = await setup()
  const asks = { result: { resultType: 'input_required', inputRequests: { q: { method: 'roots/list', params: {} } }, requestState: 's' } }
  const questions = () => messages().filter(({ method }) => method === 'roots/list')
  stdin.write(INITIALIZE + INITIALIZED + call(1, 'a__x'))
  await until(() => node.backend.calls.length === 1)
  node.backend.calls[0]!.answer(asks)
  await until(() => questions().length === 1)
  await node.stop()
  await until(() => about(1).length === 1)
  const second = await restart(['a__x'])
  stdin.write(call(2, 'a__x'))
  await until(() => second.backend.calls.length === 1)
  second.backend.calls[0]!.answer(asks)
  await until(() => questions().length === 2)
  const [first, again] = questions()
  expect(again.id).not.toBe(first.id)
  stdin.write(line({ id: first.id, result: { roots: [{ uri: 'file:///old' }] } }) + line({ id: again.id, result: { roots: [{ uri: 'file:///new' }] } }))
  await until(() => second.backend.calls.length === 2)
  expect(second.backend.calls[1]!.request.params['inputResponses']).toEqual({ q: { roots: [{ uri: 'file:///new' }] } })
  second.backend.calls[1]!.answer({ result: {} })
  await until(() => about(2).length === 1)
})

test('a client of the stateless era has its subscription again', async () => {
  const { node, stdin, messages, about, restart } = await setup()
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
  const changes = () => messages().filter(({ method }) => method === 'notifications/tools/list_changed')
  stdin.write(line({ id: 'l', method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta } }))
  await until(() => messages().length === 1)
  expect(messages()[0]).toMatchObject({ method: 'notifications/subscriptions/acknowledged' })
  await node.stop()
  const second = await restart(['a__x'])
  await until(() => changes().length === 1)
  expect(changes()[0].params._meta).toEqual({ 'io.modelcontextprotocol/subscriptionId': 'l' })
  second.backend.setTools(['a__x', 'a__z'])
  await until(() => changes().length === 2)
  stdin.write(line({ id: 1, method: 'tools/list', params: { _meta } }))
  await until(() => about(1).length === 1)
  expect(about(1)[0].result.tools).toHaveLength(2)
  expect(messages().filter(({ method }) => method === 'notifications/subscriptions/acknowledged')).toHaveLength(1)
})

test('a node that is still starting is waited for', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-bridge-'))
  const socketPath = join(directory, 's.sock')
  const control = createServer()
  let attempts = 0
  control.on('upgrade', (_req, socket) => {
    attempts++
    socket.destroy()
  })
  await new Promise<void>((resolve) => control.listen(socketPath, resolve))
  onTestFinished(async () => {
    await new Promise((resolve) => control.close(resolve))
    await rm(directory, { recursive: true, force: true })
  })
  const stderr = new PassThrough()
  const code = runMcpBridge({ socketPath, stderr, patience: 300 }, new PassThrough(), new PassThrough())
  expect(await code).toBe(1)
  expect(attempts).toBeGreaterThan(2)
  expect(String(stderr.read())).toContain('cannot be used')
})

test('a client that ends while the node is away: code 0, at once', async () => {
  const { node, stdin, code, about } = await setup()
  stdin.write(INITIALIZE)
  await until(() => about(0).length === 1)
  await node.stop()
  stdin.end()
  expect(await code).toBe(0)
})

test('what was asked before the client ended its side is still answered by the next node', async () => {
  const { node, stdin, code, about, restart } = await setup()
  stdin.write(INITIALIZE)
  await until(() => about(0).length === 1)
  await node.stop()
  stdin.end(line({ id: 1, method: 'tools/list' }))
  await restart(['a__x'])
  expect(await code).toBe(0)
  expect(about(1)).toHaveLength(1)
})
