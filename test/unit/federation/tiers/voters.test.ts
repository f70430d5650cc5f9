import { describe, expect, test } from 'vitest'
import { decideVoters, type Candidate, type VoterFacts } from '../../../../src/federation/tiers/voters.ts'
import type { Tier } from '../../../../src/wire/admission-documents.ts'

const TIERS_OF: Record<string, Tier> = { g: 'global', r: 'regional', s: 'regional' }
const tierOf = (peer: string): Tier => TIERS_OF[peer] ?? 'leaf'
const candidates = (...peers: string[]): Candidate[] => peers.map((peer, since) => ({ peer, since, tier: tierOf(peer) }))

function decide(voters: string[], there: string[], more: Partial<VoterFacts> = {}): string[] | undefined {
  return decideVoters({
    tier: 'global', voters, settled: true, manager: voters[0] as string, candidates: candidates(...there), tierOf,
    gone: (peer) => !there.includes(peer), living: (peer) => there.includes(peer), ...more
  })
}

/** Until nothing is to be done. */
function all(voters: string[], there: string[]): string[] {
  let now = voters
  for (let steps = 0; steps < 20; steps++) {
    const next = decide(now, there)
    if (next === undefined) return now
    expect(Math.abs(next.length - now.length)).toBe(1)
    now = next
  }
  throw new Error('it never ends')
}

describe('voters', () => {
  test('two members: one voter, for a majority of two would need both', () => {
    expect(decide(['a'], ['a', 'b'])).toBeUndefined()
  })

  test('three members: three voters; five: five; more: five', () => {
    expect(all(['a'], ['a', 'b', 'c'])).toEqual(['a', 'b', 'c'])
    expect(all(['a'], ['a', 'b', 'c', 'd'])).toEqual(['a', 'b', 'c'])
    expect(all(['a'], ['a', 'b', 'c', 'd', 'e', 'f'])).toHaveLength(5)
  })

  test('of two that are left the one that manages is the first, which decides alone who votes', () => {
    expect(decide(['a', 'b', 'c'], ['a', 'b'], { manager: 'b' })).toEqual(['b', 'a'])
    expect(decide(['a', 'b', 'c', 'd'], ['a', 'b', 'c'], { manager: 'b' })).toEqual(['a', 'b', 'c'])
  })

  test('one at a time, and none before the last one is settled', () => {
    expect(decide(['a'], ['a', 'b', 'c'])).toEqual(['a', 'b'])
    expect(decide(['a', 'b'], ['a', 'b', 'c'], { settled: false })).toBeUndefined()
  })

  test('the nearest to the tier of the pool first, of these the longest alive, then by peer id', () => {
    expect(decide(['g'], ['g', 'a', 'r', 's'])).toEqual(['g', 'r'])
    expect(decide(['g'], ['g', 'z', 'y'], { candidates: ['g', 'z', 'y'].map((peer) => ({ peer, tier: tierOf(peer), since: 1 })) })).toEqual(['g', 'y'])
  })

  test('one that is gone makes room for another', () => {
    expect(decide(['a', 'b', 'c'], ['a', 'c', 'd'])).toEqual(['a', 'c'])
    expect(all(['a', 'b', 'c'], ['a', 'c', 'd'])).toEqual(['a', 'c', 'd'])
  })

  test('one that is dead for a short time stays', () => {
    expect(decide(['a', 'b', 'c'], ['a', 'c', 'd'], { gone: () => false })).toBeUndefined()
  })

  test('nobody to replace it: down to one', () => {
    expect(all(['a', 'b', 'c'], ['a', 'c'])).toEqual(['a'])
    expect(all(['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c'])).toHaveLength(3)
  })

  test('a leaf makes room for a hub at the top, while all are well', () => {
    expect(decide(['g', 'a', 'b'], ['g', 'a', 'b', 'r'])).toEqual(['g', 'a'])
    expect(all(['g', 'a', 'b'], ['g', 'a', 'b', 'r', 's']).toSorted()).toEqual(['a', 'b', 'g', 'r', 's'])
    expect(decide(['g', 'a', 'b'], ['g', 'a', 'r'], { gone: () => false })).toBeUndefined()
  })

  test('the manager always stays', () => {
    expect(decide(['a', 'r', 's'], ['a', 'r', 's', 'g'], { manager: 'a' })).toEqual(['a', 'r'])
  })
})
