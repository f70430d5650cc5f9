import { describe, expect, test } from 'vitest'
import { eraOfHeader, eraOfMessage } from '../../../src/http/mcp/era.ts'
import { isPrimed } from '../../../src/http/mcp/rev2025/client-stream.ts'
import { statusOf } from '../../../src/http/mcp/rev2026/endpoint.ts'

const known = { versions: ['2025-11-25', '2025-06-18', '2025-03-26'], statelessVersions: ['2026-07-28'] }
const claim = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }

describe('the era of a request', () => {
  test.each([
    [undefined, {}, 'sessions'],
    ['2025-11-25', {}, 'sessions'],
    ['2025-03-26', {}, 'sessions'],
    ['2026-07-28', {}, 'stateless'],
    ['2026-07-28', claim, 'stateless'],
    ['2027-01-01', {}, 'unknown'],
    ['2026-07-28, 2026-07-28', {}, 'unknown'],
    ['', {}, 'unknown'],
    // The body counts; that the header says something else is for that era to refuse.
    [undefined, claim, 'stateless'],
    ['2025-11-25', claim, 'stateless'],
    ['2027-01-01', claim, 'stateless'],
    [undefined, { _meta: { 'io.modelcontextprotocol/protocolVersion': 7 } }, 'stateless'],
    [undefined, { _meta: { progressToken: 1 } }, 'sessions'],
    [undefined, { _meta: null }, 'sessions'],
    [undefined, { _meta: 'x' }, 'sessions']
  ])('%s %j: %s', (header, params, era) => {
    expect(eraOfMessage({ jsonrpc: '2.0', id: 1, method: 'm', params }, eraOfHeader(header, known))).toBe(era)
  })

  test.each([
    [undefined, false],
    ['2025-03-26', false],
    ['2025-06-18', false],
    ['2025-11-25', true]
  ])('streams of %s clients begin with an id: %s', (version, primed) => expect(isPrimed(version)).toBe(primed))
})

describe('the status of a stateless answer', () => {
  test.each([
    [-32601, true, 404],
    [-32602, true, 400],
    [-32600, true, 400],
    [-32020, true, 400],
    [-32021, true, 400],
    [-32022, true, 400],
    [-32021, false, 400],
    // What a server says is content.
    [-32601, false, 200],
    [-32602, false, 200],
    [-32603, false, 200],
    [-32022, false, 200]
  ])('%i, refused %s: %i', (code, refused, status) => expect(statusOf({ error: { code, message: '' } }, refused)).toBe(status))

  test('a result is 200, read or not', () => {
    expect(statusOf({ result: {} }, false)).toBe(200)
    expect(statusOf({ raw: '{}', typed: true }, false)).toBe(200)
  })
})
