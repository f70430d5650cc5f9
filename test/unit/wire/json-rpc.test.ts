import { expect, test } from 'vitest'
import { readAbout } from '../../../src/wire/about.ts'
import { responseText, type Json } from '../../../src/wire/json-rpc.ts'

const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`) as Json

test('the id comes last and counts, whatever a raw result brings along', () => {
  expect(JSON.parse(responseText(7, { raw: '{"a":1},"id":8,"jsonrpc":"1.0"', typed: false }))).toMatchObject({ id: 7, result: { a: 1 } })
})

test.each<[string, Parameters<typeof responseText>[1]]>([
  ['a result', { result: { deep } }],
  ['an error', { error: { code: -1, message: 'x', data: deep } }]
])('%s that cannot be written is an error of this one request', (_, outcome) => {
  expect(JSON.parse(responseText('x', outcome))).toMatchObject({ jsonrpc: '2.0', id: 'x', error: { code: -32_603, data: { code: 'SKEIN_UPSTREAM_INVALID' } } })
})

test('an about document names only lists that there are as partial, each once', () => {
  const { partial } = readAbout({ partial: ['constructor', 'resources', ...Array.from({ length: 10_000 }, () => 'prompts'), 7, null] })
  expect(partial).toEqual(['resources', 'prompts'])
})
