import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mcpEdgeHere, textOf, type McpEdge } from '../support/mcp-edge-here.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

type Node = Awaited<ReturnType<typeof startNodeHere>>

const SERVER = { command: process.execPath, args: [join(import.meta.dirname, '../fixtures/hostile-server.ts')], expose: ['*'] }
const deep = () => JSON.parse(`${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`) as object

/** Unhandled rejections and exceptions fail the run: that a test ends is not all it checks. */
describe.each(['here', 'one hop away'])('a server that does what it likes, %s', (place) => {
  const nodes: Node[] = []
  let node: Node
  let edge: McpEdge

  beforeAll(async () => {
    const provider = await startNodeHere('provider', { servers: { bad: SERVER } })
    nodes.push(provider)
    if (place !== 'here') nodes.push(await startNodeHere('edge', {}, (await provider.api.createToken({})).token))
    node = nodes.at(-1) as Node
    edge = await mcpEdgeHere(node.api.mcp, node.self)
    await waitUntil('the tools are listed', () => node.api.tool('bad__fine') !== undefined)
  }, 60_000)
  afterAll(async () => {
    await edge?.stop()
    for (const one of nodes.toReversed()) await one.stop()
  })

  // In its own view, for a client that may have tools of its own: the server decides which there are.
  async function own(name: string, more: object = {}) {
    const session = await edge.session({ sampling: {} })
    const answers = await session.post({ id: 5, method: 'tools/call', params: { name, arguments: {}, ...more } })
    await session.end()
    return answers
  }
  const works = async () => expect((await edge.stateless('tools/call', { name: 'bad__fine', arguments: {} }))[0]?.result).toMatchObject({ content: [{ text: 'fine' }] })

  test.each(['deep_error', 'deep_result', 'deep_typed', 'deep_question', 'deep_log', 'twice', 'proto', 'lone', 'chatter'])('%s', async (name) => {
    const session = await edge.session({ sampling: {} })
    const answers = await session.post({ id: 5, method: 'tools/call', params: { name: `bad__${name}`, arguments: {} } })
    await session.end()
    expect(answers.filter(({ id }) => id === 5)).toHaveLength(1)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    await works()
  })

  test('arguments nested too deeply are refused with a sentence', async () => {
    const [answer] = await edge.stateless('tools/call', { name: 'bad__fine', arguments: deep() })
    expect(answer?.error?.message).toContain('512 levels')
    expect((await own('fine', { arguments: deep() }))[0]?.error?.message).toContain('512 levels')
    await works()
  })

  test('members named __proto__ are data', async () => {
    const [answer] = await edge.stateless('tools/call', JSON.parse('{"name":"bad__fine","arguments":{"__proto__":{"text":"polluted"},"constructor":{"prototype":{}}},"__proto__":{"name":"x"}}') as Record<string, unknown>)
    expect(answer).toMatchObject({ result: { content: [{ text: 'fine' }] } })
    expect(({} as { text?: unknown }).text).toBeUndefined()
  })

  test('a storm of announced changes is answered at a bounded rate', async () => {
    let changes = 0
    const stop = node.api.mcp.onChanged(() => void changes++)
    const from = performance.now()
    const [answer] = await edge.stateless('tools/call', { name: 'bad__storm', arguments: { times: 1_000, seconds: 2 } })
    const seconds = (performance.now() - from) / 1_000
    stop()
    const listed = Number(textOf(answer))
    console.log(`${place}: tools listed ${listed} times, ${changes} changes of the views in ${seconds.toFixed(1)} s`)
    expect(listed).toBeLessThan(12)
    expect(changes).toBeLessThan(30)
    await works()
  })
})
