import { expect, test } from 'vitest'
import type { Proposal } from '../../../../src/federation/quorum/proposal.ts'
import { createTurns } from '../../../../src/federation/quorum/turns.ts'
import type { ProposalInfo } from '../../../../src/federation/quorum/types.ts'

/** One that is done as soon as it has begun. */
function over(key: string, started: number, state: ProposalInfo['state'] = 'decided'): Proposal {
  const info: ProposalInfo = { pool: 'root', key, op: 'aa', what: 'change', state, started, ended: started, deadline: started, rounds: 1, needed: 1, votes: 1 }
  return { start() {}, tick() {}, nextWake: () => undefined, reported: () => true, done: () => true, broken() {}, info: () => info }
}

test('renewals of a lease do not push out what else was decided', () => {
  const turns = createTurns()
  const add = (proposal: Proposal) => {
    turns.add(undefined, proposal)
    turns.run()
  }
  add(over('setting/max_tools', 1))
  for (let at = 2; at < 1_000; at++) add(over('hub', at))
  add(over('hub', 1_000, 'conflict'))
  const kept = turns.infos()
  expect(kept[0]).toMatchObject({ key: 'setting/max_tools' })
  expect(kept.at(-1)).toMatchObject({ key: 'hub', state: 'conflict' })
  expect(kept.length).toBe(34)
  for (let at = 2_000; at < 3_000; at++) add(over('setting/max_clusters', at))
  expect(turns.infos().length).toBe(256 + 32)
})
