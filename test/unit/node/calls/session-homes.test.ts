import { expect, test } from 'vitest'
import { createSessionHomes, MAX_HOMES, MAX_TRACKED_SESSIONS } from '../../../../src/node/calls/session-homes.ts'

test('a session has a home for each server, and is forgotten when it ends', () => {
  const homes = createSessionHomes()
  homes.settle('s1', 'files', 'P-a')
  homes.served('s1', 'P-a')
  homes.served('s1', 'P-b')
  homes.settle('s1', 'graph', 'P-self')
  expect([homes.home('s1', 'files'), homes.home('s1', 'graph'), homes.home('s1', 'other'), homes.home('s2', 'files')]).toEqual(['P-a', 'P-self', undefined, undefined])
  homes.settle('s1', 'files', 'P-c')
  expect(homes.home('s1', 'files')).toBe('P-c')
  expect([...homes.end('s1')]).toEqual(['P-a', 'P-b'])
  expect([...homes.end('s1'), homes.home('s1', 'files')]).toEqual([undefined])
})

test('the oldest go when there are too many', () => {
  const homes = createSessionHomes()
  for (let n = 0; n <= MAX_TRACKED_SESSIONS; n++) homes.served(`s${n}`, 'P-a')
  expect([[...homes.end('s0')], [...homes.end('s1')]]).toEqual([[], ['P-a']])
  for (let n = 0; n <= MAX_HOMES; n++) homes.settle('s2', `server ${n}`, 'P-a')
  expect([homes.home('s2', 'server 0'), homes.home('s2', 'server 1')]).toEqual([undefined, 'P-a'])
})
