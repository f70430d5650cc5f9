// B11 of the membership anchors (memberlist's push/pull is a comparison of hashes, then of lists, here).
import { describe, expect, test } from 'vitest'
import { alive, BOOT, createOne, dead, leave, SELF, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

function five(o: Parameters<typeof createOne>[0] = {}): One {
  const one = createOne(o)
  one.join('a', 'b', 'c', 'd')
  return one
}

const stateOf = (one: One, peer: string) => one.swim.member(peer)?.state

describe('B11 sync', () => {
  const state = (one: One, ...updates: Parameters<One['hear']>[1][]) => one.message('b', { kind: 'state', nonce: 1, want: [], updates })

  test.each([
    ['alive at a higher incarnation applies', [alive('a', 2, { name: 'new' })], ['updated a'], 'alive'],
    ['suspect is suspect', [suspect('a', 'b')], ['suspected a'], 'suspect'],
    ['dead is suspect', [alive('a', 1), dead('a', 'b')], ['suspected a'], 'suspect'],
    ['left is left', [alive('a', 1), leave('a')], ['left a'], 'left'],
    ['an unknown alive joins', [alive('x')], ['joined x'], 'alive'],
    ['an unknown alive that is dead to the other joins as a suspect, so that it can object', [alive('x'), dead('x', 'b')], ['joined x', 'suspected x'], 'suspect'],
    ['an unknown one that left is no event', [alive('x'), leave('x')], ['joined x', 'left x'], 'left']
  ])('%s', (_name, updates, told, expected) => {
    const one = five()
    state(one, ...updates)
    expect(one.told()).toEqual(told)
    expect(stateOf(one, updates[0]?.statement.subject ?? '')).toBe(expected)
  })

  test('one with the same members is answered with `same`, another gets the list', () => {
    const [one, other] = [five(), five({ seed: 2 })]
    const hash = (from: One) => {
      from.clear()
      from.step({ type: 'link-up', peer: 'new', address: '/dns4/new/tcp/1', dialled: false })
      return from.sent('sync', 'new')[0]?.message.hash ?? new Uint8Array()
    }
    const same = hash(other)
    one.message('b', { kind: 'sync', nonce: 7, hash: same, updates: [] })
    expect(one.sent('same', 'b').map(({ message }) => message.nonce)).toEqual([7])
    one.hear('b', alive('x'))
    one.message('b', { kind: 'sync', nonce: 8, hash: same, updates: [] })
    const [list] = one.sent('digest', 'b')
    expect(list?.message.nonce).toBe(8)
    expect(list?.message.entries.map(({ peer }) => peer).toSorted()).toEqual(['a', 'b', 'c', 'd', SELF, 'x'])
  })

  test('a suspicion alone does not make two members compare lists', () => {
    const [one, other] = [five(), five({ seed: 2 })]
    other.hear('b', suspect('a', 'b'))
    other.step({ type: 'link-up', peer: 'new', address: '/dns4/new/tcp/1', dialled: false })
    one.message('b', { kind: 'sync', nonce: 7, hash: other.sent('sync', 'new')[0]?.message.hash ?? new Uint8Array(), updates: [] })
    expect(one.sent('same', 'b')).toHaveLength(1)
  })

  test('a list is answered with what the other lacks, and a wish for what is missing here', () => {
    const one = five()
    one.hear('d', alive('d', 4))
    one.clear()
    const up = (peer: string, incarnation: number) => ({ peer, incarnation, standing: 'up' as const })
    one.message('b', { kind: 'digest', nonce: 9, entries: [up('b', 1), up('c', 3), up('d', 1), up('x', 1), up(SELF, BOOT)], updates: [] })
    const [answer] = one.sent('state', 'b')
    expect(answer?.message.want.toSorted()).toEqual(['c', 'x'])
    expect(answer?.message.updates.map(({ statement }) => `${statement.kind} ${statement.subject} ${statement.incarnation}`).toSorted()).toEqual(['alive a 1', 'alive d 4'])
    one.clear()
    one.message('b', { kind: 'state', nonce: 10, want: ['c', 'nobody'], updates: [] })
    expect(one.sent('state', 'b').flatMap(({ message }) => message.updates.map(({ statement }) => statement.subject))).toEqual(['c'])
  })

  test('who still lists a dead or left one as up is told of its end', () => {
    const one = five()
    one.hear('c', dead('a', 'c'))
    one.run(10_000)
    expect(stateOf(one, 'a')).toBe('dead')
    one.hear('d', leave('d'))
    one.clear()
    one.message('b', { kind: 'digest', nonce: 9, entries: ['a', 'b', 'c', 'd'].map((peer) => ({ peer, incarnation: 1, standing: 'up' as const })), updates: [] })
    const kinds = one.sent('state', 'b').flatMap(({ message }) => message.updates.map(({ statement }) => `${statement.kind} ${statement.subject}`))
    expect(kinds.toSorted()).toEqual(['alive a', 'alive d', `alive ${SELF}`, 'dead a', 'leave d'])
  })
})

test('an end that is known on both sides is not sent to and fro', () => {
  const one = five()
  one.hear('c', dead('a', 'c'))
  one.run(10_000)
  expect(stateOf(one, 'a')).toBe('dead')
  one.clear()
  one.message('b', { kind: 'state', nonce: 9, want: [], updates: [alive('a', 1), dead('a', 'c')] })
  expect(one.sent('state', 'b')).toEqual([])
})
