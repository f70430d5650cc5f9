import { expect, test } from 'vitest'
import type { Member, MemberState } from '../../../../src/membership/types.ts'
import { wantsStrangers } from '../../../../src/node/distant/strangers.ts'

const member = (peer: string, state: MemberState): Member => ({ peer, state, incarnation: 1, boot: 1, name: peer, version: '1', addresses: [], tier: 'leaf', region: '', since: 0 })

test.each<[string, boolean, Member[], boolean]>([
  ['a flat federation always looks for more', false, [member('me', 'alive'), member('a', 'alive')], true],
  ['with hubs, in company: no', true, [member('me', 'alive'), member('a', 'suspect')], false],
  ['with hubs, alone: yes', true, [member('me', 'alive')], true],
  ['with hubs, all others dead or gone: yes', true, [member('me', 'alive'), member('a', 'dead'), member('b', 'left')], true],
  ['in no pool yet: yes', true, [], true]
])('%s', (_, tiered, members, wanted) => expect(wantsStrangers({ members: () => members }, 'me', () => tiered)).toBe(wanted))
