import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { PROFILES, type MembershipProfile } from '../../src/membership/profiles.ts'
import { suspicionMin } from '../../src/membership/suspicion.ts'
import { MAX_ADDRESSES } from '../../src/wire/swim-statements.ts'
import { constantOf, expectStated } from '../support/stated.ts'

const page = readFileSync(new URL('../../docs/membership.md', import.meta.url), 'utf8')
const { network } = loadConfig({ env: {}, cwd: '/' }).config
const profiles: [string, MembershipProfile][] = Object.entries(PROFILES)
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
const row = (cells: readonly unknown[]) => `| ${cells.join(' | ')} |`
const own = (file: string, name: string) => constantOf(`membership/${file}`, name)

/** SWIM: of N members that each probe one other an interval, the first probe of a given one is this many intervals away. */
const UNTIL_PROBED = 1 / (1 - Math.exp(-1)) - 1

/** As src/membership/rules.ts and probes.ts have them. */
function silentDeath(profile: MembershipProfile, members: number): string {
  const least = profile.suspicionTimeout ?? suspicionMin(profile.suspicionMult, members, profile.probeInterval)
  const verdict = Math.max(profile.probeInterval, 2 * profile.probeTimeout)
  const expected = UNTIL_PROBED * profile.probeInterval + verdict + least
  return `${seconds(expected)} (${seconds(least)} to ${seconds(least * profile.suspicionMaxMult)})`
}

const TIMES: [string, (profile: MembershipProfile) => string][] = [
  ['probe interval', ({ probeInterval }) => seconds(probeInterval)],
  ['probe timeout', ({ probeTimeout }) => seconds(probeTimeout)],
  ['others asked', ({ indirectProbes }) => `${indirectProbes}`],
  ['news: every, to how many', ({ gossipInterval, gossipFanout }) => `${seconds(gossipInterval)}, ${gossipFanout}`],
  ['comparison with a random member', ({ syncInterval }) => seconds(syncInterval)],
  ['the dead are told news for', ({ deadGossipTime }) => seconds(deadGossipTime)]
]

const rows = {
  TABLE: [3, 8, 16, 32, 64, 128, 500, 1_000].map((members) => row([members === 1_000 ? '1 000' : members, ...profiles.map(([, profile]) => silentDeath(profile, members))])),
  PROFILES: TIMES.map(([what, of]) => row([what, ...profiles.map(([, profile]) => of(profile))]))
}

/** Sentences of docs/membership.md (`#` stands for an amount) and what the code has there. */
const STATED: [string, number[]][] = [
  ['stay in the list for #,', [own('rules.ts', 'TOMBSTONE_TIME')]],
  ['at most # members, those that are remembered included', [own('table.ts', 'MAX_MEMBERS')]],
  ['of at most #. *Refused* is evidence: when # distinct members', [own('driver.ts', 'KNOCK_TIMEOUT'), own('rules.ts', 'REFUSALS_WANTED')]],
  ['knocks twice, # apart', [own('evidence.ts', 'SECOND_KNOCK')]],
  ['then through # others', [PROFILES.lan.indirectProbes]],
  ['(0 to #)', [PROFILES.lan.healthMax - 1]],
  ['stood still (more than #)', [own('swim.ts', 'STALL')]],
  ['`network.mesh_size` members (#)', [network.meshSize]],
  ['at most # new members a second and # a second of those', [1_000 / own('dialler.ts', 'JOINED_INTERVAL'), 1_000 / own('dialler.ts', 'AGAIN_INTERVAL')]],
  ['waits # for it', [own('links.ts', 'TURN')]],
  ['no new member in the first # after a join was heard of, for news go first: # for each join that came shortly before, up to #, and joins that keep coming hold dials up for # at most', [own('settling.ts', 'SETTLE'), own('settling.ts', 'SETTLE_EACH'), own('settling.ts', 'LONGEST_SETTLE'), own('settling.ts', 'MAX_HOLD')]],
  ['(each newcomer once in # at most)', [own('swim.ts', 'ANNOUNCE_EVERY')]],
  ['dialled for # by all the living together about every #, afterwards # times less often, with # for each dial', [own('dead-rounds.ts', 'FRESH'), own('dead-rounds.ts', 'SPACING'), own('dead-rounds.ts', 'OLD_FACTOR'), own('dialler.ts', 'DEAD_TIMEOUT')]],
  ['only the newest ones are kept (#)', [constantOf('net/member-network.ts', 'MAX_WAITING_BYTES')]],
  ['Within # of a start', [own('self.ts', 'JOINING_TIME')]],
  ['up to # addresses', [MAX_ADDRESSES]],
  ['is asked # times at most, beside the members', [own('sync.ts', 'MAX_ASKED')]],
  ['answers that it has left (from # after its start on', [own('away.ts', 'AWAY_AFTER')]],
  ['If it says nothing within #, its connection', [own('links.ts', 'MUTE')]],
  ['one answer moves nobody by more than #,', [own('coordinates/vivaldi.ts', 'MAX_STEP')]]
]

describe('docs/membership.md is what the code does', () => {
  test.each(STATED)('%s', (sentence, values) => expectStated(page, sentence, values))

  test.each(Object.entries(rows))('the rows of %s', (_name, lines) => {
    expect(page).toContain(`|---|---|---|---|---|\n${lines.join('\n')}\n\n`)
  })

  test('two confirmations bring a suspicion to its shortest', () => expect(profiles.map(([, { confirmations }]) => confirmations)).toEqual([2, 2, 2, 2]))
})
