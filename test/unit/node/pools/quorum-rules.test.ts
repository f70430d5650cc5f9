import { describe, expect, test } from 'vitest'
import { banProblem, createQuorumRules } from '../../../../src/node/pools/quorum-rules.ts'
import { encodeRegister } from '../../../../src/wire/federation-registers.ts'
import { testSigner } from '../../../support/security-world.ts'

const [founder, hub, leaf, stranger] = [1, 2, 3, 4].map((seed) => testSigner(seed).peer) as [string, string, string, string]
const TIERS = new Map([[founder, 'leaf'], [hub, 'local'], [leaf, 'leaf']])
const asked: string[] = []

const rules = createQuorumRules({
  founder,
  group: () => ({ voters: () => ({ version: 2, peers: [founder, hub, leaf], settled: true }) }),
  isBanned: () => false,
  tierOf: (peer) => TIERS.get(peer),
  tiers: () => ({ permits: (pool, key, _current, _next, { proposer }) => (asked.push(`${pool} ${key} ${proposer}`), true) })
})
const permits = (pool: string, key: string, value: unknown) =>
  rules.permits(pool, key, undefined, { version: 1, data: typeof value === 'string' && key === 'hub' ? Buffer.from(value) : encodeRegister(key, value) }, { age: 0, proposer: hub })

describe('who may propose settings and bans', () => {
  test.each([['the founder, whatever its credential says', founder, true], ['a node that is meant to be a hub', hub, true], ['a leaf', leaf, false], ['somebody in no pool of this node', stranger, false]])('%s: %s', (_, peer, may) => {
    expect(rules.mayPropose('root', peer)).toBe(may)
  })
})

describe('what is voted on', () => {
  test('leases, by the rules of the tiers, with who proposes', () => {
    asked.length = 0
    expect(permits('root', 'hub', 'x')).toBe(true)
    expect(asked).toEqual([`root hub ${hub}`])
  })

  test('settings there are, and bans, in root only', () => {
    expect(permits('root', 'setting/max_tools', 100)).toBe(true)
    expect(permits('root', `ban/${stranger}`, 'bad')).toBe(true)
    expect(permits('root', `ban/${founder}`, 'bad')).toMatch(/founder/)
    expect(permits(hub, 'setting/max_tools', 100)).toMatch(/no register setting\/max_tools/)
    for (const [pool, key] of [['root', 'setting/junk'], ['root', 'ban/x'], ['root', 'junk'], [hub, `ban/${stranger}`]] as const) {
      expect(rules.isRegister(pool, key)).toBe(false)
      expect(rules.permits(pool, key, undefined, { version: 1, data: undefined }, { age: 0 })).toMatch(/no register/)
    }
    for (const key of ['hub', 'voters']) expect([rules.isRegister('root', key), rules.isRegister(hub, key)]).toEqual([true, true])
  })
})

describe('what speaks against a ban', () => {
  const [SELF, B, C, D, E] = [1, 2, 3, 4, 5].map((n) => testSigner(n).peer) as [string, string, string, string, string]

  test.each([
    ['nothing, of a node that does not vote', E, [B, C, D], [], undefined],
    ['nothing, of one of three', C, [B, C, D], [], undefined],
    ['the founder', B, [C, D, E], [], /founder/],
    ['the only voter', C, [C], [], /one of 1 voters/],
    ['one of two', C, [C, D], [], /one of 2 voters/],
    ['the second of three', C, [B, C, D], [D], /one of 3 voters/],
    ['the second of five', C, [B, C, D, E, SELF], [D], undefined],
    ['the third of five', C, [B, C, D, E, SELF], [D, E], /one of 5 voters/],
    ['one that is banned already', D, [B, C, D], [D], undefined]
  ] as const)('%s', (_what, peer, voters, banned, problem) => {
    const found = banProblem(peer, { founder: B, voters, isBanned: (other) => (banned as readonly string[]).includes(other) })
    if (problem === undefined) expect(found).toBeUndefined()
    else expect(found).toMatch(problem)
  })
})
