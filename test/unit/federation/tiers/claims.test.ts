import { expect, test } from 'vitest'
import { createView } from '../../../../src/federation/tiers/view.ts'
import type { PoolKeeper } from '../../../../src/federation/tiers/keeper.ts'
import type { TiersDeps, TiersOptions } from '../../../../src/federation/tiers/ports.ts'
import type { NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { nodeRecord } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const claim = (peer: string, token: number): NodeRecord => nodeRecord(peer, { hub: { pool: 'p', tier: 'local', token, children: 0, hubRoom: 0, leafRoom: 5, load: 0 } })

test.each([
  ['the newest lease', [['a', 3], ['b', 5], ['c', 4]], 'b'],
  ['the newest that can be', [['a', 3], ['b', Number.MAX_SAFE_INTEGER], ['c', 4]], 'c'],
  ['in whatever order they come', [['b', Number.MAX_SAFE_INTEGER], ['c', 4], ['a', 3]], 'c']
])('of several that say to be hub of a pool, the one with %s is told of', (_, claims, expected) => {
  const member = { state: 'alive' as const, name: '', addresses: [], tier: 'local', region: '', since: 0 }
  const deps = {
    clock: createManualClock(),
    members: { members: () => [], member: (peer: string) => ({ peer, ...member }), onPoolEvent: () => () => {} },
    catalog: { records: () => claims.map(([peer, token]) => claim(String(peer), Number(token))) }
  } as unknown as TiersDeps
  const keeper = { pool: 'root', tier: 'global', lease: () => undefined, acting: () => false } as unknown as PoolKeeper
  const view = createView(deps, { self: 'self' } as TiersOptions, new Map([['root', keeper]]))
  expect(view.hubs().map(({ peer, pool }) => [peer, pool])).toEqual([[expected, 'p']])
})
