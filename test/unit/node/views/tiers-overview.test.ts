import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { ErrorCode } from '../../../../src/base/error-codes.ts'
import type { Change, QuorumGroup } from '../../../../src/federation/quorum/driver-types.ts'
import type { Decided, GroupStatus, ProposalInfo, VoteInfo } from '../../../../src/federation/quorum/types.ts'
import type { TiersState } from '../../../../src/federation/tiers/types.ts'
import type { Member } from '../../../../src/membership/types.ts'
import { createTiersOverview } from '../../../../src/node/views/create-tiers-overview.ts'
import { encodeRegister } from '../../../../src/wire/federation-registers.ts'
import { peerIdOfKey } from '../../../../src/wire/peer-id.ts'
import { encodeLease } from '../../../../src/wire/tiers.ts'
import type { TopologyNode } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const peer = (number: number) => peerIdOfKey(new Uint8Array(32).fill(number))
const [A, B, C] = [peer(1), peer(2), peer(3)]
const NAMES: Record<string, string> = { [A]: 'alpha', [B]: 'beta', [C]: 'gamma' }
const BALLOT = { n: 3, peer: A }
const LEASE = { holder: B, token: 4, ttl: 15_000, tier: 'global', region: 'eu', proper: true } as const

const decided = (key: string, data: Uint8Array | undefined, version = 1): Decided => ({ key, version, data, ballot: BALLOT, voters: 2, op: 'aa', votes: [] })
const member = (id: string, state: Member['state']): Member =>
  ({ peer: id, name: NAMES[id] ?? '', state, tier: 'leaf', region: 'eu', version: '1', addresses: [], incarnation: 1, since: 0 }) as unknown as Member

interface World {
  state?: Partial<TiersState>
  members?: Member[]
  change?: (key: string, change: Change, options: { within: number }) => Promise<Decided>
  registers?: Decided[]
  inRoot?: boolean
  proposals?: ProposalInfo[]
  votes?: VoteInfo[]
  status?: Partial<GroupStatus>
  topology?: TopologyNode
}

function world({ state, members = [member(A, 'alive'), member(B, 'suspect'), member(C, 'dead')], change, registers = [], inRoot = true, proposals = [], votes = [], status, topology }: World = {}) {
  const clock = createManualClock()
  const voters = { version: 2, peers: [A, B, C], settled: true }
  const group = {
    pool: 'root', tier: 'global', voters: () => voters, known: (key: string) => registers.find((one) => one.key === key), all: () => registers, onDecided: () => () => {},
    change, proposals: () => proposals, votes: () => votes,
    status: () => ({ pool: 'root', tier: 'global', voters, isVoter: true, damaged: [], damagedAt: [], needed: { lease: 2, setting: 3 }, ...status })
  } as unknown as QuorumGroup
  const asked: unknown[] = []
  return {
    clock, asked,
    overview: createTiersOverview({
      self: A, federation: 'fedid', clock,
      quorum: { group: (pool) => (pool === 'root' && inRoot ? group : undefined), learned: () => group, change: (_pool, key, wanted, options) => group.change(key, wanted, options) },
      tiers: {
        state: () => ({ home: 'root', pools: [{ pool: 'root', tier: 'global', isHub: false, standbys: [] }], ...state }),
        async topology(options) {
          asked.push({ timeout: options.timeout, depth: options.depth })
          if (topology === undefined) throw new Error('not asked for')
          return topology
        }
      },
      members: () => members, record: () => undefined, rtt: (id) => (id === B ? 12.5 : undefined), nameOf: (id) => NAMES[id] ?? '', proposalTimeout: () => 10_000
    })
  }
}

const hubState: Partial<TiersState> = { pools: [{ pool: 'root', tier: 'global', isHub: false, hub: B, token: 4, standbys: [] }], up: { peer: B, token: 4, pool: 'root' } }

