import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as limits from '../../../../src/federation/tiers/limits.ts'
import { MAX_CONTACTS, MAX_HUBS } from '../../../../src/wire/tiers.ts'
import { MAX_TOPOLOGY_BYTES, MAX_TOPOLOGY_DEPTH, MAX_TOPOLOGY_HOPS, MAX_TOPOLOGY_NODES } from '../../../../src/wire/tiers-topology.ts'

const page = readFileSync(new URL('../../../../protocols/tiers.md', import.meta.url), 'utf8')
const grouped = (value: number) => String(value).replace(/\B(?=(\d{3})+$)/g, ' ')

/** `#` stands for the number. */
test.each<[string, number]>([
  ['after # s without a place', limits.HOME_WITHIN / 1_000],
  ['lost from its pool for # s', limits.ALONE_AFTER / 1_000],
  ['no hub for # s and too few', limits.HOPELESS_AFTER / 1_000],
  ['(by # in value', limits.BETTER_BY],
  ['# s apart, after', limits.COMPARE_EVERY / 1_000],
  ['at last every # s) is followed', limits.COMPARE_REST / 1_000],
  ['after # minutes at the old one', limits.SETTLED_AFTER / 60_000],
  ['by chance over # s', limits.FIRST_MOVE_SPREAD / 1_000],
  ['and # ms for each member', limits.FIRST_MOVE_EACH],
  ['up to # members `{peer', MAX_CONTACTS],
  ['up to # hubs, best first', MAX_HUBS],
  ['A place is kept for # s', limits.RESERVED_FOR / 1_000],
  ['An answer has # s', limits.ASK_WITHIN / 1_000],
  ['doubling up to # s', limits.SEEK_BACKOFF.cap / 1_000],
  ['ms it holds: #', limits.LEASE_TTL],
  ['renews it every # s', limits.RENEW_EVERY / 1_000],
  ['(# s since it last voted', (limits.LEASE_TTL * limits.DRIFT) / 1_000],
  ['propose after # ms for each', limits.RANK_DELAY],
  ['up to # ms by chance', limits.RANK_JITTER],
  ['lost twice within # minutes', limits.AVOID_FOR / 60_000],
  ['passed on: at most # times', MAX_TOPOLOGY_HOPS],
  ['alive for # s, up to 5', limits.STABLE_AFTER / 1_000],
  ['A voter dead for # s', limits.REPLACE_AFTER / 1_000],
  ['a goodbye for # s', limits.REPLACE_LEFT_AFTER / 1_000],
  ['`depth` levels (#)', MAX_TOPOLOGY_DEPTH],
  ['`max` nodes (#)', MAX_TOPOLOGY_NODES],
  ['At most # KiB.', MAX_TOPOLOGY_BYTES / 1_024]
])('the page says %s: %d', (text, value) => {
  expect(page).toContain(text.replace('#', grouped(value)))
})
