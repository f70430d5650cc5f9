import { expect, test } from 'vitest'
import { tierNotice } from '../../../../src/node/pools/tier-notice.ts'

test('a node that is configured for no more than its credential says has nothing to be told', () => {
  expect(tierNotice('leaf', 'leaf', { founder: false })).toBeUndefined()
  expect(tierNotice('leaf', 'global', { founder: false })).toBeUndefined()
  expect(tierNotice('local', 'regional', { founder: false })).toBeUndefined()
})

test('one that is to be more is told what that means, and what to do', () => {
  const notice = tierNotice('global', 'leaf', { founder: false })
  expect(notice).toMatch(/hub_tier is global, but the credential of this node is for tier leaf/)
  expect(notice).toMatch(/may not propose settings or bans/)
  expect(notice).toMatch(/skein token create --tier global/)
})

test('a founder, and a hub of a lower tier, may propose', () => {
  expect(tierNotice('global', 'leaf', { founder: true })).not.toMatch(/propose/)
  expect(tierNotice('global', 'local', { founder: false })).not.toMatch(/propose/)
})
