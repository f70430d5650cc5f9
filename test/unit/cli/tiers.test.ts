import { describe, expect, test } from 'vitest'
import { consensusText } from '../../../src/cli/commands/consensus.ts'
import { topologyText } from '../../../src/cli/commands/topology.ts'
import { summary } from '../../../src/cli/commands/status.ts'
import { CONSENSUS, createFakeNodeApi, PROPOSAL, TOPOLOGY } from '../../support/fake-node-api.ts'

describe('skein topology', () => {
  test('is a tree, a line for each node, with what was left out', () => {
    expect(topologyText(TOPOLOGY)).toBe(
      [
        'NODE          TIER      REGION  ROLE    STATE     LOAD  RTT      SERVERS  PEER',
        'alpha (self)  global    eu      hub     alive     25 %  -        0        12D3KooWA',
        '├─ beta       regional  us      hub     draining  0 %   12.4 ms  1        12D3KooWB',
        '│  └─ 3 more',
        '└─ 12D3KooWC  leaf      -       member  dead      -     -        2        12D3KooWC'
      ].join('\n')
    )
  })

  test('says when it is only a part', () => {
    expect(topologyText({ ...TOPOLOGY, notice: 'The hub above, eu, does not answer.' })).toMatch(/\n\n! The hub above, eu, does not answer\.$/)
  })

  test('says that a federation is flat, and lets no name forge lines', () => {
    const [top] = TOPOLOGY.nodes
    if (top === undefined) throw new Error('the fixture has a top')
    const text = topologyText({ ...TOPOLOGY, tiered: false, nodes: [{ ...top, name: 'a\n\u001b[2J', children: [] }, { ...top, self: false, children: [] }] })
    expect(text.split('\n')).toHaveLength(5)
    expect(text).toContain('A flat federation')
  })
})

describe('skein consensus ls', () => {
  const now = PROPOSAL.started + 65_000

  test('says who votes, how many votes are needed and what that survives', () => {
    expect(consensusText({ ...CONSENSUS, proposals: [PROPOSAL] }, now)).toBe(
      [
        'pool           root (global)',
        'hub            alpha; token 4, 15 s',
        'voters         alpha (self), beta, gamma (dead); list 3',
        'leases need    2 of 3 votes; survives no death',
        'settings need  3 of 3 votes; only 2 live',
        '! 3 of 3 votes are needed for settings and bans, but gamma is dead: start it again.',
        '',
        'SETTING            VALUE  VERSION',
        'setting/max_tools  2000   1',
        '',
        'PROPOSAL           POOL  WHAT    STATE    VOTES  TOOK      BEGUN      REASON',
        'setting/max_tools  root  change  expired  2/3    10004 ms  1m 5s ago  gamma did not answer'
      ].join('\n')
    )
  })

  test('of proposals, those that a hub makes every few seconds are left out; votes that another node counted are not known', () => {
    const hub = { ...PROPOSAL, key: 'hub', state: 'decided' as const, votes: 2 }
    const [group] = CONSENSUS.groups
    if (group === undefined) throw new Error('the fixture has a group')
    const text = consensusText({ ...CONSENSUS, groups: [{ ...group, pool: '12D3KooWB', name: 'beta' }], proposals: [...Array.from({ length: 20 }, () => hub), { ...PROPOSAL, pool: '12D3KooWB', state: 'conflict', votes: 0 }, { ...hub, state: 'no-quorum', votes: 0 }] }, now)
    const rows = text.split('\n').slice(text.split('\n').findIndex((line) => line.startsWith('PROPOSAL')) + 1)
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 5))).toEqual([['setting/max_tools', 'beta', 'change', 'refused', '-'], ['hub', 'root', 'change', 'no-quorum', '0/3']])
    expect(text).toMatch(/^pool +beta \(global\) 12D3KooWB\n/)
  })

  test('names the voters of root where this node is none of them', () => {
    const root = { voters: [{ peer: '12D3KooWA', name: 'alpha' }, { peer: '12D3KooWD', name: '' }], version: 7 }
    expect(consensusText({ ...CONSENSUS, root, proposals: [] }, now)).toContain('\n\nvoters of root  alpha, 12D3KooWD; list 7, as last heard\n')
  })

  test('a voter that said goodbye is not called dead', () => {
    const [group] = CONSENSUS.groups
    if (group === undefined) throw new Error('the fixture has a group')
    const voters = group.voters.map((voter) => ({ ...voter, left: !voter.alive }))
    expect(consensusText({ ...CONSENSUS, groups: [{ ...group, voters }], proposals: [] }, now)).toContain('alpha (self), beta, gamma (left); list 3')
  })

  test('a pool below root has no settings, a hub may be missing, resigned or dead', () => {
    const [group] = CONSENSUS.groups
    if (group?.lease === undefined) throw new Error('the fixture has a lease')
    const { lease, ...rest } = { ...group, pool: '12D3KooWB', tier: 'local' as const, settled: false, problems: [] }
    const text = (change: object) => consensusText({ peer: '12D3KooWA', groups: [{ ...rest, ...change, name: '' }], settings: [], proposals: [] }, now)
    expect(text({})).toMatch(/hub +none\n/)
    expect(text({})).not.toContain('settings need')
    expect(text({})).toContain('list 3, being changed')
    expect(text({ lease: { ...lease, resigned: true } })).toContain('alpha, resigned; token 4')
    expect(text({ lease: { ...lease, alive: false } })).toContain('alpha, dead; token 4')
    expect(consensusText({ peer: '12D3KooWA', groups: [], settings: [], proposals: [] }, now)).toBe('This node is in no pool yet.')
  })
})

describe('skein status', () => {
  const status = createFakeNodeApi().status()
  const hub = { peer: '12D3KooWB', name: 'beta' }

  test('says nothing about tiers in a flat federation', () => expect(summary(status, 0)).not.toContain('pools'))

  test('shows the pools of a node and whom it asks', () => {
    const pools = [{ pool: '12D3KooWA', name: 'alpha', tier: 'local' as const, isHub: true }, { pool: '12D3KooWB', name: '', tier: 'regional' as const, isHub: false, hub }, { pool: 'root', name: '', tier: 'global' as const, isHub: false }]
    const text = summary({ ...status, tiers: { home: '12D3KooWA', role: 'hub', pools, up: hub } }, 0)
    expect(text).toMatch(/pools +alpha \(local\): this node is its hub\n +12D3KooWB \(regional\): hub beta\n +root \(global\): no hub\nup +beta\n/)
  })
})
