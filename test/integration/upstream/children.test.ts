import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { McpRequest } from '../../../src/mcp/ports.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import { createUpstreamHost, type UpstreamHost } from '../../../src/mcp/upstream/host.ts'
import type { ServerSpec } from '../../../src/mcp/upstream/spec.ts'
import type { UpstreamStatus } from '../../../src/mcp/upstream/supervisor.ts'
import { readOutcome } from '../../../src/wire/json-rpc.ts'
import { startBareHttpServer } from '../../support/bare-http-server.ts'
import { testGuards } from '../../support/guards.ts'
import { codeOf, mcpRequest, recordingSink, serverSpec, toolCall, type CallOptions, type RecordingSink } from '../../support/mcp-calls.ts'
import { waitUntil } from '../../support/wait-until.ts'

const fixture = (name: string, env: Record<string, string> = {}) => serverSpec({ kind: 'stdio', command: process.execPath, args: [new URL(`../../fixtures/${name}.ts`, import.meta.url).pathname], env })
const official = (name: string, ...args: string[]) =>
  serverSpec({ kind: 'stdio', command: process.execPath, args: [new URL(`../../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url).pathname, ...args], env: {} })

const hosts: UpstreamHost[] = []
const scratch = mkdtempSync(join(tmpdir(), 'skein-upstream-'))
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop({ grace: 300 })))
})
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

async function attach(servers: Record<string, ServerSpec>) {
  const connector = createUpstreamConnector({ clock: systemClock, logger: silentLogger })
  const host = createUpstreamHost({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, guards: testGuards(systemClock), connect: connector.connect }, { version: '0.1.0' })
  hosts.push(host)
  await host.apply(servers, { wait: 20_000 })
  const status = (name: string) => host.list().find((entry) => entry.name === name)
  const pid = (name: string) => status(name)?.pids[0] as number
  /** The text of a result; what the server asks meanwhile is answered with the method's name. */
  const text = async (request: McpRequest, sink: RecordingSink = recordingSink()): Promise<string> => {
    const outcome = readOutcome(await host.run(request, sink).outcome)
    if ('error' in outcome) throw new Error(outcome.error.message)
    const { resultType, inputRequests, requestState, content } = outcome.result
    if (resultType !== 'input_required') return (content as { text: string }[])[0]?.text as string
    const inputResponses = Object.fromEntries(Object.entries(inputRequests as Record<string, { method: string }>).map(([key, { method }]) => [key, { answered: method }]))
    return text({ ...request, params: { ...request.params, inputResponses, requestState } }, sink)
  }
  return { host, connector, status, pid, text }
}

function listen(host: UpstreamHost, server: string, client: CallOptions, uris: string[] = []) {
  const sink = recordingSink()
  const running = host.run(mcpRequest(server, 'subscriptions/listen', { notifications: { resourceSubscriptions: uris } }, client), sink)
  return { ...running, heard: sink.notifications }
}

/** Alive and not a zombie. */
function alive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z')
}

describe('life and death of children', () => {
  test('killed with -9 it serves again within a second; running calls have an unknown outcome, waiting ones run', async () => {
    const { host, pid, text, status } = await attach({ echo: fixture('echo-server') })
    const before = pid('echo')
    const running = codeOf(host.run(toolCall('echo', 'slow', { args: { steps: 1, ms: 5_000 } }), recordingSink()).outcome)
    expect(await text(toolCall('echo', 'echo', { args: { text: 'up' } }))).toBe('up')
    process.kill(before, 'SIGKILL')
    const killed = performance.now()
    expect(await running).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(await text(toolCall('echo', 'echo', { args: { text: 'again' } }))).toBe('again')
    expect(performance.now() - killed).toBeLessThan(1_000)
    expect(pid('echo')).not.toBe(before)
    expect(status('echo')).toMatchObject({ state: 'ready', restarts: 1 })
  })

  test('nothing runs twice and nothing is lost while the server is killed again and again', async () => {
    const file = join(scratch, 'calls.log')
    const { host, pid, status } = await attach({ log: fixture('log-server', { SKEIN_LOG: file }) })
    const ends = new Map<string, string>()
    let next = 0
    const worker = async () => {
      while (next < 300) {
        const id = `c${next++}`
        ends.set(id, await codeOf(host.run(toolCall('log', 'append', { args: { id } }), recordingSink()).outcome))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    const workers = [1, 2, 3, 4].map(() => worker())
    for (const at of [80, 200]) {
      await waitUntil(`${at} calls were made`, () => next >= at && status('log')?.state === 'ready')
      process.kill(pid('log'), 'SIGKILL')
    }
    await Promise.all(workers)
    const lines = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.split(' ')[1] as string)
    expect(new Set(lines).size).toBe(lines.length)
    const logged = new Set(lines)
    for (const [id, end] of ends) {
      if (end === 'resolved') expect(logged.has(id), id).toBe(true)
      else if (end !== 'SKEIN_OUTCOME_UNKNOWN') expect([end, logged.has(id)]).toEqual(['SKEIN_UPSTREAM_DOWN', false])
    }
    expect([...ends.values()].filter((end) => end === 'resolved').length).toBeGreaterThan(280)
    expect(status('log')?.restarts).toBe(2)
  })

  test('a grandchild that ignores SIGTERM goes with its group: when the child is killed, and on stop', async () => {
    const { host, pid, text } = await attach({ echo: fixture('echo-server') })
    const first = Number(await text(toolCall('echo', 'grandchild')))
    expect(alive(first)).toBe(true)
    process.kill(pid('echo'), 'SIGKILL')
    await waitUntil('the first grandchild is gone', () => !alive(first), { timeout: 2_000 })
    const second = Number(await text(toolCall('echo', 'grandchild')))
    const child = pid('echo')
    expect(alive(second)).toBe(true)
    const from = performance.now()
    await host.stop()
    await waitUntil('all are gone', () => !alive(second) && !alive(child), { timeout: 2_000 })
    expect(performance.now() - from).toBeLessThan(2_000)
  })

  test('the last resort kills every group synchronously', async () => {
    const { connector, pid, text, host } = await attach({ echo: fixture('echo-server') })
    const grandchild = Number(await text(toolCall('echo', 'grandchild')))
    const child = pid('echo')
    const stopping = host.stop()
    connector.killAllGroups()
    await waitUntil('both are gone', () => !alive(child) && !alive(grandchild), { timeout: 1_000 })
    await stopping
  })

  test('one broken server disturbs nobody; its error says what to do', async () => {
    const { status, text } = await attach({ none: serverSpec({ kind: 'stdio', command: 'no-such-mcp-server' }), nowhere: { ...fixture('echo-server'), cwd: '/no/such/dir' } as ServerSpec, log: fixture('log-server'), echo: fixture('echo-server') })
    expect(status('none')).toMatchObject({ state: 'failed', error: "mcp.servers.none.command: 'no-such-mcp-server' was not found in PATH. Install it or correct the name." })
    expect(status('nowhere')).toMatchObject({ state: 'failed', error: 'mcp.servers.nowhere.cwd: /no/such/dir is not a directory' })
    expect(status('log')?.state).toBe('backoff')
    expect(status('log')?.error).toContain('set SKEIN_LOG')
    expect(await text(toolCall('echo', 'echo', { args: { text: 'fine' } }))).toBe('fine')
  })
})

describe('what servers do', () => {
  test('a burst of progress arrives whole and in order; cancellation reaches the server', async () => {
    const events = join(scratch, 'events.log')
    const { host, text } = await attach({ echo: fixture('echo-server', { SKEIN_EVENTS: events }) })
    const sink = recordingSink()
    expect(await text(toolCall('echo', 'slow', { args: { steps: 200, burst: true }, token: 'mine' }), sink)).toBe('done 200')
    expect(sink.notifications.map((message) => message.params?.progress)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    expect(new Set(sink.notifications.map((message) => message.params?.progressToken))).toEqual(new Set(['mine']))
    const call = host.run(toolCall('echo', 'slow', { args: { steps: 1, ms: 20_000, id: 'x1' } }), recordingSink())
    setTimeout(() => call.cancel('a test'), 50)
    expect(await codeOf(call.outcome)).toBe('SKEIN_CANCELLED')
    await waitUntil('the server noted it', () => existsSync(events) && readFileSync(events, 'utf8') === 'cancelled x1\n')
  })

  test('a large result passes, a line over the limit ends that child only', async () => {
    const { host, text, status } = await attach({ echo: fixture('echo-server'), other: fixture('echo-server') })
    expect(await text(toolCall('echo', 'big', { args: { bytes: 8_000_000 } }))).toHaveLength(8_000_000)
    const over = host.run(toolCall('echo', 'big', { args: { bytes: 17_000_000 } }), recordingSink())
    await expect(over.outcome).rejects.toThrow('over 16777216 bytes')
    expect(await text(toolCall('echo', 'echo', { args: { text: 'back' } }))).toBe('back')
    expect(status('other')).toMatchObject({ restarts: 0 })
  })

  test('tools that come and go are listed; sampling and elicitation reach the client that asked', async () => {
    const { host, text } = await attach({ echo: fixture('echo-server') })
    expect(host.tools('echo')?.definitions.some((tool) => tool.name === 'extra')).toBe(false)
    await text(toolCall('echo', 'toggle'))
    await waitUntil('extra is listed', () => host.tools('echo')?.definitions.some((tool) => tool.name === 'extra') === true)
    const sink = recordingSink()
    const capabilities = { sampling: {}, elicitation: {} }
    expect(await text(toolCall('echo', 'sample', { args: { prompt: 'p' }, capabilities }), sink)).toContain('"answered":"sampling/createMessage"')
    expect(await text(toolCall('echo', 'elicit', { args: { message: 'm' }, capabilities }), sink)).toContain('"answered":"elicitation/create"')
    expect(await text(toolCall('echo', 'sample', { args: { prompt: 'p' } }))).toContain('did not declare this capability')
    const { pids } = host.list()[0] as UpstreamStatus
    expect(pids).toHaveLength(2)
    const stateless = { session: null, capabilities }
    expect(await text(toolCall('echo', 'elicit', { args: { message: 'm' }, ...stateless }))).toContain('"answered":"elicitation/create"')
    expect(await text(toolCall('echo', 'sample', { args: { prompt: 'p' }, ...stateless }))).toContain('"answered":"sampling/createMessage"')
    expect(host.list()[0]?.pids).toHaveLength(3)
  })

  test('a session whose own child is killed is told so, and served by a new one', async () => {
    const { host, status, text } = await attach({ echo: fixture('echo-server') })
    const client = { session: 'a', capabilities: { roots: {} } }
    const { heard } = listen(host, 'echo', client)
    const pid = (JSON.parse(await text(toolCall('echo', 'whoami', client))) as { pid: number }).pid
    expect(status('echo')?.pids).toContain(pid)
    const running = codeOf(host.run(toolCall('echo', 'slow', { ...client, args: { steps: 1, ms: 5_000 } }), recordingSink()).outcome)
    await text(toolCall('echo', 'echo', { ...client, args: { text: 'up' } }))
    process.kill(pid, 'SIGKILL')
    expect(await running).toBe('SKEIN_OUTCOME_UNKNOWN')
    await waitUntil('the warning came', () => heard.length > 0)
    expect(heard[0]?.params).toMatchObject({ level: 'warning', logger: 'skein' })
    expect(await text(toolCall('echo', 'echo', { ...client, args: { text: 'again' } }))).toBe('again')
    expect(status('echo')).toMatchObject({ restarts: 0, protocol: '2025' })
  })

  test('a rude server works', async () => {
    const { host, text } = await attach({ rude: fixture('rude-server') })
    expect(host.tools('rude')?.definitions.map((tool) => tool.name)).toEqual(['fine'])
    expect(await text(toolCall('rude', 'fine'))).toBe('fine')
  })

  test('the official servers list and call', async () => {
    const { status, text } = await attach({ everything: official('server-everything', 'stdio'), memory: { ...official('server-memory'), env: { MEMORY_FILE_PATH: join(scratch, 'memory.jsonl') } } as ServerSpec, files: official('server-filesystem', scratch) })
    for (const name of ['everything', 'memory', 'files']) expect(status(name)?.tools, name).toBeGreaterThan(5)
    expect(await text(toolCall('everything', 'echo', { args: { message: 'hello' } }))).toBe('Echo: hello')
    expect(await text(toolCall('memory', 'read_graph'))).toContain('entities')
    expect(await text(toolCall('files', 'list_allowed_directories'))).toContain(scratch)
    const sink = recordingSink()
    await text(toolCall('everything', 'trigger-long-running-operation', { args: { duration: 0.5, steps: 5 }, token: 9 }), sink)
    expect(sink.notifications.map((message) => message.params?.progress)).toEqual([1, 2, 3, 4, 5])
  })
})

describe('streamable HTTP', () => {
  const http = (url: string, headers: Record<string, string> = {}) => serverSpec({ kind: 'http', url, headers })

  test('lists and calls with the configured headers; a lost session is renewed and the call still answered once', async () => {
    const server = await startBareHttpServer({ authorization: 'Bearer secret' })
    const { host, text, status } = await attach({ web: http(server.url, { Authorization: 'Bearer secret' }), denied: http(server.url) })
    expect(status('denied')?.error).toContain('Authorization')
    expect(status('web')).toMatchObject({ state: 'ready', tools: 5, pids: [] })
    const sink = recordingSink()
    expect(await text(toolCall('web', 'slow', { token: 't' }), sink)).toBe('slow')
    expect(sink.notifications.map((message) => message.params)).toEqual([1, 2, 3].map((progress) => ({ progressToken: 't', progress })))
    expect(server.seen.at(-1)).toMatchObject({ 'mcp-protocol-version': '2025-11-25' })
    server.forget()
    expect(await text(toolCall('web', 'echo', { args: { text: 'renewed' } }))).toBe('renewed')
    expect(status('web')?.restarts).toBe(1)
    expect(server.calls).toEqual(['slow', 'echo'])
    expect(await codeOf(host.run(toolCall('web', 'cut'), recordingSink()).outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(await codeOf(host.run(toolCall('web', 'fail'), recordingSink()).outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(await text(toolCall('web', 'echo', { args: { text: 'same link' } }))).toBe('same link')
    expect(status('web')?.restarts).toBe(1)
    await host.stop()
    expect(server.sessions.size).toBe(0)
    await server.kill()
  })
})
