import { expect, test } from 'vitest'
import { liveDiff } from '../../../src/config/diff.ts'
import { BREAKER } from '../../support/guards.ts'
import { load, problemsOf, temporaryDirectory } from './files.ts'

const directory = temporaryDirectory()

test('the defaults are those that the tests of guards use', () => {
  expect(load(directory, '{}').config.breaker).toEqual(BREAKER)
})

test('a change needs a restart; other places for a server do not', () => {
  const yaml = (breaker: string, server: string) => load(directory, `{breaker: ${breaker}, mcp: {servers: {one: ${server}}}}`).config
  const before = yaml('{}', '{command: x}')
  expect(liveDiff(before, yaml('{failures: 9}', '{command: x}'))).toEqual({ live: [], restart: ['breaker.failures'] })
  expect(liveDiff(before, yaml('{}', '{command: x, max_concurrent: 3}'))).toEqual({ live: ['mcp.servers.one'], restart: [] })
})

test.each([
  ['{open_for: 2m, open_at_most: 1m}', 'breaker.open_at_most', 'must not be shorter than breaker.open_for'],
  ['{failures: 0}', 'breaker.failures', 'must be at least 1'],
  ['{failure_rate: 1.5}', 'breaker.failure_rate', 'must be at most 1'],
  ['{failure_rate: 0}', 'breaker.failure_rate', 'must be at least 0.01'],
  ['{window: 1ms}', 'breaker.window', 'must be between 1s and 10m']
])('%s is refused at its place', (breaker, key, message) => {
  expect(problemsOf(() => load(directory, `breaker: ${breaker}`))).toEqual([expect.objectContaining({ key, message: expect.stringContaining(message) })])
})
