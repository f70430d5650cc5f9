import { describe, expect, test } from 'vitest'
import { changeLine, membersTable } from '../../../src/cli/commands/members.ts'
import type { MemberInfo } from '../../../src/node/api.ts'

const member: MemberInfo = {
  peer: '12D3KooWB', name: 'beta', state: 'alive', self: false, tier: 'leaf', region: '', version: '0.1.0',
  addresses: [], incarnation: 1, since: 1_700_000_000_000, linked: true, pools: ['root']
}

describe('the table of members', () => {
  test('says this node, how long in the state, and what is not known', () => {
    const now = member.since + 125_000
    expect(membersTable([{ ...member, name: 'alpha', peer: '12D3KooWA', self: true, linked: false, region: 'eu' }, { ...member, rtt: 12.44 }, { ...member, name: 'c', state: 'dead', linked: false, since: now - 90_061_000 }], now)).toBe(
      [
        'NAME          STATE  TIER  REGION  VERSION  SINCE  RTT      LINK  PEER',
        'alpha (self)  alive  leaf  eu      0.1.0    2m 5s  -        -     12D3KooWA',
        'beta          alive  leaf  -       0.1.0    2m 5s  12.4 ms  yes   12D3KooWB',
        'c             dead   leaf  -       0.1.0    1d 1h  -        no    12D3KooWB'
      ].join('\n')
    )
  })

  test('with several pools it says who is in which, by the names of their founders', () => {
    const rows = membersTable([{ ...member, pools: ['root', member.peer] }, { ...member, peer: '12D3KooWC', name: 'c', pools: ['12D3KooWGone'] }, { ...member, peer: '12D3KooWD', name: 'd', pools: [] }], member.since)
    expect(rows.split('\n').map((row) => row.split(/ {2,}/).slice(-2).join(' | '))).toEqual(['POOLS | PEER', 'root, beta | 12D3KooWB', '12D3KooWGone | 12D3KooWC', '- | 12D3KooWD'])
  })

  test('the clock of this machine may have been set back', () => expect(membersTable([member], member.since - 5_000)).toContain(' 0s '))
})

describe('the line of a change', () => {
  const nameOf = (peer: string) => (peer === '12D3KooWA' ? 'alpha' : peer)
  const time = 1_700_000_000_123

  test.each([
    [{ type: 'joined' as const }, 'joined     beta (12D3KooWB)'],
    [{ type: 'suspected' as const, by: '12D3KooWA', evidence: 'silence' as const }, 'suspected  beta (12D3KooWB): accused by alpha, did not answer'],
    [{ type: 'failed' as const, was: 'suspect' as const, by: '12D3KooWX', evidence: 'refused' as const }, 'failed     beta (12D3KooWB): was suspect, accused by 12D3KooWX, its machine refuses connections'],
    [{ type: 'recovered' as const, was: 'dead' as const }, 'recovered  beta (12D3KooWB): was dead']
  ])('%j', (change, text) => expect(changeLine({ ...change, time, member }, nameOf)).toBe(`2023-11-14T22:13:20.123Z  ${text}`))

  test('a name cannot forge lines', () => {
    expect(changeLine({ type: 'left', time, member: { ...member, name: 'x\n2023\u001b[2J' } }, nameOf)).toBe('2023-11-14T22:13:20.123Z  left       x 2023 [2J (12D3KooWB)')
  })
})
