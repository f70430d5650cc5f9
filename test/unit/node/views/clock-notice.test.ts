import { expect, test } from 'vitest'
import type { Member } from '../../../../src/membership/types.ts'
import { clockNotice } from '../../../../src/node/views/clock-notice.ts'

const member = (peer: string, change: Partial<Member> = {}): Member => ({ peer, name: peer, state: 'alive', tier: 'leaf', region: '', version: '1', addresses: [], incarnation: 1, since: 0, ...change }) as Member
const FOUR = ['me', 'a', 'b', 'c'].map((peer) => member(peer))
const notice = (members: readonly Member[], records: readonly string[], now = 100_000) => clockNotice({ self: 'me', members, hasRecord: (peer) => records.includes(peer), now })

test('a node whose clock is ahead finds all records expired, and says so', () => {
  expect(notice(FOUR, ['me'])).toMatch(/^3 of 3 living members have no record here .* the clock of this machine is probably wrong/)
  expect(notice(FOUR, ['me', 'a'])).toMatch(/^2 of 3 /)
})

test('one other whose clock is wrong, those that came just now, the dead and a node alone are no reason', () => {
  expect(notice(FOUR, ['me', 'a', 'b'])).toBeUndefined()
  expect(notice(FOUR, ['me'], 30_000)).toBeUndefined()
  expect(notice(FOUR.map((one) => (one.peer === 'me' ? one : { ...one, state: 'dead' as const })), ['me'])).toBeUndefined()
  expect(notice([member('me')], ['me'])).toBeUndefined()
})