describe('the topology', () => {
  test('of a flat federation: all members side by side, by name, without those that left', async () => {
    const { overview, asked } = world({ members: [member(C, 'dead'), member(B, 'alive'), member(A, 'alive'), member(peer(4), 'left')] })
    const found = await overview.topology({ signal: new AbortController().signal })
    expect(found).toMatchObject({ federation: 'fedid', peer: A, tiered: false })
    expect(found.nodes.map(({ name, alive, self, rtt, role }) => [name, alive, self, rtt, role])).toEqual([['alpha', true, true, undefined, 'member'], ['beta', true, false, 12.5, 'member'], ['gamma', false, false, undefined, 'member']])
    expect(asked).toEqual([])
  })

  test('of a tiered one: the tree, with this node marked, no deeper than trees are', async () => {
    const leaf: TopologyNode = { peer: A, name: 'alpha', tier: 'leaf', region: 'eu', role: 'member', alive: true, draining: false, load: 0, servers: 1, children: [] }
    const { overview, asked } = world({ state: hubState, topology: { ...leaf, peer: B, name: 'beta', role: 'hub', pool: 'root', children: [leaf], more: 2 } })
    const signal = new AbortController().signal
    const { tiered, nodes } = await overview.topology({ signal, depth: 9 })
    expect([tiered, nodes.length, nodes[0]?.self, nodes[0]?.more, nodes[0]?.children.map(({ self }) => self)]).toEqual([true, 1, false, 2, [true]])
    await overview.topology({ signal, depth: 0 })
    expect(asked).toMatchObject([{ depth: 6 }, { depth: 0 }])
  })

  test.each([
    [{ above: B }, 'The hub above, beta, does not answer: this is only the pool of this node.'],
    [{ above: '' }, 'No hub above is known now: this is only the pool of this node.'],
    [{ above: '', pool: A, role: 'hub' as const }, 'No hub above is known now: this is only what is below alpha.']
  ])('of which the hubs above cannot be asked: the part that is known, and a sentence, %#', async (top, notice) => {
    const leaf: TopologyNode = { peer: A, name: 'alpha', tier: 'leaf', region: 'eu', role: 'member', alive: true, draining: false, load: 0, servers: 1, children: [] }
    const found = await world({ state: hubState, topology: { ...leaf, ...top } }).overview.topology({ signal: new AbortController().signal })
    expect(found).toMatchObject({ tiered: true, notice })
    expect(found.nodes[0]).not.toHaveProperty('above')
  })
})

describe('the place of this node', () => {
  test('is nothing in a flat federation', () => expect(world().overview.tiersStatus()).toBeUndefined())

  test('is its pools, their hubs and whom it asks', () => {
    expect(world({ state: hubState }).overview.tiersStatus()).toEqual({ home: 'root', role: 'member', pools: [{ pool: 'root', name: '', tier: 'global', isHub: false, hub: { peer: B, name: 'beta' } }], up: { peer: B, name: 'beta' } })
    const own: Partial<TiersState> = { home: A, pools: [{ pool: A, tier: 'local', isHub: true, hub: A, token: 1, standbys: [] }, { pool: 'root', tier: 'global', isHub: false, standbys: [] }] }
    expect(world({ state: own }).overview.tiersStatus()).toMatchObject({ home: A, role: 'hub', pools: [{ name: 'alpha', isHub: true, hub: { name: 'alpha' } }, { pool: 'root', isHub: false }] })
  })
})

