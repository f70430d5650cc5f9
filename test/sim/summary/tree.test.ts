import { describe, expect, test } from 'vitest'
import { randomInt } from '../../../src/base/random.ts'
import type { ServerEntry } from '../../../src/wire/catalog-types.ts'
import { server } from '../../support/catalog-fixtures.ts'
import { createSummaryWorld, createTree, type SummaryWorld, type WorldNode } from '../../support/summary-world.ts'
import { bandOf } from '../frame/bands.ts'

const replica = (name: string, tools = ['search', 'fetch']): ServerEntry => server(name, tools.map((tool) => `${name}-${tool}`), { stateless: true })

/** 30 servers: ten of one owner each, twenty of several replicas. */
function publish(world: SummaryWorld, leaves: readonly WorldNode[]): void {
  const at = () => leaves[randomInt(world.random, leaves.length)] as WorldNode
  const give = (node: WorldNode, entry: ServerEntry) => {
    if (!node.servers.some(({ name }) => name === entry.name)) world.serve(node.peer, [...node.servers, entry])
  }
  for (let index = 0; index < 10; index++) give(at(), server(`own-${index % 5}`, ['a', 'b', `c${index}`]))
  for (let index = 0; index < 20; index++) for (let copy = 0; copy < 4; copy++) give(at(), replica(`pool-${index}`))
}

function wrong(world: SummaryWorld): string[] {
  const all: string[] = []
  for (const { peer, name, alive } of world.nodes.values()) {
    if (!alive) continue
    const truth = world.truth(peer)
    const shown = world.shown(peer)
    for (const [key, what] of truth) {
      const seen = shown.get(key)
      if (JSON.stringify(seen) !== JSON.stringify(what)) all.push(`${name}: ${key} is ${JSON.stringify(what).slice(0, 60)}, shown ${(JSON.stringify(seen) ?? 'nothing').slice(0, 60)}`)
    }
    for (const key of shown.keys()) if (!truth.has(key)) all.push(`${name}: ${key} is shown and not there`)
  }
  return all
}

/** Runs until everybody sees the truth; returns how long that took. */
async function converge(world: SummaryWorld, within: number): Promise<number> {
  const start = world.clock.now()
  for (;;) {
    const now = wrong(world)
    if (now.length === 0) return world.clock.now() - start
    if (world.clock.now() - start >= within) throw new Error(`after ${within} ms ${now.length} wrong: ${now.slice(0, 5).join('; ')}`)
    await world.clock.run(1_000)
  }
}

describe.each(bandOf(3))('a tree of 1 x 3 x 4 x 10, seed %i', (seed) => {
  test('everybody sees what is beyond its pools, whatever is lost, dies or succeeds', async () => {
    const world = createSummaryWorld(seed)
    const { leaves, hubs } = createTree(world, 3, 4, 10)
    publish(world, leaves)
    world.settle()
    const start = await converge(world, 30_000)

    world.loss = 0.1
    const times: Record<string, number> = { start }
    const node = (id: string) => hubs.get(id) as WorldNode
    // Publish and unpublish.
    const one = leaves[randomInt(world.random, leaves.length)] as WorldNode
    world.serve(one.peer, [...one.servers, server('news', ['latest'])])
    times.publish = await converge(world, 60_000)
    world.serve(one.peer, one.servers.filter(({ name }) => name !== 'news'))
    times.unpublish = await converge(world, 60_000)

    // A leaf dies.
    const dead = leaves.find(({ servers }) => servers.length > 0) as WorldNode
    world.kill(dead.peer)
    times.leaf = await converge(world, 60_000)

    const successor = (pool: string) => [...(world.pools.get(pool)?.members ?? [])].find((peer) => world.nodes.get(peer)?.alive) as string
    // A local hub, a regional one, the global one; each with a successor some seconds later.
    for (const id of ['p0.0', 'p1', 'root']) {
      const before = node(id).peer
      world.kill(before)
      await world.clock.run(6_000)
      for (const pool of world.pools.values()) if (pool.hub === undefined) world.succeed(pool.id, successor(pool.id))
      times[id] = await converge(world, 60_000)
    }
    console.log(`seed ${seed}: ${JSON.stringify(times)} ms; calls ${world.calls.length}, ${Math.round(world.calls.reduce((sum, { bytes }) => sum + bytes, 0) / 1024)} KiB`)
    expect(wrong(world)).toEqual([])
  })
})

test('without loss a change is at the farthest leaf within five seconds', async () => {
  const world = createSummaryWorld(7)
  const { leaves } = createTree(world, 3, 4, 4)
  world.settle()
  await world.clock.run(15_000)
  const first = leaves[0] as WorldNode
  world.serve(first.peer, [server('news', ['latest'])])
  expect(await converge(world, 5_000)).toBeGreaterThan(0)
})

test('what a lost region offered stays for some seconds, and is gone after its bound', async () => {
  const world = createSummaryWorld(9)
  const { leaves, hubs } = createTree(world, 2, 2, 2)
  const first = leaves[0] as WorldNode
  world.serve(first.peer, [server('news', ['latest'])])
  world.settle()
  await converge(world, 30_000)
  const far = leaves.at(-1) as WorldNode
  // The hub of the region dies, and nobody succeeds it.
  world.kill((hubs.get('p0') as WorldNode).peer)
  await world.clock.run(10_000)
  expect([...world.shown(far.peer).keys()]).toHaveLength(1)
  await world.clock.run(12_000)
  expect([...world.shown(far.peer).keys()]).toEqual([])
})

test.each([11, 12, 13])('a successor that knows nothing yet makes nobody forget, seed %i', async (seed) => {
  const world = createSummaryWorld(seed)
  const { leaves, hubs } = createTree(world, 2, 3, 3)
  publish(world, leaves)
  world.settle()
  await converge(world, 30_000)
  const watched = leaves.slice(9)
  const before = new Map(watched.map(({ peer }) => [peer, [...world.truth(peer).keys()]]))
  world.kill((hubs.get('p0') as WorldNode).peer)
  await world.clock.run(5_000)
  world.succeed('p0', (hubs.get('p0.1') as WorldNode).peer)
  for (let tenth = 0; tenth < 200; tenth++) {
    await world.clock.run(100)
    for (const { peer } of watched) {
      const shown = world.shown(peer)
      for (const key of before.get(peer) ?? []) if (!shown.has(key)) throw new Error(`${key} vanished ${tenth / 10} s after the successor came`)
    }
  }
  expect(wrong(world)).toEqual([])
})
