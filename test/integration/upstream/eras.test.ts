import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import { createUpstreamHost, type UpstreamHost } from '../../../src/mcp/upstream/host.ts'
import { readOutcome, type Json } from '../../../src/wire/json-rpc.ts'
import { testGuards } from '../../support/guards.ts'
import { mcpRequest, recordingSink, serverSpec, toolCall, type CallOptions } from '../../support/mcp-calls.ts'
import { waitUntil } from '../../support/wait-until.ts'

/** The fixture of the conformance suite, on the official SDK, in three kinds over two transports. */
const FIXTURE = new URL('../../fixtures/conformance/server.ts', import.meta.url).pathname
const hosts: UpstreamHost[] = []
const servers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop({ grace: 300 })))
  await Promise.all(servers.splice(0).map((stop) => stop()))
})

async function target(kind: string, over: string) {
  if (over === 'stdio') return { kind: 'stdio', command: process.execPath, args: [FIXTURE, '--era', kind, '--stdio'], env: {} } as const
  const child = fork(FIXTURE, ['--era', kind, '--http', '0'], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const gone = once(child, 'exit')
  servers.push(() => {
    child.kill('SIGTERM')
    return gone
  })
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return { kind: 'http', url: line.toString().trim(), headers: {} } as const
}

async function attached(kind: string, over: string) {
  const connector = createUpstreamConnector({ clock: systemClock, logger: silentLogger })
  const host = createUpstreamHost({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, guards: testGuards(systemClock), connect: connector.connect }, { version: '0.1.0' })
  hosts.push(host)
  await host.apply({ one: serverSpec(await target(kind, over)) }, { wait: 20_000 })
  const call = async (tool: string, options: CallOptions = {}) => {
    const outcome = readOutcome(await host.run(toolCall('one', tool, options), recordingSink()).outcome)
    if ('error' in outcome) throw new Error(outcome.error.message)
    return outcome.result
  }
  const listen = (client: CallOptions, uris: string[]) => {
    const sink = recordingSink()
    const running = host.run(mcpRequest('one', 'subscriptions/listen', { notifications: { resourceSubscriptions: uris } }, client), sink)
    running.outcome.catch(() => {})
    return { ...running, heard: sink.notifications }
  }
  return { host, call, listen }
}

const CLIENTS: [string, CallOptions][] = [
  ['a session', { session: 'a', capabilities: { elicitation: {}, sampling: {} } }],
  ['a stateless client', { session: null, capabilities: { elicitation: {}, sampling: {} } }]
]

describe.each([
  ['both', '2026'],
  ['2025', '2025'],
  ['2026', '2026']
])('a server of %s', (kind, protocol) => {
  test.each(['stdio', 'http'])('over %s: lists, questions, subscriptions, changes', async (over) => {
    const { host, call, listen } = await attached(kind, over)
    expect(host.list()).toMatchObject([{ state: 'ready', protocol }])
    const about = host.tools('one')?.about
    expect([about?.prompts.length, about?.resources.length, about?.resourceTemplates.length].every((count) => (count ?? 0) > 0)).toBe(true)

    for (const [, client] of CLIENTS) {
      const asked = await call('test_elicitation', { ...client, args: { message: 'who?' } })
      expect(asked.resultType).toBe('input_required')
      const [[key, question]] = Object.entries(asked.inputRequests as Record<string, Json>) as [[string, Json]]
      expect(question).toMatchObject({ method: 'elicitation/create' })
      const inputResponses = { [key]: { action: 'accept', content: { username: 'me', email: 'me@example.org' } } }
      const params = { inputResponses, ...(asked.requestState === undefined ? {} : { requestState: asked.requestState }) }
      expect(JSON.stringify(await call('test_elicitation', { ...client, args: { message: 'who?' }, params }))).toContain('me')
    }

    const uri = 'test://watched-resource'
    const shared = listen({ session: 'plain' }, [uri])
    await waitUntil('the update came', async () => {
      await call('test_trigger_resource_update', { session: 'plain', args: { uri } })
      return shared.heard.length > 0
    })
    expect(shared.heard[0]).toMatchObject({ method: 'notifications/resources/updated', params: { uri } })
    const before = host.tools('one')
    await call('test_trigger_tool_change', { session: 'plain' })
    await waitUntil('the changed list was read', () => host.tools('one') !== before)
  })
})
