import { describe, expect, test } from 'vitest'
import { decideLease, permitsLease, rankDelay, vacancyOf, type LeaseFacts } from '../../../../src/federation/tiers/lease.ts'
import type { Lease } from '../../../../src/wire/tiers-types.ts'

const LEASE: Lease = { holder: 'h', token: 3, ttl: 15_000, tier: 'local', region: '', proper: true }
const FACTS: LeaseFacts = {
  self: 'a', tier: 'local', ownTier: 'leaf', now: 100_000, lease: LEASE, seenAt: 99_000, holderGone: false, wanted: true, resigning: false,
  voters: ['h', 'a', 'b'], living: () => true, stable: () => true, tierOf: () => 'leaf'
}
const decide = (facts: Partial<LeaseFacts>) => decideLease({ ...FACTS, ...facts })

describe('what a node does about a lease', () => {
  test.each<[string, Partial<LeaseFacts>, ReturnType<typeof decideLease>]>([
    ['it is another one\'s', {}, { do: 'wait', until: 115_500 }],
    ['it is its own', { self: 'h', ownTier: 'local' }, { do: 'hold' }],
    ['it has run out, and a tenth more for the clocks', { now: 115_500 }, { do: 'take', cause: 'expired', rank: 1 }],
    ['… which is 16.5 s, not 15', { now: 115_499 }, { do: 'wait', until: 115_500 }],
    ['the holder is proved to be gone', { holderGone: true }, { do: 'take', cause: 'gone', rank: 0 }],
    ['the second standby', { self: 'b', holderGone: true }, { do: 'take', cause: 'gone', rank: 1 }],
    ['the second standby, the first dead too', { self: 'b', holderGone: true, living: (peer) => peer === 'b' }, { do: 'take', cause: 'gone', rank: 0 }],
    ['the holder has resigned', { lease: { ...LEASE, resigned: true } }, { do: 'take', cause: 'resigned', rank: 0 }],
    ['it named another one', { lease: { ...LEASE, resigned: true, successor: 'b' } }, { do: 'take', cause: 'resigned', rank: 1 }],
    ['nobody ever had it', { lease: undefined, voters: ['a'] }, { do: 'take', cause: 'first', rank: 0 }],
    ['nobody needs it', { lease: undefined, wanted: false }, { do: 'none' }],
    ['not a voter', { self: 'x', holderGone: true }, { do: 'none' }],
    ['it is about to stop', { holderGone: true, resigning: true }, { do: 'none' }],
    ['it is about to stop, and holds', { self: 'h', resigning: true }, { do: 'hand-over', to: undefined }],
    ['… but nobody could take it', { self: 'h', resigning: true, living: (peer) => peer === 'h' }, { do: 'hold' }],
    ['held by a stopgap, a node of the tier is there', { self: 'h', lease: { ...LEASE, proper: false }, tierOf: (peer) => (peer === 'b' ? 'local' : 'leaf') }, { do: 'hand-over', to: 'b' }],
    ['… but not for long yet', { self: 'h', lease: { ...LEASE, proper: false }, tierOf: () => 'local', stable: () => false }, { do: 'hold' }],
    ['… and the pool had one before', { self: 'h', tierOf: () => 'local' }, { do: 'hold' }]
  ])('%s', (_, facts, action) => {
    expect(decide(facts)).toEqual(action)
  })

  test('a global node is first when the top never had a hub', () => {
    const facts = { lease: undefined, tier: 'global' as const, voters: ['a', 'g'], tierOf: (peer: string) => (peer === 'g' ? ('global' as const) : ('leaf' as const)) }
    expect(decide(facts)).toEqual({ do: 'take', cause: 'first', rank: 1 })
    expect(decide({ ...facts, self: 'g' })).toEqual({ do: 'take', cause: 'first', rank: 0 })
  })

  test('the first standby does not wait, the others 400 ms each and by chance', () => {
    expect([rankDelay(0, 150), rankDelay(1, 150), rankDelay(2, 0)]).toEqual([0, 550, 800])
  })
})

describe('what a voter permits', () => {
  const at = { lease: LEASE, seenAt: 0, now: 1_000, holderGone: false }
  const next: Lease = { ...LEASE, holder: 'a', token: 4 }
  test.each<[string, Partial<typeof at>, Lease | undefined, true | RegExp]>([
    ['a renewal', {}, { ...LEASE, parent: 'root' }, true],
    ['a resignation', {}, { ...LEASE, resigned: true }, true],
    ['another holder while the lease runs', {}, next, /h holds the lease for 15500 ms more/],
    ['another holder after that', { now: 16_500 }, next, true],
    ['another holder, the first gone', { holderGone: true }, next, true],
    ['the same fencing number for another holder', { holderGone: true }, { ...next, token: 3 }, /fencing number after 3 is 4/],
    ['a lower one', { holderGone: true }, { ...next, token: 2 }, /fencing number after 3 is 4, not 2/],
    ['the holder itself, with the next number', {}, { ...LEASE, token: 4 }, true],
    ['a deletion', {}, undefined, /cannot be deleted/]
  ])('%s', (_, facts, wanted, verdict) => {
    const said = permitsLease({ ...at, ...facts }, wanted)
    if (verdict === true) expect(said).toBe(true)
    else expect(said).toMatch(verdict)
  })

  test('who has resigned needs a new number', () => {
    const resigned = { ...at, lease: { ...LEASE, resigned: true } }
    expect(permitsLease(resigned, LEASE)).toMatch(/anew/)
    expect(permitsLease(resigned, { ...LEASE, token: 4 })).toBe(true)
  })

  test('is proposed by whoever is to hold it: nobody makes another one hub, or has it resign in favour of somebody', () => {
    const by = (proposer: string | undefined) => ({ ...at, now: 1_000_000, proposer })
    expect(permitsLease(by('b'), { ...LEASE, holder: 'a', token: 4 })).toMatch(/proposed by whoever is to hold it/)
    expect(permitsLease(by('b'), { ...LEASE, resigned: true, successor: 'b' })).toMatch(/proposed by whoever is to hold it/)
    expect(permitsLease({ ...by('b'), lease: undefined }, { ...LEASE, holder: 'a', token: 1 })).toMatch(/proposed by/)
    expect(permitsLease(by('a'), { ...LEASE, holder: 'a', token: 4 })).toBe(true)
    expect(permitsLease(by('h'), { ...LEASE, resigned: true, successor: 'b' })).toBe(true)
    // What another began is put to the vote by whoever finds it.
    expect(permitsLease(by(undefined), { ...LEASE, holder: 'a', token: 4 })).toBe(true)
  })

  test('the first one begins with 1', () => {
    expect(permitsLease({ ...at, lease: undefined }, { ...LEASE, token: 1 })).toBe(true)
    expect(permitsLease({ ...at, lease: undefined }, LEASE)).toMatch(/number 1/)
  })

  test('silence alone is no reason before the time is over', () => {
    expect(vacancyOf({ ...at, now: 16_499 })).toEqual({ until: 16_500 })
    expect(vacancyOf({ ...at, now: 16_500 })).toEqual({ cause: 'expired' })
  })
})
