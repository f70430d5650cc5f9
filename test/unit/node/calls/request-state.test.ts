import { describe, expect, test } from 'vitest'
import type { McpOutcome } from '../../../../src/mcp/ports.ts'
import { openState, sealState } from '../../../../src/node/calls/request-state.ts'

const asks = (requestState?: string): McpOutcome => ({
  result: { resultType: 'input_required', inputRequests: { a: { method: 'roots/list', params: {} } }, ...(requestState === undefined ? {} : { requestState }) }
})
const stateOf = (outcome: McpOutcome) => ('result' in outcome ? outcome.result['requestState'] : undefined)

describe('the state of a call on its way to a client and back', () => {
  test.each<[string, string | undefined]>([['a ticket', 'abc'], ['text with dots and umlauts', 'sk1.x.größe\u0000'], ['none', undefined], ['an empty one', '']])('%s comes back as it was, with the provider', (_, inner) => {
    const state = stateOf(sealState(asks(inner), '12D3KooWpeer'))
    expect(state).toMatch(/^sk1\.12D3KooWpeer\.[\w=-]*$/)
    const params = { name: 't', inputResponses: { a: {} } }
    expect(openState({ ...params, requestState: state })).toEqual({ peer: '12D3KooWpeer', params: inner === undefined ? params : { ...params, requestState: inner } })
  })

  test.each<[string, McpOutcome]>([
    ['raw results', { raw: '{"resultType":"complete"}', typed: true }],
    ['complete results', { result: { requestState: 'not ours', content: [] } }],
    ['errors', { error: { code: 1, message: 'x' } }]
  ])('%s pass as the same object', (_, outcome) => expect(sealState(outcome, 'p')).toBe(outcome))

  test.each(['', 'sk1.', 'sk1..YQ', 'sk1.peer', 'sk2.peer.YQ', 'sk1.peer.Y', 'sk1.peer.YR', 'sk1.peer.YQ==', 'sk1.peer.a b', 'sk1.peer._w', 'x', 7, null, {}])('%j is no state of ours', (requestState) => {
    expect(openState({ requestState })).toBeUndefined()
  })
})