describe('the status of the votes', () => {
  test('who votes, what that survives, who is hub, what was decided', () => {
    const registers = [decided('hub', encodeLease(LEASE), 9), decided('voters', new Uint8Array()), decided('setting/max_tools', encodeRegister('setting/max_tools', 2_000), 3), decided('setting/max_clusters', undefined, 2), decided(`ban/${C}`, encodeRegister(`ban/${C}`, 'stolen'))]
    const { peer: self, groups, settings } = world({ state: hubState, registers }).overview.consensus()
    expect(self).toBe(A)
    expect(groups).toMatchObject([
      {
        pool: 'root', tier: 'global', version: 2, settled: true, damaged: [],
        voters: [{ name: 'alpha', alive: true, self: true }, { name: 'beta', alive: true }, { name: 'gamma', alive: false }],
        needed: { lease: 2, settings: 3 }, survives: { lease: 0, settings: 0 },
        lease: { holder: { peer: B, name: 'beta' }, token: 4, ttl: 15_000, alive: true, resigned: false },
        problems: [expect.stringContaining('2 of 3 votes are needed to choose a hub'), expect.stringContaining('gamma is dead')]
      }
    ])
    expect(settings).toEqual([{ key: `ban/${C}`, value: 'stolen', version: 1 }, { key: 'setting/max_tools', value: 2_000, version: 3 }])
  })

  test('a voter that said goodbye has left, it is not dead', () => {
    const { groups } = world({ state: hubState, members: [member(A, 'alive'), member(B, 'alive'), member(C, 'left')] }).overview.consensus()
    expect(groups[0]?.voters.map(({ alive, left }) => [alive, left])).toEqual([[true, false], [true, false], [false, true]])
  })

  test('who is not in root is told its voters', () => {
    expect(world({ inRoot: false, state: { pools: [] } }).overview.consensus().root).toEqual({ voters: [{ peer: A, name: 'alpha' }, { peer: B, name: 'beta' }, { peer: C, name: 'gamma' }], version: 2 })
    expect(world().overview.consensus()).not.toHaveProperty('root')
  })

  test('a lease and settings that cannot be read count as none', () => {
    const { groups, settings } = world({ state: hubState, registers: [decided('hub', new Uint8Array([1, 2])), decided('setting/max_tools', Buffer.from('many'))] }).overview.consensus()
    expect([groups[0]?.lease, settings]).toEqual([undefined, []])
  })

  test('what the tiers and other voters say is passed on; a pool that is not open yet is left out', () => {
    const pools = [{ pool: B, tier: 'local' as const, isHub: false, standbys: [] }, { pool: 'root', tier: 'global' as const, isHub: false, hub: B, standbys: [], problem: 'no hub: no quorum' }]
    const { groups } = world({ state: { pools }, status: { damaged: ['hub'], damagedAt: [{ peer: B, key: 'setting/max_tools' }] } }).overview.consensus()
    expect(groups.map(({ pool }) => pool)).toEqual(['root'])
    expect(groups[0]?.problems).toEqual(expect.arrayContaining(['no hub: no quorum', expect.stringMatching(/^This node has lost .* hub /), expect.stringMatching(/^beta cannot read or write down .* setting\/max_tools,/)]))
  })

  test('proposals and votes, the newest first, in unix time', () => {
    const proposal: ProposalInfo = { pool: 'root', key: 'hub', op: 'aa', what: 'change', state: 'running', started: 0, deadline: 1, rounds: 1, needed: 2, votes: 1 }
    const vote: VoteInfo = { pool: 'root', key: 'hub', voter: B, ballot: BALLOT, voters: 2, version: 9, at: 0 }
    const { overview, clock } = world({ proposals: [proposal, { ...proposal, op: 'bb', state: 'conflict', started: 200, ended: 250, why: 'it is version 3', version: 3 }], votes: [vote, { ...vote, voter: C, at: 100 }] })
    clock.advance(1_000)
    const now = Math.round(clock.wall())
    expect(overview.proposals()).toMatchObject([
      { id: 'bb', state: 'conflict', started: now - 800, ms: 50, reason: 'it is version 3', version: 3 },
      { id: 'aa', state: 'running', started: now - 1_000, ms: 1_000 }
    ])
    expect(overview.votes()).toMatchObject([{ voter: { name: 'gamma' }, ballot: `3@${A}`, at: now - 900 }, { voter: { name: 'beta' }, at: now - 1_000 }])
  })
})

