import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { legacyClient, modernClient, type Message, type RecordingClient } from '../support/recording-client.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const CLIENTS = 20
const ASKABLE = { sampling: {}, elicitation: {}, roots: {} }
const scratch = tempDataDir()
const events = join(scratch, 'events')
const noted = () => (existsSync(events) ? readFileSync(events, 'utf8').split('\n') : [])

let edge: SkeinProcess
let provider: SkeinProcess
/** Half of them of each era; all can be asked by servers. */
let clients: RecordingClient[]
/** The same, and cannot be asked: the server's one shared process serves them. */
let plain: RecordingClient[]

const answerAs = (name: string) => (method: string): Message => {
  if (method === 'sampling/createMessage') return { role: 'assistant', model: 'test', content: { type: 'text', text: name } }
  if (method === 'elicitation/create') return { action: 'accept', content: { name } }
  return { roots: [{ uri: `file:///${name}` }] }
}
const open = (url: string, kind: string, capabilities: Message) =>
  Promise.all(
    Array.from({ length: CLIENTS }, (_, index) => {
      const name = `${kind}-${index}`
      const options = { name, url, capabilities, onAsked: answerAs(name) }
      return index % 2 === 0 ? legacyClient(options) : modernClient(options)
    })
  )
const textOf = (answer: Message) => answer.result?.content?.[0]?.text ?? JSON.stringify(answer)
const of = (client: RecordingClient, method: string) => client.received.filter((message) => message.method === method)
/** How many of each came, for every client. */
const counts = (method: string, which: readonly RecordingClient[]) => which.map((client) => of(client, method).length)

beforeAll(async () => {
  edge = await startSkein({ config: { node: { id: 'edge' }, mcp: { graph: { enabled: false }, servers: {} } } })
  provider = await startSkein({
    token: await makeToken(edge),
    config: {
      node: { id: 'provider' },
      mcp: {
        graph: { enabled: false },
        servers: { feature: { command: process.execPath, args: [join(ROOT, 'test/fixtures/feature-server.ts')], env: { SKEIN_EVENTS: events } } }
      }
    }
  })
  await waitUntil('the edge lists the tools', async () => (await edge.tools()).some((tool) => tool.name === 'feature__progress'), { timeout: 20_000, every: 200 })
  const url = `${edge.mcpUrl()}/feature`
  clients = await open(url, 'asked', ASKABLE)
  plain = await open(url, 'plain', {})
}, 120_000)

afterAll(async () => {
  await Promise.all([...(clients ?? []), ...(plain ?? [])].map((client) => client.close()))
  await Promise.all([edge?.dispose(), provider?.dispose()])
  rmSync(scratch, { recursive: true, force: true })
})

describe(`${CLIENTS} clients of both eras at once, one hop from the server`, () => {
  test('progress: 50 of 50 each, in order, before the result, with the client’s own token', async () => {
    const answers = await Promise.all(
      plain.map((client) => client.ask('tools/call', { name: 'progress', arguments: { steps: 50 }, _meta: { progressToken: client.name } }))
    )
    expect(answers.map(textOf)).toEqual(plain.map(() => 'done 50'))
    for (const client of plain) {
      const progress = of(client, 'notifications/progress')
      expect(progress.map((message) => message.params.progress)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
      expect(new Set(progress.map((message) => message.params.progressToken))).toEqual(new Set([client.name]))
      expect(client.received.indexOf(progress.at(-1) as Message)).toBe(client.received.length - 2)
    }
  })

  test('cancellation reaches the tool of that client and no other', async () => {
    const half = plain.slice(0, CLIENTS / 2)
    await Promise.all(
      half.map((client) =>
        client.abandon('tools/call', { name: 'wait', arguments: { id: client.name } }, () => waitUntil(`${client.name} waits`, () => noted().includes(`waiting ${client.name}`)))
      )
    )
    await waitUntil('all are cancelled', () => half.every((client) => noted().includes(`cancelled ${client.name}`)))
    expect(noted().filter((line) => line.startsWith('cancelled')).toSorted()).toEqual(half.map((client) => `cancelled ${client.name}`).toSorted())
  })

  test.each([
    ['sample', 'sampling/createMessage', (name: string) => name],
    ['elicit', 'elicitation/create', (name: string) => name],
    ['roots', 'roots/list', (name: string) => `file:///${name}`]
  ])('%s: each server question reaches its own client, whose answer comes back', async (tool, method, answer) => {
    const before = clients.map((client) => client.asked.length)
    const texts = (await Promise.all(clients.map((client) => client.ask('tools/call', { name: tool, arguments: {} })))).map(textOf)
    expect(texts).toEqual(clients.map((client) => answer(client.name)))
    expect(clients.map((client, index) => client.asked.slice(before[index]).map((question) => question.method))).toEqual(clients.map(() => [method]))
  })

  test('logging: a line reaches the client whose call wrote it', async () => {
    const level = { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } }
    await Promise.all(clients.map((client) => client.ask('tools/call', { name: 'log', arguments: { text: client.name }, ...level })))
    for (const client of clients) expect(of(client, 'notifications/message').map((message) => message.params.data)).toEqual([client.name])
    expect(counts('notifications/message', plain)).toEqual(plain.map(() => 0))
  })

  test('resource updates reach whoever subscribed to that resource and no other', async () => {
    await Promise.all(plain.map((client, index) => client.subscribe([`note://${index}`])))
    // The provider hears of a subscription a round trip after the client's answer at the latest.
    const actor = plain[0] as RecordingClient
    for (const index of plain.keys()) {
      await waitUntil(`note://${index} is subscribed to`, async () => textOf(await actor.ask('tools/call', { name: 'touch', arguments: { uri: `note://${index}` } })) === 'told')
    }
    await waitUntil('all updates are there', () => counts('notifications/resources/updated', plain).every((count) => count > 0))
    for (const [index, client] of plain.entries()) {
      expect(new Set(of(client, 'notifications/resources/updated').map((message) => message.params.uri))).toEqual(new Set([`note://${index}`]))
      expect(of(client, 'notifications/resources/updated')).toHaveLength(1)
    }
    expect(counts('notifications/resources/updated', clients)).toEqual(clients.map(() => 0))
  })

  test('list_changed reaches every client of the view that listens, once', async () => {
    await (plain[0] as RecordingClient).ask('tools/call', { name: 'grow', arguments: { name: 'grown' } })
    await waitUntil('all have heard of it', () => counts('notifications/tools/list_changed', plain).every((count) => count > 0))
    expect(counts('notifications/tools/list_changed', plain)).toEqual(plain.map(() => 1))
    const lists = await Promise.all(plain.map((client) => client.ask('tools/list')))
    for (const list of lists) expect(list.result.tools.map((tool: { name: string }) => tool.name)).toContain('grown')
    // Clients of the new era hear only what they listen to.
    expect(counts('notifications/tools/list_changed', clients.filter((_, index) => index % 2 === 1))).toEqual(Array.from({ length: CLIENTS / 2 }, () => 0))
  })
})
