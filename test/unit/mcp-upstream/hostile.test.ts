import { describe, expect, test } from 'vitest'
import type { MemoryServer } from '../../support/memory-upstream.ts'
import { codeOf, flush } from '../../support/mcp-calls.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

/** Read by JSON.parse, too deep for JSON.stringify. */
const deep = () => JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`) as Record<string, unknown>

/** Writes each message when it is sent, as stdio does. */
function writesAtOnce(server: MemoryServer): void {
  const { connect } = server
  server.connect = () => {
    const transport = connect()
    const { send } = transport
    transport.send = (message, options) => {
      JSON.stringify(message)
      return send(message, options)
    }
    return transport
  }
}

describe('params that cannot be written again', () => {
  test('fail their own request, and take no place for ever', async () => {
    const { echo, call, clock, metric } = await upstreamWorld({}, writesAtOnce, { maxInFlight: 4 })
    for (let round = 0; round < 8; round++) expect(await codeOf(call('echo', { args: deep() }).outcome)).toBe('SKEIN_LIMIT')
    expect(await echo('session-1')).toEqual({ result: { content: [] } })
    // Nothing is left that ends later with nobody listening.
    clock.advance(60_000)
    await flush()
    expect(metric('skein_mcp_upstream_requests_total', 'busy') ?? 0).toBe(0)
  })

  test('as answers to a question are an error for the server, and its call goes on', async () => {
    const capabilities = { elicitation: {} }
    const { call, server } = await upstreamWorld({ isolation: 'session' }, writesAtOnce)
    const first = call('ask', { capabilities })
    await flush()
    const link = server.last
    link.emit({ id: 7, method: 'elicitation/create', params: { message: 'name?', requestedSchema: { type: 'object', properties: {} } } })
    const clock = await asked(first.outcome)
    const { inputRequests, requestState } = clock
    const retry = call('ask', { capabilities, params: { requestState, inputResponses: { [Object.keys(inputRequests)[0] as string]: { action: 'accept', content: deep() } } } })
    await flush()
    expect(link.received.find((message) => 'id' in message && message.id === 7)).toMatchObject({ error: { code: -32_603 } })
    link.answer(link.open('tools/call')[0]!.id, { content: [] })
    expect(await retry.outcome).toEqual({ result: { content: [] } })
  })
})
