import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { matchesAny } from '../../../src/base/patterns.ts'
import type { Json, JsonRpcError } from '../../../src/wire/json-rpc.ts'
import { isExposed, policyKey, restartKey } from '../../../src/mcp/upstream/spec.ts'
import { fetchTools } from '../../../src/mcp/upstream/tool-list.ts'
import { codeOf, serverSpec } from '../../support/mcp-calls.ts'

const list = (pages: (cursor: string | undefined, page: number) => { result: Json } | { error: JsonRpcError }) => {
  let page = 0
  return fetchTools(async (_method, params: Json) => pages(params.cursor as string | undefined, page++), silentLogger)
}

test('pages are joined, bad and repeated definitions left out alone', async () => {
  const tools = await list((cursor) =>
    cursor === undefined
      ? { result: { tools: [{ name: 'a' }, null, 'b', { name: '' }, { title: 'no name' }], nextCursor: '2' } }
      : { result: { tools: [[], { name: 'a', second: true }, { name: 'c' }] } }
  )
  expect(tools).toEqual([{ name: 'a' }, { name: 'c' }])
})

test('an entry that is nested too deeply is left out alone, whatever reads it later', async () => {
  const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`) as Json
  const tools = [{ name: 'fine', inputSchema: deep(500) }, { name: 'deep', inputSchema: deep(600) }, { name: 'deepest', inputSchema: deep(100_000) }, [deep(100_000)]]
  expect((await list(() => ({ result: { tools } }))).map(({ name }) => name)).toEqual(['fine'])
})

test('endless lists end: a cursor that repeats, too many pages, too many tools, too many characters', async () => {
  expect(await list((_, page) => ({ result: { tools: [{ name: `t${page}` }], nextCursor: 'same' } }))).toHaveLength(2)
  expect(await list((_, page) => ({ result: { tools: [{ name: `t${page}` }], nextCursor: `${page}` } }))).toHaveLength(100)
  expect(await list(() => ({ result: { tools: Array.from({ length: 10_500 }, (_, index) => ({ name: `t${index}` })) } }))).toHaveLength(10_000)
  const description = 'x'.repeat(5 * 1024 * 1024)
  expect(await list(() => ({ result: { tools: Array.from({ length: 5 }, (_, index) => ({ name: `t${index}`, description })) } }))).toHaveLength(3)
})

test('no tools/list is an empty list, another error or a wrong answer is invalid', async () => {
  expect(await list(() => ({ error: { code: -32601, message: 'unknown' } }))).toEqual([])
  expect(await codeOf(list(() => ({ error: { code: -1, message: 'boom' } })))).toBe('SKEIN_UPSTREAM_INVALID')
  expect(await codeOf(list(() => ({ result: { tools: {} } })))).toBe('SKEIN_UPSTREAM_INVALID')
})

test.each([
  ['*', 'anything', true],
  ['*', '', true],
  ['read_*', 'read_file', true],
  ['read_*', 'pread_file', false],
  ['*_file', 'read_file', true],
  ['*_file', 'read_files', false],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'a-c-b', false],
  ['a.c', 'abc', false],
  ['exact', 'exact', true],
  ['', 'x', false],
  ['*a*a*a*a*a*a*a*a*b', 'a'.repeat(5_000), false]
])('pattern %s and name %.20s: %s', (pattern, name, expected) => {
  expect(matchesAny([pattern], name)).toBe(expected)
})

test('deny wins, what no allow pattern fits is hidden', () => {
  expect(isExposed({ expose: { allow: [], deny: [] } }, 'x')).toBe(false)
  expect(isExposed({ expose: { allow: ['*'], deny: [] } }, 'x')).toBe(true)
  expect(isExposed({ expose: { allow: ['x'], deny: ['*'] } }, 'x')).toBe(false)
  expect(isExposed({ expose: { allow: ['y'], deny: [] } }, 'x')).toBe(false)
})

test('order of env does not restart a server, every part of the target does', () => {
  const base = serverSpec({ env: { A: '1', B: '2' } })
  expect(restartKey(serverSpec({ env: { B: '2', A: '1' } }))).toBe(restartKey(base))
  for (const changed of [serverSpec({ env: { A: '1' } }), serverSpec({ cwd: '/', env: { A: '1', B: '2' } }), serverSpec({ env: { A: '1', B: '2' } }, { isolation: 'session' }), serverSpec({ kind: 'http', url: 'http://x', headers: {} })]) {
    expect(restartKey(changed)).not.toBe(restartKey(base))
  }
  expect(restartKey(serverSpec({ env: { A: '1', B: '2' } }, { stateless: true, timeout: 1 }))).toBe(restartKey(base))
  expect(policyKey(serverSpec({}, { stateless: true }))).not.toBe(policyKey(serverSpec()))
})
