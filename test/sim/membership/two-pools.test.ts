import { describe, expect, test } from 'vitest'
import { createPoolsWorld, storyOf, type PoolsWorld } from '../../support/pools-world.ts'

/** Pools a (0 to 11) and b (10 to 21): nodes 10 and 11 are in both, as the hubs of two sites are in their own pool and in that of the hubs. */
const A = Array.from({ length: 12 }, (_, index) => index)
const B = A.map((index) => index + 10)
const ALL = [...new Set([...A, ...B])]
const COMMON = [10, 11]
const ONLY_A = A.filter((index) => !COMMON.includes(index))
const ONLY_B = B.filter((index) => !COMMON.includes(index))

async function twoPools(): Promise<PoolsWorld> {
  const world = createPoolsWorld()
  for (const index of ALL) world.start(index)
  for (const index of A) world.node(index).members.enter('a')
  for (const index of B) world.node(index).members.enter('b')
  for (const index of A.slice(1)) world.link(index, 0)
  for (const index of B.slice(1)) if (!world.isLinked(index, 10)) world.link(index, 10)
  await world.pass(20_000)
  expect(viewOf(world, 0)).toEqual(A.map((index) => `${index} alive`))
  expect(viewOf(world, 21)).toEqual(B.map((index) => `${index} alive`))
  expect(viewOf(world, 10)).toEqual(ALL.map((index) => `${index} alive`))
  for (const index of ALL) {
    const node = world.node(index)
    node.events.length = node.poolEvents.length = 0
    node.sent.clear()
  }
  return world
}

function viewOf(world: PoolsWorld, index: number, pool?: string): string[] {
  return world.node(index).members.members(pool).map(({ peer, state }) => [world.indexOf(peer), state] as const).toSorted((a, b) => a[0] - b[0]).map((one) => one.join(' '))
}

const heardOf = (world: PoolsWorld, observers: readonly number[]) => observers.flatMap((index) => storyOf(world.node(index), world))

describe('two pools of 12 with two common members', () => {
  test('in each pool everybody is linked with everybody, and nobody with the other pool', async () => {
    const world = await twoPools()
    const linked = (from: readonly number[], to: readonly number[]) => from.flatMap((a) => to.filter((b) => a < b && world.isLinked(a, b)))
    expect([linked(A, A).length, linked(B, B).length]).toEqual([66, 66])
    expect(linked(ONLY_A, ONLY_B)).toEqual([])
  })

  test('idle, a node in both costs as much as one of each; nothing of one pool reaches the other', async () => {
    const world = await twoPools()
    const before = ALL.map((index) => world.node(index).metric('skein_membership_rejected_total', 'elsewhere'))
    await world.pass(60_000)
    const framesOf = (index: number, pool: string) => world.node(index).sent.get(pool)?.frames ?? 0
    const mean = (nodes: readonly number[], pool: string) => nodes.reduce((sum, index) => sum + framesOf(index, pool), 0) / nodes.length
    for (const index of COMMON) {
      expect(framesOf(index, 'a') / mean(ONLY_A, 'a')).toBeLessThan(1.2)
      expect(framesOf(index, 'b') / mean(ONLY_B, 'b')).toBeLessThan(1.2)
    }
    for (const index of ONLY_A) expect([...world.node(index).sent.keys()]).toEqual(['a'])
    for (const index of ONLY_B) expect([...world.node(index).sent.keys()]).toEqual(['b'])
    // Those in both compare a few times with linked strangers, of which there are none between a and b.
    const after = ALL.map((index) => world.node(index).metric('skein_membership_rejected_total', 'elsewhere'))
    expect(Math.max(...after.map((count, place) => count - (before[place] ?? 0)))).toBeLessThanOrEqual(4)
    expect(heardOf(world, ALL)).toEqual([])
  })

  test('a kill in one pool: all of it know within 1.5 s, the other never hears of it', async () => {
    const world = await twoPools()
    world.kill(3)
    await world.pass(1_500)
    for (const index of A.filter((one) => one !== 3)) expect(viewOf(world, index, 'a')).toContain('3 dead')
    await world.pass(20_000)
    expect(heardOf(world, ONLY_B)).toEqual([])
    expect(heardOf(world, COMMON).filter((line) => !line.startsWith('suspected')).sort()).toEqual(['failed 3', 'failed 3'])
  })

  test('a common member dies: one death in each view, and back again once', async () => {
    const world = await twoPools()
    world.kill(10)
    await world.pass(5_000)
    for (const index of ALL.filter((one) => one !== 10)) {
      expect(storyOf(world.node(index), world).filter((line) => !line.startsWith('suspected'))).toEqual(['failed 10'])
      world.node(index).events.length = 0
    }
    const back = world.start(10)
    back.members.enter('a')
    back.members.enter('b')
    world.link(10, 0)
    world.link(10, 21)
    await world.pass(3_000)
    for (const index of ALL.filter((one) => one !== 10)) expect(storyOf(world.node(index), world)).toEqual(['recovered 10'])
    expect(viewOf(world, 10)).toEqual(ALL.map((index) => `${index} alive`))
  })

  test('a common member leaves one pool: there it has left, in the other nothing happened', async () => {
    const world = await twoPools()
    const dialsOf10 = (index: number) => world.node(index).dialled.filter((peer) => peer === world.node(10).peer).length
    const before = ONLY_A.map(dialsOf10)
    await Promise.all([world.node(10).members.leave('a'), world.pass(1_000)])
    for (const index of A.filter((one) => one !== 10)) expect(viewOf(world, index, 'a')).toContain('10 left')
    await world.pass(20_000)
    expect(heardOf(world, ONLY_B)).toEqual([])
    // The other common member has it alive in b.
    expect(storyOf(world.node(11), world)).toEqual([])
    expect(world.isLinked(10, 11)).toBe(true)
    expect(ONLY_A.filter((index) => world.isLinked(index, 10))).toEqual([])
    expect(ONLY_A.map((index) => dialsOf10(index) - (before[index] ?? 0))).toEqual(ONLY_A.map(() => 0))
    expect(viewOf(world, 10)).toEqual(B.map((index) => `${index} alive`))
  })

  test('a partition of one pool only: the other keeps all, and who is in both is alive to the other', async () => {
    const world = await twoPools()
    // 0 to 5 and 10 against 6 to 9 and 11, in a.
    const side = (index: number) => index < 6 || index === 10
    world.lose = (pool, from, to) => pool === 'a' && side(from) !== side(to)
    await world.pass(40_000)
    expect(viewOf(world, 0, 'a').filter((line) => line.endsWith('alive'))).toEqual(A.filter(side).map((index) => `${index} alive`))
    expect(viewOf(world, 10, 'a')).toContain('11 dead')
    expect(viewOf(world, 10)).toContain('11 alive')
    expect(world.isLinked(10, 11)).toBe(true)
    expect(heardOf(world, ONLY_B)).toEqual([])
    expect(heardOf(world, COMMON).filter((line) => line.endsWith(' 10') || line.endsWith(' 11'))).toEqual([])
    world.lose = () => false
    await world.pass(15_000)
    for (const index of A) expect(viewOf(world, index, 'a')).toEqual(A.map((one) => `${one} alive`))
    expect(heardOf(world, ONLY_B)).toEqual([])
  })
})
