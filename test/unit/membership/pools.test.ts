import { describe, expect, test } from 'vitest'
import { AWAY_AFTER } from '../../../src/membership/away.ts'
import { encodeSwimFrame } from '../../../src/wire/swim.ts'
import { BOOT, createPoolsWorld, FEDERATION, storyOf, type PoolsWorld } from '../../support/pools-world.ts'

/** Nodes 0 to count - 1, each in the pools named, all linked with all. */
async function formed(...pools: string[][]): Promise<PoolsWorld> {
  const world = createPoolsWorld()
  for (const [index, own] of pools.entries()) for (const pool of own) (world.node(index) ?? world.start(index)).members.enter(pool)
  for (const [a] of pools.entries()) for (const [b] of pools.entries()) if (a < b) world.link(a, b)
  await world.pass(3_000)
  for (const [index] of pools.entries()) world.node(index).events.length = world.node(index).poolEvents.length = 0
  return world
}

const statesOf = (world: PoolsWorld, at: number, of: number, ...pools: string[]) =>
  [undefined, ...pools].map((pool) => world.node(at).members.member(world.node(of).peer, pool)?.state)

describe('several pools of one node', () => {
  test('each peer once, with the pools in which both are', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'], ['a'], ['b'])
    const { members } = world.node(0)
    expect(members.pools()).toEqual(['a', 'b'])
    expect(members.members().map(({ name }) => name).sort()).toEqual(['n0', 'n1', 'n2', 'n3'])
    expect(members.members('a').map(({ name }) => name).sort()).toEqual(['n0', 'n1', 'n2'])
    expect(members.members('c')).toEqual([])
    expect([1, 2, 3].map((index) => members.poolsOf(world.node(index).peer))).toEqual([['a', 'b'], ['a'], ['b']])
    expect(members.member(world.node(3).peer, 'a')).toBeUndefined()
    expect(members.stats().members).toEqual({ alive: 4, suspect: 0, dead: 0, left: 0 })
    expect(members.stats('b').members.alive).toBe(3)
    expect([members.stats().links, members.stats('b').links]).toEqual([3, 2])
    // Nobody of b has heard of who is in a only.
    expect(world.node(3).members.member(world.node(2).peer)).toBeUndefined()
  })

  test('a node in a second pool joins nowhere twice, and says what is new once', async () => {
    const world = await formed(['a', 'b'], ['a'])
    world.node(1).members.enter('b')
    await world.pass(2_000)
    expect(world.node(0).poolEvents).toEqual(['b joined 1'])
    expect(storyOf(world.node(0), world)).toEqual([])
    world.node(1).members.update(world.local(1, { version: '2' }))
    await world.pass(1_000)
    expect(world.node(0).poolEvents.slice(1).sort()).toEqual(['a updated 1', 'b updated 1'])
    expect(world.node(0).events).toMatchObject([{ type: 'updated', member: { name: 'n1', version: '2' } }])
    expect(storyOf(world.node(1), world)).toEqual(['updated 1'])
  })

  test('who is expelled is dead in all pools at once, without a word to others, and comes back only with a standing', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'], ['a'])
    const { members } = world.node(0)
    members.expel(world.node(1).peer)
    members.expel(world.node(0).peer)
    members.expel('nobody')
    expect(statesOf(world, 0, 1, 'a', 'b')).toEqual(['dead', 'dead', 'dead'])
    expect(world.node(0).events).toMatchObject([{ type: 'failed', member: { name: 'n1' }, was: 'alive' }])
    expect(world.node(0).events[0]).not.toHaveProperty('evidence')
    expect(members.members().find(({ name }) => name === 'n0')?.state).toBe('alive')
    // The others make up their own minds.
    expect(statesOf(world, 2, 1)).toEqual(['alive'])
    await world.pass(3_000)
    expect(statesOf(world, 0, 1)).toEqual(['alive'])
  })

  test('who leaves one pool and stays in the other has not left, and its link lives', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'], ['a'])
    await Promise.all([world.node(1).members.leave('a'), world.pass(100)])
    await world.pass(5_000)
    expect(statesOf(world, 0, 1, 'a', 'b')).toEqual(['alive', 'left', 'alive'])
    expect(storyOf(world.node(0), world)).toEqual([])
    expect(world.node(0).poolEvents).toEqual(['a left 1'])
    expect(world.isLinked(0, 1)).toBe(true)
    // To node 2 it was nobody but a member of a.
    expect(storyOf(world.node(2), world)).toEqual(['left 1'])
    expect(world.isLinked(1, 2)).toBe(false)
    expect(storyOf(world.node(1), world)).toEqual(['left 2'])
    expect(world.node(1).members.pools()).toEqual(['b'])
    await Promise.all([world.node(1).members.leave('b'), world.pass(1_000)])
    expect(storyOf(world.node(0), world)).toEqual(['left 1'])
    expect(world.isLinked(0, 1)).toBe(false)
    expect(world.node(1).members.pools()).toEqual([])
    expect(world.node(1).members.members()).toEqual([])
  })

  test('a death in one pool is none while another has it alive; in both it is one', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'], ['a'], ['b'])
    // Nothing of it gets through in a.
    world.lose = (pool, from, to) => pool === 'a' && (from === 1 || to === 1)
    await world.pass(20_000)
    expect(statesOf(world, 0, 1, 'a', 'b')).toEqual(['alive', 'dead', 'alive'])
    expect(storyOf(world.node(0), world)).toEqual([])
    expect(world.node(0).metric('membership_failures_total')).toBe(0)
    expect(world.isLinked(0, 1)).toBe(true)
    world.kill(1)
    await world.pass(3_000)
    expect(statesOf(world, 0, 1, 'a', 'b')).toEqual(['dead', 'dead', 'dead'])
    expect(storyOf(world.node(0), world).filter((line) => !line.startsWith('suspected'))).toEqual(['failed 1'])
    expect(world.node(0).events.at(-1)).toMatchObject({ type: 'failed', evidence: 'refused' })
    expect(world.node(0).metric('membership_failures_total')).toBe(1)
    world.lose = () => false
    // Back in one of both: it is back.
    world.start(1).members.enter('b')
    world.link(1, 3)
    await world.pass(15_000)
    expect(storyOf(world.node(0), world).at(-1)).toBe('recovered 1')
    expect(statesOf(world, 0, 1, 'b')).toEqual(['alive', 'alive'])
  })

  test('a process that is started again takes part once, with its newest word', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'], ['a', 'b'])
    world.kill(1)
    await world.pass(50)
    const again = world.start(1, { local: { version: '2' } })
    for (const pool of ['a', 'b']) again.members.enter(pool)
    world.link(1, 0)
    await world.pass(4_000)
    const told = storyOf(world.node(0), world).filter((line) => !line.startsWith('suspected'))
    expect(told.filter((line) => line.startsWith('joined'))).toEqual([])
    expect(world.node(0).members.member(again.peer)).toMatchObject({ state: 'alive', version: '2' })
    expect(told.filter((line) => line === 'recovered 1').length).toBeLessThanOrEqual(1)
  })

  test('a pool can be entered again: louder than what was said there before', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'])
    const before = world.node(0).members.member(world.node(1).peer, 'a')?.incarnation ?? 0
    await Promise.all([world.node(1).members.leave('a'), world.pass(300)])
    world.node(1).members.enter('a')
    // By its first word; one that repeats itself would first have to be told of its goodbye.
    await world.pass(1)
    expect(world.node(0).poolEvents).toEqual(['a left 1', 'a joined 1'])
    expect(world.node(0).members.member(world.node(1).peer, 'a')?.incarnation).toBe(before + 1)
    expect(storyOf(world.node(0), world)).toEqual([])
  })

  test('a pool that is entered again while its goodbye is under way keeps its links, however slow they are', async () => {
    const world = await formed(['a'], ['a'], ['a'])
    const { members, closed } = world.node(1)
    const left = members.leave('a')
    members.enter('a', { through: [world.node(0).peer] })
    world.lose = () => true
    await world.pass(200)
    world.lose = () => false
    await left
    expect(closed).toEqual([])
    await world.pass(3_000)
    expect([world.isLinked(0, 1), world.isLinked(1, 2)]).toEqual([true, true])
    expect([0, 1, 2].map((index) => world.node(index).members.poolsOf(world.node((index + 1) % 3).peer))).toEqual([['a'], ['a'], ['a']])
  })

  test('leaving all pools is a goodbye in each of them, and members stay listed until the stop', async () => {
    const world = await formed(['a', 'b'], ['a', 'b'], ['a'])
    await Promise.all([world.node(1).members.leaveAll(), world.pass(300)])
    expect(storyOf(world.node(0), world)).toEqual(['left 1'])
    expect(world.node(1).members.members().length).toBe(3)
    await world.pass(1_000)
    expect([world.isLinked(0, 1), world.isLinked(1, 2)]).toEqual([false, false])
    // After a day of silence nobody is asked about it again.
    expect(world.node(0).dialled.filter((peer) => peer === world.node(1).peer)).toEqual([])
  })
})

