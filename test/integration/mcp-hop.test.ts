import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BackendRequest, ClientContext } from '../../src/mcp/ports.ts'
import { readOutcome, type Json, type JsonRpcNotification } from '../../src/wire/json-rpc.ts'
import { recordingSink } from '../support/mcp-calls.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

type Node = Awaited<ReturnType<typeof startNodeHere>>

const fixture = (name: string) => join(import.meta.dirname, '../fixtures', name)
const STATELESS: ClientContext = { session: undefined, clientInfo: { name: 'c', version: '1' }, capabilities: {}, logLevel: undefined }
const EVERYTHING = { sampling: {}, elicitation: { form: {} }, roots: {} }

/** What a client at `node` does through its backend, as both kinds of edge do. */
function clientOf(node: Node, client: ClientContext = STATELESS) {
  const run = (method: string, params: Json, more: Partial<BackendRequest> = {}) => {
    const sink = recordingSink()
    const running = node.api.mcp.run({ view: undefined, method, params, client, timeout: 20_000, correlation: 'c', ...more }, sink)
    return { ...running, sink }
  }
  const tool = (name: string, args: Json = {}, more: Json = {}, view?: string) => run('tools/call', { name, arguments: args, ...more }, { view })
  const textOf = async (outcome: ReturnType<typeof run>['outcome']) => {
    const read = readOutcome(await outcome)
    return 'result' in read ? ((read.result['content'] as { text: string }[])[0]?.text ?? '') : `${read.error.code}`
  }
  return { run, tool, textOf }
}

