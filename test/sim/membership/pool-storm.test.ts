import { expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../src/base/random.ts'
import type { MemberEvent, MemberState } from '../../../src/membership/types.ts'
import { createPoolsWorld, type PoolNode, type PoolsWorld } from '../../support/pools-world.ts'
import { bandOf } from '../frame/bands.ts'

const NODES = 10
const POOLS = ['a', 'b', 'c']
const STEPS = 60

/** What may be told after what; undefined: never seen. */
const ALLOWED: Record<MemberEvent['type'], (MemberState | undefined)[]> = {
  joined: [undefined, 'left'], updated: ['alive', 'suspect'], suspected: ['alive'], failed: ['alive', 'suspect'], left: ['alive', 'suspect', 'dead'], recovered: ['dead', 'suspect']
}

/** Follows what a process tells and says what does not fit to what it told before. */
function follow(node: PoolNode, problems: string[]): Map<string, MemberState> {
  const states = new Map<string, MemberState>()
  node.members.onEvent(({ type, member }) => {
    if (member.peer === node.peer) return
    const before = states.get(member.peer)
    if (!ALLOWED[type].includes(before)) problems.push(`${node.index} told ${type} of one that was ${before}`)
    states.set(member.peer, member.state)
  })
  return states
}

async function storm(seed: number): Promise<{ world: PoolsWorld; problems: string[]; told: Map<number, Map<string, MemberState>>; where: Map<number, Set<string>>; versions: Map<number, string> }> {
  const random = seededRandom(seed)
  const world = createPoolsWorld()
  const problems: string[] = []
  const told = new Map<number, Map<string, MemberState>>()
  /** Pools of the running nodes. */
  const where = new Map<number, Set<string>>()
  const versions = new Map<number, string>()
  const pick = <T>(list: readonly T[]): T | undefined => list[randomInt(random, Math.max(1, list.length))]

  /** Nobody enters through a cut: whoever makes the first link tries until it is answered. */
  async function enter(index: number, pool: string): Promise<void> {
    world.lose = () => false
    const there = pick([...where].filter(([other, pools]) => other !== index && pools.has(pool)).map(([other]) => other))
    where.get(index)?.add(pool)
    if (there !== undefined) world.link(index, there)
    world.node(index).members.enter(pool, there === undefined || random.float() < 0.5 ? {} : { through: [world.node(there).peer] })
    await world.pass(1_000)
  }

  async function start(index: number): Promise<void> {
    const node = world.start(index)
    told.set(index, follow(node, problems))
    where.set(index, new Set())
    versions.set(index, '1')
    for (const pool of POOLS) if (random.float() < 0.5) await enter(index, pool)
  }

  for (let index = 0; index < NODES; index++) await start(index)
  for (let step = 0; step < STEPS; step++) {
    await world.pass(randomInt(random, 3_000))
    const index = randomInt(random, NODES)
    const pools = where.get(index)
    const what = random.float()
    const pool = pick(POOLS) as string
    if (pools === undefined) await start(index)
    else if (what < 0.15) {
      world.kill(index)
      where.delete(index)
    } else if (what < 0.45 && pools.has(pool)) {
      pools.delete(pool)
      const { members } = world.node(index)
      void members.leave(pool)
      // The dead of a pool are forgotten with it, of which nothing is told.
      for (const peer of told.get(index)?.keys() ?? []) if (members.member(peer) === undefined) told.get(index)?.delete(peer)
    } else if (what < 0.75 && !pools.has(pool)) await enter(index, pool)
    else if (what < 0.85) {
      versions.set(index, `v${step}`)
      world.node(index).members.update(world.local(index, { version: `v${step}` }))
    } else if (what < 0.95) {
      const [other, cut] = [randomInt(random, NODES), pick(POOLS)]
      world.lose = (frame, from, to) => frame === cut && (from === index || to === index || from === other || to === other)
    } else world.lose = () => false
  }
  world.lose = () => false
  await world.pass(120_000)
  return { world, problems, told, where, versions }
}

test.each(bandOf(8))('three pools with members that come, go, die and are cut off, seed %i: all pools find together, and every view was told truly', async (seed) => {
  const { world, problems, told, where, versions } = await storm(seed)
  expect(problems).toEqual([])
  const running = [...where.keys()].map((index) => world.node(index))
  for (const { index, members } of running) {
    expect(new Set(members.pools())).toEqual(where.get(index))
    for (const pool of members.pools()) {
      const living = members.members(pool).filter(({ state }) => state === 'alive' || state === 'suspect').map(({ peer }) => world.indexOf(peer)).sort()
      const expected = [...where].filter(([, pools]) => pools.has(pool)).map(([other]) => other).sort()
      expect(living, `pool ${pool} as ${index} sees it`).toEqual(expected)
    }
    // What was told is what there is, but for those who ended before they were seen.
    const others = members.members().filter(({ peer, state }) => peer !== world.node(index).peer && (state === 'alive' || told.get(index)?.has(peer) === true))
    // An end is told once; who has left may be found dead in another pool later.
    for (const { peer, state } of others) expect(told.get(index)?.get(peer), `${index} about ${world.indexOf(peer)}`).toBe(state === 'dead' && told.get(index)?.get(peer) === 'left' ? 'left' : state)
    for (const [peer, state] of told.get(index) ?? []) if (state === 'alive' || state === 'suspect') expect(members.member(peer)?.state).toBe(state)
    for (const { peer, version, state } of members.members()) if (state === 'alive') expect(version, `${index} about ${world.indexOf(peer)}`).toBe(versions.get(world.indexOf(peer)))
  }
  for (const [a, pools] of where) {
    for (const [b, others] of where) {
      if (a < b) expect(world.isLinked(a, b), `a link of ${a} and ${b}`).toBe([...pools].some((pool) => others.has(pool)))
    }
  }
})
