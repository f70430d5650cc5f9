import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createUpstreamHost } from '../../../src/mcp/upstream/host.ts'
import type { ServerSpec } from '../../../src/mcp/upstream/spec.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import { readOutcome } from '../../../src/wire/json-rpc.ts'
import { serveHttp, type Eras } from '../../fixtures/conformance/http.ts'
import { testGuards } from '../../support/guards.ts'
import { recordingSink, serverSpec, toolCall } from '../../support/mcp-calls.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { serveFirstSdk } from './sdk-v1-server.ts'
import { cleanup } from './setup.ts'

async function attach(eras: Eras) {
  const { url, server } = await serveHttp(eras, 0)
  cleanup(() => {
    server.closeAllConnections()
    server.close()
  })
  return attachUrl(url)
}

async function attachUrl(url: string, policy: Partial<ServerSpec> = {}) {
  const connector = createUpstreamConnector({ clock: systemClock, logger: silentLogger, env: {} })
  const host = createUpstreamHost(
    { clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, guards: testGuards(systemClock), connect: (spec, name) => connector.connect(spec, name) },
    { version: '1' }
  )
  cleanup(() => host.stop({ grace: 500 }))
  await host.apply({ remote: serverSpec({ kind: 'http', url, headers: {} } as never, policy) }, { wait: 10_000 })
  return host
}

test.each<Eras>(['both', '2025', '2026'])('a server that speaks %s, over HTTP: calls in one stream each, and the list is read again when it changes', async (eras) => {
  const host = await attach(eras)
  const sink = recordingSink()
  const call = host.run(toolCall('remote', 'test_tool_with_progress', { token: 'mine', session: null }), sink)
  expect(readOutcome(await call.outcome)).toMatchObject({ result: { content: expect.any(Array) } })
  expect(sink.notifications.map(({ method, params }) => [method, params?.progressToken])).toEqual(sink.notifications.map(() => ['notifications/progress', 'mine']))
  expect(sink.notifications.length).toBeGreaterThanOrEqual(3)

  const described = () => String(host.tools('remote')?.definitions.find(({ name }) => name === 'test_trigger_tool_change')?.description)
  const before = described()
  await host.run(toolCall('remote', 'test_trigger_tool_change', { session: null }), recordingSink()).outcome
  await waitUntil('the new list is there', () => described() !== before)
})

test.each<Eras>(['2025', '2026'])('a server that speaks %s asks a client of either kind, and hears the answer', async (eras) => {
  const host = await attach(eras)
  for (const session of ['s1', null]) {
    const options = { session, capabilities: { elicitation: { form: {} } }, args: { message: 'who?' } }
    const first = readOutcome(await host.run(toolCall('remote', 'test_elicitation', options), recordingSink()).outcome)
    if ('error' in first) throw new Error(first.error.message)
    expect(first.result.resultType).toBe('input_required')
    const [[key, question]] = Object.entries(first.result.inputRequests as Record<string, { method: string }>) as [[string, { method: string }]]
    expect(question.method).toBe('elicitation/create')
    const { requestState } = first.result
    const params = { inputResponses: { [key]: { action: 'accept', content: { username: 'u', email: 'e@x.test' } } }, ...(requestState === undefined ? {} : { requestState }) }
    const second = readOutcome(await host.run(toolCall('remote', 'test_elicitation', { ...options, params }), recordingSink()).outcome)
    expect(JSON.stringify(second)).toContain('e@x.test')
  }
})

test('in one session that several clients share, a question belongs to the call on whose stream it came', async () => {
  const { url } = await serveFirstSdk()
  const host = await attachUrl(url, { isolation: 'shared', protocol: '2025' })
  const clients = [{}, { elicitation: {} }, { elicitation: {} }].map((capabilities) => ({ session: null, capabilities }))
  const outcomes = await Promise.all(clients.map((client) => host.run(toolCall('remote', 'test_elicitation', client), recordingSink()).outcome.then(readOutcome)))
  expect(outcomes[0]).toMatchObject({ error: { code: -32021, data: { requiredCapabilities: { elicitation: { form: {} } } } } })
  for (const [index, email] of [[1, 'one@x.test'], [2, 'two@x.test']] as const) {
    const asked = outcomes[index] as { result: { inputRequests: object; requestState: string } }
    const [key] = Object.keys(asked.result.inputRequests) as [string]
    const params = { requestState: asked.result.requestState, inputResponses: { [key]: { action: 'accept', content: { email } } } }
    const answered = await host.run(toolCall('remote', 'test_elicitation', { ...clients[index], params }), recordingSink()).outcome
    expect(JSON.stringify(readOutcome(answered))).toContain(email)
  }
})
