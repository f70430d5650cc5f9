import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeConfig } from '../../../src/config/schema.ts'
import { RULES, TIER_THRESHOLD } from '../../../src/federation/quorum/rules.ts'
import { MAX_TOPOLOGY_DEPTH, MAX_TOPOLOGY_NODES } from '../../../src/wire/tiers-topology.ts'
import { constantOf, expectStated } from '../../support/stated.ts'

const page = readFileSync(new URL('../../../docs/tiers.md', import.meta.url), 'utf8')
const limit = (name: string) => constantOf('federation/tiers/limits.ts', name)
const score = (name: string) => constantOf('federation/tiers/score.ts', name)

describe('docs/tiers.md says what the code does', () => {
  test('about leases and voters', () => {
    expectStated(page, 'The lease of a hub lasts # and is renewed each #, on', [limit('LEASE_TTL'), limit('RENEW_EVERY')])
    expectStated(page, 'dead for # is replaced, one that said goodbye after #.', [limit('REPLACE_AFTER'), limit('REPLACE_LEFT_AFTER')])
    expectStated(page, 'the next ones # apart', [limit('RANK_DELAY')])
    expect([limit('DRIFT'), constantOf('federation/tiers/voters.ts', 'FULL')]).toEqual([1.1, 5])
  })

  test('about the choice of a hub', () => {
    expectStated(page, '1 / (1 + round trip / #)', [score('HALF_MS')])
    expectStated(page, '1 / (1 + kilometres / #)', [score('HALF_KM')])
    expect(page).toContain(`score = ${score('GEOGRAPHY')} × nearness + ${score('LOAD')} × (1 − load) + ${score('CAPACITY')} × free places / limit`)
    expectStated(page, 'Each #, with some chance', [limit('COMPARE_EVERY')])
    expectStated(page, 'after each look, up to #.', [limit('COMPARE_REST')])
    expectStated(page, 'has been where it is for # minutes', [limit('SETTLED_AFTER') / 60_000])
    expect([page.includes(`better by ${limit('BETTER_BY')} three times`), limit('BETTER_TIMES')]).toEqual([true, 3])
    expectStated(page, 'after # at first', [1_000])
    expectStated(page, 'alone in a pool for # that', [limit('ALONE_AFTER')])
    expectStated(page, 'Distant tools stay listed for #,', [constantOf('federation/summary/sources.ts', 'KEEP_LOST')])
  })

  test('about votes needed: the table of voters and deaths', () => {
    const rows = [...page.matchAll(/^\| (\d) \| (\d) \| (no|\d) deaths? \| (\d) \| (no|\d) deaths? \|$/gm)].map((row) => row.slice(1).map((cell) => (cell === 'no' ? 0 : Number(cell))))
    const needed = (key: string, count: number) => RULES.needed(key, count, TIER_THRESHOLD.global, count)
    expect(rows).toEqual([1, 2, 3, 5].map((count) => [count, needed('hub', count), count - needed('hub', count), needed('setting/max_tools', count), count - needed('setting/max_tools', count)]))
    expect(TIER_THRESHOLD).toEqual({ global: 0.7, regional: 0.6, local: 0.5, leaf: 0.5 })
  })

  test('about limits', () => {
    const defaults = ['federation.max_regional_hubs', 'federation.max_child_hubs', 'federation.max_clusters'].map((key) => describeConfig().find((row) => row.key === key)?.default)
    expect(page).toContain(`leaves of any hub | ${defaults.join(', ')} |`)
    expectStated(page, 'levels below the top | #, # |', [MAX_TOPOLOGY_NODES, MAX_TOPOLOGY_DEPTH])
  })
})
