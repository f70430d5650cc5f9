import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createStrangerLinks } from '../../../../src/node/distant/stranger-links.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

function world() {
  const clock = createManualClock()
  const links = new Map<string, { dialled: boolean }>()
  const sessions = new Map<string, { inFlight: number; inService: number }>()
  const needed = new Set<string>()
  const closed: string[] = []
  const state = { settled: true }
  const sweeper = createStrangerLinks({
    clock, logger: silentLogger, links,
    session: (peer) => sessions.get(peer),
    isNeeded: (peer) => needed.has(peer),
    isSettled: () => state.settled,
    disconnect(peer) {
      closed.push(peer)
      links.delete(peer)
      return Promise.resolve()
    }
  })
  sweeper.start()
  return { clock, links, sessions, needed, closed, state, sweeper }
}

test('a link that this node made with a stranger is closed when it was idle for half a minute, and not before', () => {
  const w = world()
  w.links.set('top', { dialled: true })
  w.clock.advance(34_000)
  expect(w.closed).toEqual([])
  w.clock.advance(6_000)
  expect(w.closed).toEqual(['top'])
})

test('members, wanted ones, and links that the others made stay', () => {
  const w = world()
  w.links.set('hub', { dialled: true }).set('asker', { dialled: false })
  w.needed.add('hub')
  w.clock.advance(600_000)
  expect(w.closed).toEqual([])
})

test.each(['inFlight', 'inService'] as const)('the half minute begins when the last exchange is over: %s', (side) => {
  const w = world()
  w.links.set('top', { dialled: true })
  w.sessions.set('top', { inFlight: 0, inService: 0, [side]: 1 })
  w.clock.advance(100_000)
  w.sessions.set('top', { inFlight: 0, inService: 0 })
  w.clock.advance(29_000)
  expect(w.closed).toEqual([])
  w.clock.advance(11_000)
  expect(w.closed).toEqual(['top'])
})

test('one that is a member no more has its half minute too', () => {
  const w = world()
  w.links.set('old', { dialled: true })
  w.needed.add('old')
  w.clock.advance(60_000)
  w.needed.delete('old')
  w.clock.advance(29_000)
  expect(w.closed).toEqual([])
  w.clock.advance(11_000)
  expect(w.closed).toEqual(['old'])
})

test('as long as this node has no place, every link may show the way to one', () => {
  const w = world()
  w.state.settled = false
  w.links.set('top', { dialled: true })
  w.clock.advance(600_000)
  expect(w.closed).toEqual([])
  w.state.settled = true
  w.clock.advance(41_000)
  expect(w.closed).toEqual(['top'])
})

test('a new link with the same peer has its own half minute; after stop nothing is closed', () => {
  const w = world()
  w.links.set('top', { dialled: true })
  w.clock.advance(25_000)
  w.links.delete('top')
  w.clock.advance(6_000)
  w.links.set('top', { dialled: true })
  w.clock.advance(25_000)
  expect(w.closed).toEqual([])
  w.sweeper.stop()
  w.clock.advance(600_000)
  expect([w.closed, w.clock.pending]).toEqual([[], 0])
})