describe('a proposal', () => {
  const signal = new AbortController().signal
  const input = { key: 'setting/max_tools', value: 50, signal }

  test('is put to the vote with the configured time, and the answer says what is in force', async () => {
    const asked: unknown[] = []
    const { overview } = world({
      async change(key, change, { within }) {
        asked.push({ key, expect: change.expect, data: change.data === undefined ? undefined : Buffer.from(change.data).toString(), within })
        return decided(key, change.data, 3)
      }
    })
    expect(await overview.propose(input)).toEqual({ outcome: 'decided', key: input.key, version: 3, message: 'setting/max_tools is 50 in the whole federation (version 3).' })
    expect((await overview.propose({ ...input, value: null, expect: 3 })).message).toMatch(/was taken back \(version 3\)/)
    expect((await overview.propose({ key: `ban/${C}`, value: 'stolen', signal })).message).toBe(`gamma (${C}) is banned from the federation (version 3).`)
    expect(await overview.propose({ key: `ban/${C}`, value: null, signal })).toMatchObject({ message: `The ban of gamma (${C}) was taken back (version 3).` })
    expect(asked.splice(3)).toHaveLength(1)
    expect(asked).toEqual([
      { key: input.key, expect: 'any', data: '50', within: 10_000 },
      { key: input.key, expect: 3, data: undefined, within: 10_000 },
      { key: `ban/${C}`, expect: 'any', data: '"stolen"', within: 10_000 }
    ])
  })

  test('of a ban of a node that nobody here knows says so: the id may be mistyped', async () => {
    const [stranger, nameless] = [peer(8), peer(9)]
    const { overview } = world({ change: async (key, { data }) => decided(key, data, 1), members: [member(nameless, 'left')] })
    const message = async (banned: string) => (await overview.propose({ key: `ban/${banned}`, value: 'stolen', signal })).message
    expect(await message(stranger)).toMatch(new RegExp(`^${stranger} is banned .* This node knows none of this id: compare it with that in .skein topology.\\.$`))
    expect(await message(nameless)).toBe(`${nameless} is banned from the federation (version 1).`)
  })

  test.each([
    ['SKEIN_CONFLICT', 'refused'],
    ['SKEIN_NO_QUORUM', 'refused'],
    ['SKEIN_PROPOSAL_EXPIRED', 'expired'],
    ['SKEIN_OUTCOME_UNKNOWN', 'unknown']
  ] as const)('%s is %s, with the reason', async (code, outcome) => {
    const { overview } = world({ change: () => Promise.reject(new SkeinError(code, 'because')) })
    expect(await overview.propose(input)).toEqual({ outcome, key: input.key, message: 'because' })
  })

  test.each([
    ['another failure is one', input, 'SKEIN_CANCELLED', 'SKEIN_CANCELLED'],
    ['leases are not proposed by people', { ...input, key: 'hub' }, undefined, 'SKEIN_BAD_REQUEST'],
    ['a value out of range', { ...input, value: 1 }, undefined, 'SKEIN_BAD_REQUEST'],
    ['a node does not ban itself', { ...input, key: `ban/${A}`, value: 'oops' }, undefined, 'SKEIN_BAD_REQUEST']
  ] as const)('%s', async (_what, wanted, thrown, code: ErrorCode) => {
    const { overview } = world({ change: () => Promise.reject(new SkeinError(thrown ?? 'SKEIN_INTERNAL', 'not to be reached')) })
    await expect(overview.propose(wanted)).rejects.toMatchObject({ code })
  })

  test('of a node that is not in root is made too, and shown', async () => {
    const info: ProposalInfo = { pool: 'root', key: input.key, op: 'ab', what: 'change', state: 'running', started: 0, deadline: 10_000, rounds: 1, needed: 2, votes: 0 }
    const { overview } = world({ inRoot: false, state: { pools: [] }, change: async (key, { data }) => decided(key, data, 1), proposals: [info] })
    expect(await overview.propose(input)).toMatchObject({ outcome: 'decided', version: 1 })
    expect(overview.proposals()).toMatchObject([{ key: input.key, state: 'running' }])
  })
})