describe('entering a pool', () => {
  test('through a member: all are known within a second, and nobody else is troubled', async () => {
    const world = await formed(['home'], ['home'], ['home'], ['up'], ['up'], ['up'])
    for (const other of [4, 5]) world.unlink(0, other)
    const before = [1, 2].map((index) => world.node(index).metric('skein_membership_rejected_total', 'elsewhere'))
    world.node(0).members.enter('up', { through: [world.node(3).peer] })
    await world.pass(1_000)
    expect(world.node(0).members.members('up').map(({ name }) => name).sort()).toEqual(['n0', 'n3', 'n4', 'n5'])
    for (const index of [3, 4, 5]) expect(world.node(index).members.member(world.node(0).peer)?.state).toBe('alive')
    expect([1, 2].map((index) => world.node(index).metric('skein_membership_rejected_total', 'elsewhere'))).toEqual(before)
    await world.pass(10_000)
    expect([world.isLinked(0, 4), world.isLinked(0, 5)]).toEqual([true, true])
  })

  test('before the start, twice, and with links that are up', async () => {
    const world = createPoolsWorld()
    const early = world.start(0, { begin: false })
    early.members.enter('a')
    early.members.enter('a')
    world.start(1).members.enter('a')
    world.link(0, 1)
    await world.pass(100)
    expect(early.members.members()).toEqual([])
    early.members.start(world.local(0), BOOT)
    await world.pass(1_000)
    expect(world.node(1).members.member(early.peer)?.state).toBe('alive')
    expect(early.members.pools()).toEqual(['a'])
    expect(storyOf(early, world)).toEqual(['joined 1'])
  })
})

