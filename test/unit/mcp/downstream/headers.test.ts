import { describe, expect, test } from 'vitest'
import { decodeHeader } from '../../../../src/mcp/downstream/rev2026/headers.ts'
import { setupStateless } from './setup.ts'

const base64 = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`

describe('standard headers', () => {
  const lists = { tools: [{ name: 'größe' }, { name: 'x' }], prompts: [{ name: 'p' }], resources: [{ uri: 'x://a' }] }

  test.each([
    ['tools/list', {}, {}],
    ['tools/call', { name: 'x' }, { 'mcp-name': '  x\t' }],
    ['tools/call', { name: 'x' }, { 'mcp-name': base64('x') }],
    ['tools/call', { name: 'größe' }, { 'mcp-name': base64('größe') }],
    ['tools/list', {}, { 'mcp-name': 'whatever' }],
    ['prompts/get', { name: 'p' }, {}],
    ['resources/read', { uri: 'x://a' }, {}]
  ])('%s %j with %j passes', (method, params, headers) => {
    const { send } = setupStateless({ lists })
    expect(send(method, params, { headers }).sent.filter(({ message }) => message.error !== undefined)).toEqual([])
  })

  test.each([
    ['tools/list', {}, { 'mcp-protocol-version': undefined }, 'MCP-Protocol-Version'],
    ['tools/list', {}, { 'mcp-protocol-version': '2025-11-25' }, 'MCP-Protocol-Version'],
    ['tools/list', {}, { 'mcp-method': undefined }, 'Mcp-Method'],
    ['tools/list', {}, { 'mcp-method': 'prompts/list' }, 'Mcp-Method'],
    ['tools/list', {}, { 'mcp-method': 'TOOLS/LIST' }, 'Mcp-Method'],
    ['tools/call', { name: 'x' }, { 'mcp-name': undefined }, 'Mcp-Name'],
    ['tools/call', { name: 'x' }, { 'mcp-name': 'y' }, 'Mcp-Name'],
    ['tools/call', { name: 'x' }, { 'mcp-name': '=?base64?eA?=' }, 'Mcp-Name'],
    ['tools/call', { name: 'x' }, { 'mcp-name': ['x', 'x'] }, 'Mcp-Name'],
    ['prompts/get', { name: 'p' }, { 'mcp-name': 'x' }, 'Mcp-Name'],
    ['resources/read', { uri: 'x://a' }, { 'mcp-name': undefined }, 'Mcp-Name']
  ])('%s %j with %j is refused for %s', (method, params, headers, named) => {
    const { send, backend } = setupStateless({ lists })
    expect(send(method, params, { headers }).sent).toMatchObject([{ refused: true, message: { error: { code: -32020, message: expect.stringContaining(named) } } }])
    expect(backend.calls).toEqual([])
  })

  test('that disagree come before a revision that we do not speak', () => {
    const { send } = setupStateless()
    const { sent } = send('server/discover', {}, { meta: { 'io.modelcontextprotocol/protocolVersion': 'v999' } })
    expect(sent[0]?.message.error?.code).toBe(-32020)
  })
})

describe('Mcp-Param-* headers', () => {
  const inputSchema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      count: { type: 'integer', 'x-mcp-header': 'Count' },
      deep: { type: 'object', properties: { dry: { type: 'boolean', 'x-mcp-header': 'Dry-Run' } } },
      other: { type: 'string' }
    }
  }
  const lists = { tools: [{ name: 'x', inputSchema }, { name: 'y', inputSchema: { type: 'object' } }] }
  const call = (args: unknown, headers: Record<string, string>) => {
    const { send, backend } = setupStateless({ lists })
    const { sent } = send('tools/call', { name: 'x', arguments: args }, { headers })
    return backend.calls.length === 1 ? 'runs' : sent[0]?.message.error?.code
  }

  test.each([
    [{ region: 'eu' }, { 'mcp-param-region': 'eu' }],
    [{ region: 'eu' }, { 'mcp-param-region': base64('eu') }],
    [{ region: 'SGVsbG8=' }, { 'mcp-param-region': 'SGVsbG8=' }],
    [{ region: '=?base64?SGVsbG8=' }, { 'mcp-param-region': '=?base64?SGVsbG8=' }],
    [{ count: 42 }, { 'mcp-param-count': '42.0' }],
    [{ deep: { dry: true } }, { 'mcp-param-dry-run': 'true' }],
    [{ region: null }, {}],
    [{}, { 'mcp-param-region': 'ignored' }],
    [{ other: 'x' }, {}],
    [{ region: {} }, {}],
    [undefined, {}],
    ['odd', {}]
  ])('arguments %j with %j run', (args, headers: Record<string, string>) => {
    expect(call(args, headers)).toBe('runs')
  })

  test.each([
    [{ region: 'eu' }, {}],
    [{ region: 'eu' }, { 'mcp-param-region': 'us' }],
    [{ region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8?=' }],
    [{ region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVs!!!bG8=?=' }],
    [{ region: 'x' }, { 'mcp-param-region': '=?base64?/w==?=' }],
    [{ count: 42 }, { 'mcp-param-count': '0x2a' }],
    [{ count: 42 }, { 'mcp-param-count': '43' }],
    [{ deep: { dry: false } }, { 'mcp-param-dry-run': 'true' }]
  ])('arguments %j with %j are refused', (args, headers: Record<string, string>) => {
    expect(call(args, headers)).toBe(-32020)
  })

  test('a number that a tool should not declare is compared all the same', () => {
    const tool = { name: 'x', inputSchema: { type: 'object', properties: { n: { type: 'number', 'x-mcp-header': 'N' } } } }
    const code = (header: string) => {
      const { send, backend } = setupStateless({ lists: { tools: [tool] } })
      const { sent } = send('tools/call', { name: 'x', arguments: { n: 1.5 } }, { headers: { 'mcp-param-n': header } })
      return backend.calls.length === 1 ? 'runs' : sent[0]?.message.error?.code
    }
    expect([code('1.50'), code('2')]).toEqual(['runs', -32020])
  })
})

test.each([
  ['plain', 'plain'],
  ['', ''],
  ['=?base64??=', ''],
  [base64('日本'), '日本'],
  // As the SDK reads it: its client never sends this text plainly.
  ['=?base64?=', ''],
  ['=?base64?YQ?=', undefined],
  ['=?base64?YR==?=', 'a'],
  ['=?base64?gA==?=', undefined]
])('the header value %j means %j', (value, meant) => {
  expect(decodeHeader(value)).toBe(meant)
})
