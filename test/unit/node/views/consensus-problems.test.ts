import { describe, expect, test } from 'vitest'
import { consensusProblems, type ProblemFacts } from '../../../../src/node/views/consensus-problems.ts'

const NAMES = ['alpha', 'beta', 'gamma', 'delta', 'eps']

/** A group of `count` voters, of which the last `dead` are dead, the last `left` of these gone on purpose. */
function facts(count: number, dead: number, change: Partial<ProblemFacts> & { threshold?: number; left?: number } = {}): ProblemFacts {
  const { threshold = 0.7, left = 0, ...rest } = change
  const living = count - dead
  const needed = { lease: Math.floor(count / 2) + 1, settings: Math.max(Math.floor(count / 2) + 1, Math.ceil(threshold * count)) }
  const survives = { lease: Math.max(0, living - needed.lease), settings: Math.max(0, living - needed.settings) }
  const voters = NAMES.slice(0, count).map((name, index) => ({ peer: `12D3KooW${name}`, name, alive: index < living, left: index >= count - left, self: index === 0 }))
  return { group: { pool: 'root', name: '', tier: 'global', voters, version: 1, settled: true, needed, survives, damaged: [] }, isRoot: true, tiered: true, living, noHub: undefined, damagedAt: [], ...rest }
}

describe('what a person is told about a group', () => {
  test('nothing about one node alone, whose death nobody could outvote anyway', () => {
    expect(consensusProblems(facts(1, 0))).toEqual([])
    expect(consensusProblems(facts(1, 0, { tiered: false }))).toEqual([])
  })

  test('two members cannot outvote a death', () => {
    expect(consensusProblems(facts(1, 0, { living: 2 }))).toEqual(['1 of 1 votes is needed to choose a hub: if alpha dies, nobody can take over until it is back. With three members that live there are three voters.'])
  })

  test('three voters outvote one death for leases; a threshold of 0.7 survives none for settings', () => {
    expect(consensusProblems(facts(3, 0))).toEqual([
      '3 of 3 votes are needed for settings and bans: if one voter dies, none can change until it is back. Five voters, or a lower consensus.threshold on all nodes, would survive that.'
    ])
    expect(consensusProblems(facts(3, 0, { threshold: 0.5 }))).toEqual([])
    expect(consensusProblems(facts(3, 0, { isRoot: false }))).toEqual([])
  })

  test('one of three dead: the next death is one too many, and no setting can change', () => {
    expect(consensusProblems(facts(3, 1))).toEqual([
      '2 of 3 votes are needed to choose a hub: if alpha or beta dies, nobody can take over until it is back. Start gamma again, or wait until others take their place.',
      '3 of 3 votes are needed for settings and bans, but gamma is dead: none can change until enough of them are back or replaced.'
    ])
  })

  test('a majority dead: no hub can be chosen', () => {
    expect(consensusProblems(facts(3, 2, { isRoot: false, noHub: 'no hub: no quorum' }))).toEqual([
      'no hub: no quorum',
      'No quorum: 2 of 3 votes are needed to choose a hub, but beta and gamma are dead. Start them again: without them nobody can become hub.'
    ])
  })

  test('who said goodbye is not called dead: others take its place', () => {
    expect(consensusProblems(facts(3, 1, { left: 1 }))).toEqual([
      expect.stringMatching(/ if alpha or beta dies, nobody can take over until it is back\. gamma has left the pool: its place goes to another member after 15 s, if there are any\.$/),
      expect.stringMatching(/ but gamma has left the pool: none can change/)
    ])
    expect(consensusProblems(facts(5, 3, { left: 2, isRoot: false }))).toEqual([expect.stringMatching(/ but gamma is dead and delta and eps have left the pool\. Start or restart them: /)])
    expect(consensusProblems(facts(5, 2, { left: 1, isRoot: false }))).toEqual([expect.stringMatching(/Start delta again, or wait until others take their place\.$/)])
  })

  test('five voters survive two deaths for leases, one for settings', () => {
    expect(consensusProblems(facts(5, 0))).toEqual([])
    expect(consensusProblems(facts(5, 1))).toEqual([expect.stringMatching(/^4 of 5 votes are needed for settings and bans: if one voter dies/)])
    expect(consensusProblems(facts(5, 2))).toEqual([expect.stringMatching(/^3 of 5 .* if alpha, beta or gamma dies/), expect.stringMatching(/^4 of 5 .* delta and eps are dead/)])
  })

  test('leases interest nobody in a flat federation', () => {
    expect(consensusProblems(facts(3, 2, { tiered: false, threshold: 0.5 }))).toEqual([expect.stringMatching(/^2 of 3 votes are needed for settings/)])
  })

  test('a disk that takes no votes is told with its error, and as no damage', () => {
    const { group, ...rest } = facts(5, 0)
    expect(consensusProblems({ ...rest, group: { ...group, damaged: ['*'] }, unwritten: 'database or disk is full' })).toEqual([
      expect.stringMatching(/^This node cannot write down what it votes \(database or disk is full\), and abstains: make room /)
    ])
  })

  test('damage is told, with whose it is', () => {
    const { group, ...rest } = facts(5, 0)
    expect(consensusProblems({ ...rest, group: { ...group, damaged: ['hub', '*'] }, damagedAt: [{ name: 'beta', key: 'hub' }, { name: 'gamma', key: '*' }] })).toEqual([
      expect.stringMatching(/^This node has lost what it voted on hub /),
      expect.stringMatching(/^This node has lost what it voted on anything /),
      expect.stringMatching(/^beta cannot read or write down what it votes on hub,/),
      expect.stringMatching(/^gamma cannot read or write down what it votes on anything,/)
    ])
  })
})