describe('peers of other pools', () => {
  test('a stranger is asked a few times and then left alone, dialled by nobody, and in no list', async () => {
    const world = await formed(['a'], ['a'], ['b'])
    expect(world.node(0).members.member(world.node(2).peer)).toBeUndefined()
    // Periodic comparisons ask it twice more.
    await world.pass(600_000)
    const asked = world.node(2).metric('skein_membership_rejected_total', 'elsewhere')
    expect(asked).toBeLessThanOrEqual(8)
    await world.pass(600_000)
    expect(world.node(2).metric('skein_membership_rejected_total', 'elsewhere')).toBe(asked)
    expect(world.node(2).lines.filter(({ level }) => level !== 'info')).toEqual([])
    expect(world.node(0).members.stats('a').links).toBe(1)
    expect(world.isLinked(0, 2)).toBe(true)
    world.unlink(0, 2)
    await world.pass(5_000)
    expect([world.isLinked(0, 2), world.node(0).knocked, world.node(2).knocked]).toEqual([false, 0, 0])
    expect([...world.node(0).dialled, ...world.node(2).dialled].filter((peer) => peer === world.node(2).peer)).toEqual([])
    world.link(0, 2)
    await world.pass(100)
    const met = world.node(2).metric('skein_membership_rejected_total', 'elsewhere')
    await Promise.all([world.node(0).members.leaveAll(), world.pass(300)])
    expect(world.node(2).metric('skein_membership_rejected_total', 'elsewhere')).toBe(met)
  })

  test('a link that is wanted otherwise is not closed', async () => {
    const world = await formed(['a'], ['a'])
    world.node(0).kept.add(world.node(1).peer)
    world.node(1).kept.add(world.node(0).peer)
    await Promise.all([world.node(1).members.leave('a'), world.pass(2_000)])
    expect(world.isLinked(0, 1)).toBe(true)
    expect(statesOf(world, 0, 1)).toEqual(['left'])
  })

  test('one that comes back elsewhere says that it has left, and is dialled no more', async () => {
    const world = await formed(['home', 'up'], ['home'], ['up'], ['up'])
    world.kill(0)
    await world.pass(5_000)
    expect(statesOf(world, 2, 0)).toEqual(['dead'])
    const back = world.start(0)
    back.members.enter('home')
    world.link(0, 1)
    await world.pass(AWAY_AFTER + 120_000)
    expect(statesOf(world, 1, 0)).toEqual(['alive'])
    expect([statesOf(world, 2, 0), statesOf(world, 3, 0)]).toEqual([['left'], ['left']])
    expect([world.isLinked(0, 2), world.isLinked(0, 3)]).toEqual([false, false])
    const dials = () => [2, 3].map((index) => world.node(index).dialled.length)
    const before = dials()
    await world.pass(120_000)
    expect(dials()).toEqual(before)
  })

  test('a flood of frames of other pools is a flood', async () => {
    const world = await formed(['a'], ['b'])
    const frame = encodeSwimFrame({ federation: FEDERATION, pool: 'c' }, { kind: 'gossip', updates: [] }).subarray(4)
    const answers = Array.from({ length: 8_000 }, () => world.node(0).members.received(world.node(1).peer, frame))
    expect(answers[500]).toBe(true)
    expect(answers.at(-1)).toBe(false)
    expect(world.node(0).metric('skein_membership_rejected_total', 'flood')).toBeGreaterThan(1_000)
  })

  test('what names no pool is malformed, in a pool or in none', async () => {
    const world = createPoolsWorld()
    const node = world.start(0)
    const garbage = [new Uint8Array(), Uint8Array.of(0xa0), Uint8Array.of(0xff), new Uint8Array(60_000).fill(0xbf)]
    for (const bytes of garbage) expect(node.members.received('12D3KooWX', bytes)).toBe(true)
    node.members.enter('a')
    for (const bytes of garbage) expect(node.members.received('12D3KooWX', bytes)).toBe(true)
    expect(node.metric('skein_membership_rejected_total', 'malformed')).toBe(2 * garbage.length)
    expect(node.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })
})

test('a copy that was started later silences this one in all pools, once', async () => {
  const world = await formed(['a', 'b'], ['a', 'b'])
  await world.pass(10_000)
  const older = world.node(0)
  const told: number[] = []
  older.members.onSuperseded(({ boot }) => told.push(boot))
  const word = encodeAlive(world)
  older.members.received(world.node(1).peer, word('a'))
  older.members.received(world.node(1).peer, word('b'))
  expect(told).toHaveLength(1)
  expect(older.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
})

/** A frame of node 1 in which a later process of node 0 speaks. */
function encodeAlive(world: PoolsWorld): (pool: string) => Uint8Array {
  const seal = world.sealOf(0)
  return (pool) => {
    const { name, version, addresses, credential } = world.local(0)
    const boot = BOOT + 1_000_000
    const alive = seal(pool).seal({ kind: 'alive', subject: world.node(0).peer, incarnation: boot, boot, name, version, addresses: [...addresses], credential })
    return encodeSwimFrame({ federation: FEDERATION, pool }, { kind: 'gossip', updates: [alive] }).subarray(4)
  }
}