describe.each(['one hop', 'two hops, the second over a relay'])('between client and server: %s', (hops) => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-hop-'))
  const events = join(folder, 'events')
  let provider: Node
  let edge: Node
  let relay: Node | undefined

  beforeAll(async () => {
    const features = { command: process.execPath, args: [fixture('feature-server.ts')], env: { SKEIN_EVENTS: events } }
    const both = { command: process.execPath, args: [fixture('conformance/server.ts'), '--stdio'] }
    if (hops === 'one hop') {
      provider = await startNodeHere('provider', { servers: { features, both } })
      edge = await startNodeHere('edge', {}, (await provider.api.createToken({})).token)
    } else {
      relay = await startNodeHere('relay', {})
      const { token } = await relay.api.createToken({ uses: 2 })
      // They listen nowhere: neither can dial the other.
      provider = await startNodeHere('provider', { servers: { features, both } }, token, [])
      edge = await startNodeHere('edge', {}, token, [])
    }
    await waitUntil('the edge lists both servers whole', () => edge.api.tool('features__pid') !== undefined && edge.api.tool('both__test_simple_text') !== undefined && (edge.api.mcp.lists(undefined)?.resources.length ?? 0) > 32)
  }, 60_000)
  afterAll(async () => {
    await edge?.stop()
    await provider?.stop()
    await relay?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('the way is what it should be', () => {
    const peer = edge.api.peers().find(({ name }) => name === 'provider')
    expect(peer).toMatchObject(relay === undefined ? { state: 'connected' } : { state: 'relayed', via: ['relay'] })
  })

  test('progress comes whole, in order and before the result', async () => {
    const { tool, textOf } = clientOf(edge)
    const { outcome, sink } = tool('features__progress', { steps: 50 }, { _meta: { progressToken: 'mine' } })
    expect(await textOf(outcome)).toBe('done 50')
    expect(sink.notifications.map(({ params }) => [params?.['progressToken'], params?.['progress']])).toEqual(Array.from({ length: 50 }, (_, n) => ['mine', n + 1]))
  })

  test('a cancelled call is cancelled at the tool', async () => {
    const { outcome, cancel } = clientOf(edge).tool('features__wait', { id: 'hop' })
    const said = () => readFileSync(events, { encoding: 'utf8', flag: 'a+' })
    await waitUntil('the tool waits', () => said().includes('waiting hop'))
    cancel('enough')
    await expect(outcome).rejects.toMatchObject({ code: 'SKEIN_CANCELLED' })
    await waitUntil('the tool was cancelled', () => said().includes('cancelled hop'))
  })

  test.each<[string, string, Json, ClientContext]>([
    ['a server of the older era asks a stateless client', 'features__sample', {}, { ...STATELESS, capabilities: EVERYTHING }],
    ['a server of the newer era does', 'both__test_input_required_result_sampling', {}, { ...STATELESS, capabilities: EVERYTHING }]
  ])('%s: the answer finds its call', async (_, name, args, client) => {
    const { tool, textOf } = clientOf(edge, client)
    const first = readOutcome(await tool(name, args).outcome)
    if (!('result' in first)) throw new Error(first.error.message)
    const { inputRequests, requestState } = first.result as { inputRequests: Record<string, { method: string }>; requestState: string }
    const [key, question] = Object.entries(inputRequests)[0] as [string, { method: string }]
    expect(question.method).toBe('sampling/createMessage')
    expect(requestState.startsWith(`sk1.${provider.self}.`)).toBe(true)
    const answers = { inputResponses: { [key]: { role: 'assistant', model: 'm', content: { type: 'text', text: 'forty-two' } } } }
    await expect(tool(name, args, { ...answers, requestState: requestState.replace(provider.self, edge.self) }).outcome).rejects.toMatchObject({ code: 'SKEIN_BAD_REQUEST' })
    expect(await textOf(tool(name, args, { ...answers, requestState }).outcome)).toContain('forty-two')
  })

  test('prompts, resources and templates of wide views reach the server that has them', async () => {
    const { run } = clientOf(edge)
    const result = async (method: string, params: Json, view?: string) => readOutcome(await run(method, params, { view }).outcome)
    expect(await result('resources/read', { uri: 'note://7' })).toMatchObject({ result: { contents: [{ uri: 'note://7' }] } })
    expect(await result('resources/read', { uri: 'test://template/9/data' })).toMatchObject({ result: { contents: [{ text: expect.stringContaining('"9"') }] } })
    expect(await result('resources/read', { uri: 'nobody://1' })).toMatchObject({ error: { code: -32_602, data: { uri: 'nobody://1' } } })
    expect(await result('prompts/get', { name: 'test_simple_prompt' })).toMatchObject({ result: { messages: [{}] } })
    expect(await result('resources/list', {}, 'features')).toMatchObject({ result: { resources: expect.arrayContaining([expect.objectContaining({ uri: 'note://7' })]) } })
  })

  test('resource updates come to who subscribed, and to nobody else', async () => {
    const heard: Record<string, JsonRpcNotification[]> = { seven: [], eight: [], wide: [] }
    const listen = (who: keyof typeof heard, view: string | undefined, uri: string) =>
      edge.api.mcp.listen({ view, client: STATELESS, resources: [uri] }, { notification: (message) => void heard[who]?.push(message) })
    const open = [listen('seven', 'features', 'note://7'), listen('eight', 'features', 'note://8'), listen('wide', undefined, 'note://7')]
    const { tool, textOf } = clientOf(edge)
    await waitUntil('the server knows both subscriptions', async () => (await textOf(tool('features__touch', { uri: 'note://8' }).outcome)) === 'told' && (await textOf(tool('features__touch', { uri: 'note://7' }).outcome)) === 'told')
    await waitUntil('the updates arrived', () => heard['seven']?.length === 1 && heard['wide']?.length === 1)
    expect(heard['seven']).toMatchObject([{ method: 'notifications/resources/updated', params: { uri: 'note://7' } }])
    expect(heard['eight']?.every(({ params }) => params?.['uri'] === 'note://8')).toBe(true)
    open[0]?.update(['note://9'])
    await waitUntil('the new subscription is known', async () => (await textOf(tool('features__touch', { uri: 'note://9' }).outcome)) === 'told')
    await textOf(tool('features__touch', { uri: 'note://7' }).outcome)
    await waitUntil('who still listens heard it', () => heard['wide']?.length === 2)
    expect(heard['seven']?.filter(({ params }) => params?.['uri'] === 'note://7')).toHaveLength(1)
    for (const each of open) each.close()
    await waitUntil('nobody is subscribed', async () => (await textOf(tool('features__touch', { uri: 'note://7' }).outcome)) === 'nobody asked')
  })

  test('a changed list changes the views of the other node', async () => {
    let changes = 0
    const stop = edge.api.mcp.onChanged(() => changes++)
    await clientOf(edge).tool('features__grow', { name: 'grown' }).outcome
    await waitUntil('the new tool is listed', () => edge.api.mcp.lists('features')?.tools.some(({ name }) => name === 'grown') === true)
    stop()
    expect(changes).toBeGreaterThan(0)
  })
})

test('a listen moves to another provider of its server when the first one leaves', { timeout: 60_000 }, async () => {
  const features = { command: process.execPath, args: [fixture('feature-server.ts')], stateless: true }
  const first = await startNodeHere('first', { servers: { features } })
  const edge = await startNodeHere('edge', {}, (await first.api.createToken({})).token)
  const heard: JsonRpcNotification[] = []
  try {
    await waitUntil('the edge lists the server', () => edge.api.tool('features__pid') !== undefined)
    const listening = edge.api.mcp.listen({ view: 'features', client: STATELESS, resources: ['note://1'] }, { notification: (message) => void heard.push(message) })
    const { tool, textOf } = clientOf(edge)
    const told = async () => (await textOf(tool('features__touch', { uri: 'note://1' }).outcome).catch(() => 'not there')) === 'told'
    await waitUntil('the first server tells', told)
    const second = await startNodeHere('second', { servers: { features } }, (await first.api.createToken({})).token)
    try {
      await waitUntil('both offer it', () => edge.api.tool('features__pid')?.providers.length === 2)
      await first.stop()
      const before = heard.length
      await waitUntil('the second server tells', async () => (await told()) && heard.length > before)
      listening.close()
    } finally {
      await second.stop()
    }
  } finally {
    await edge.stop()
    await first.stop()
  }
})

test('a listen over a relay moves to another one when that drains, and keeps nobody from draining', { timeout: 60_000 }, async () => {
  const features = { command: process.execPath, args: [fixture('feature-server.ts')] }
  const one = await startNodeHere('one', {})
  const { token } = await one.api.createToken({ uses: 3 })
  const others = [await startNodeHere('two', {}, token), await startNodeHere('provider', { servers: { features } }, token, []), await startNodeHere('edge', {}, token, [])] as const
  const [two, , edge] = others
  try {
    const via = () => edge.api.peers().find(({ name }) => name === 'provider')?.via?.[0]
    await waitUntil('both relays reach everybody, and the edge the server', () => {
      const reach = [one, two].every(({ api }) => api.peers().filter(({ state }) => state === 'connected').length === 3)
      return reach && edge.api.tool('features__pid') !== undefined && via() !== undefined
    }, { timeout: 20_000 })
    const heard: JsonRpcNotification[] = []
    const listening = edge.api.mcp.listen({ view: 'features', client: STATELESS, resources: ['note://1'] }, { notification: (message) => void heard.push(message) })
    const { tool, textOf } = clientOf(edge)
    const touch = () => textOf(tool('features__touch', { uri: 'note://1' }).outcome)
    await waitUntil('the server tells', async () => (await touch()) === 'told')
    await waitUntil('it is heard', () => heard.length === 1)
    const first = via()
    const relay = first === 'one' ? one : two
    const { state, running } = await relay.api.drain({ within: 10_000 })
    expect({ state, running }).toEqual({ state: 'drained', running: 0 })
    expect(via()).toBe(first === 'one' ? 'two' : 'one')
    expect(await touch()).toBe('told')
    await waitUntil('it is heard over the other relay', () => heard.length === 2)
    expect(await touch()).toBe('told')
    await waitUntil('each is heard once', () => heard.length === 3)
    listening.close()
  } finally {
    for (const node of others.toReversed()) await node.stop()
    await one.stop()
  }
})
