// The numbers that the documentation and the operations guide may quote for the shipped profiles. Whoever changes a profile changes them here and there
// (docs/membership.md has its own test).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { MembershipProfile, ProfileName } from '../../../src/membership/profiles.ts'
import { retransmitLimit, suspicionTimes, syncScale } from '../../../src/membership/suspicion.ts'

/** Shortest and longest suspicion, s; transmissions of each item of news; seconds between two syncs of one member, before jitter. */
test.each<[ProfileName, number, number, number, number, number]>([
  ['lan', 3, 3, 18, 4, 30],
  ['lan', 16, 3.612, 21.672, 8, 30],
  ['lan', 32, 4.515, 27.09, 8, 30],
  ['lan', 100, 6, 36, 12, 90],
  ['lan', 1000, 9, 54, 16, 180],
  ['wan', 3, 12, 72, 4, 60],
  ['wan', 16, 14.448, 86.688, 8, 60],
  ['wan', 32, 18.06, 108.36, 8, 60],
  ['wan', 100, 24, 144, 12, 180],
  ['wan', 1000, 36, 216, 16, 360],
  ['local', 3, 2, 12, 4, 15],
  ['local', 16, 2.408, 14.448, 8, 15],
  ['local', 32, 3.01, 18.06, 8, 15],
  ['local', 100, 4, 24, 12, 45],
  ['local', 1000, 6, 36, 16, 90],
  ['guide', 3, 30, 30, 4, 30],
  ['guide', 16, 30, 30, 8, 30],
  ['guide', 32, 30, 30, 8, 30],
  ['guide', 100, 30, 30, 12, 90],
  ['guide', 1000, 30, 30, 16, 180]
])('%s, %d members: suspicion %d to %d s, %d transmissions, sync each %d s', (name, members, shortest, longest, transmissions, sync) => {
  const profile = PROFILES[name]
  const { min, max } = suspicionTimes(profile, members)
  expect([min / 1_000, max / 1_000]).toEqual([shortest, longest])
  expect(retransmitLimit(profile.retransmitMult, members)).toBe(transmissions)
  expect((profile.syncInterval * syncScale(members)) / 1_000).toBe(sync)
})

test('two confirmations bring every suspicion to its shortest, as soon as two others are there', () => {
  for (const profile of Object.values<MembershipProfile>(PROFILES)) {
    expect([2, 3, 4, 1_000].map((members) => suspicionTimes(profile, members).wanted)).toEqual([0, 1, 2, 2])
  }
})

describe('protocols/swim.md quotes the profiles', () => {
  const page = readFileSync(new URL('../../../protocols/swim.md', import.meta.url), 'utf8')
  test.each<[string, keyof MembershipProfile]>([
    ['probe interval', 'probeInterval'],
    ['probe timeout', 'probeTimeout'],
    ['suspicion multiplier', 'suspicionMult'],
    ['gossip interval', 'gossipInterval'],
    ['gossip, members at a time', 'gossipFanout'],
    ['gossip multiplier', 'retransmitMult'],
    ['sync interval', 'syncInterval'],
    ['dead ones are told for', 'deadGossipTime']
  ])('%s', (label, key) => {
    const row = page.split('\n').find((line) => line.startsWith(`| ${label} |`)) ?? ''
    const quoted = row.split('|').slice(2, -1).map((cell) => Number(cell.replaceAll(/\s/g, '')))
    expect(quoted).toEqual((['lan', 'wan', 'local', 'guide'] as const).map((name) => PROFILES[name][key as 'probeInterval']))
  })
})
