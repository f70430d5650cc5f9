import { describe, expect, test } from 'vitest'
import type { QuorumGroup } from '../../../../src/federation/quorum/driver.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { decodeQuorumAnswer, encodeQuorumRequest } from '../../../../src/wire/quorum.ts'
import { createQuorumWorld, growTo, POOL, text, textOf, type QuorumWorld, type QuorumWorldOptions } from '../../../support/quorum-world.ts'

const WITHIN = { within: 5_000 }

function change(group: QuorumGroup, key: string, value: string, expected: number | 'any' = 'any', within = 5_000) {
  return group.change(key, { expect: expected, data: text(value) }, { within })
}

async function code(world: QuorumWorld, promise: Promise<unknown>): Promise<string> {
  return world.wait(promise.then(() => 'decided', (error: { code: string }) => error.code))
}

describe('one voter', () => {
  test('changes, reads, and knows a version for each change', async () => {
    const world = createQuorumWorld(1)
    const { group } = world.nodes[0]!
    expect(await world.wait(group.read('setting/a', WITHIN))).toBeUndefined()
    expect(await world.wait(change(group, 'setting/a', 'one', 0))).toMatchObject({ key: 'setting/a', version: 1, voters: 0 })
    expect(await world.wait(change(group, 'setting/a', 'two', 1))).toMatchObject({ version: 2 })
    expect(textOf((await world.wait(group.read('setting/a', WITHIN)))?.data)).toBe('two')
    expect(group.known('setting/a')).toMatchObject({ version: 2 })
  })

  test('a change with another version is a conflict and says which one is there', async () => {
    const world = createQuorumWorld(1)
    const { group } = world.nodes[0]!
    await world.wait(change(group, 'hub', 'one', 0))
    await expect(world.wait(change(group, 'hub', 'two', 0))).rejects.toMatchObject({ code: 'SKEIN_CONFLICT', data: { current: 1 } })
  })

  test('takes a value away: the version goes on', async () => {
    const world = createQuorumWorld(1)
    const { group } = world.nodes[0]!
    await world.wait(change(group, 'ban/x', 'one', 0))
    await world.wait(group.change('ban/x', { expect: 1, data: undefined }, WITHIN))
    expect(await world.wait(group.read('ban/x', WITHIN))).toMatchObject({ version: 2, data: undefined })
  })

  test('refuses what no register holds', async () => {
    const world = createQuorumWorld(1)
    const { group } = world.nodes[0]!
    expect(await code(world, group.change('a', { expect: 'any', data: new Uint8Array(4_097) }, WITHIN))).toBe('SKEIN_LIMIT')
    expect(await code(world, change(group, 'k'.repeat(129), 'x'))).toBe('SKEIN_LIMIT')
    expect(await code(world, change(group, 'voters', 'x'))).toBe('SKEIN_BAD_REQUEST')
  })

  test('remembers over a restart', async () => {
    const world = createQuorumWorld(1)
    await world.wait(change(world.nodes[0]!.group, 'hub', 'one', 0))
    world.nodes[0]!.restart()
    expect(await world.wait(world.nodes[0]!.group.read('hub', WITHIN))).toMatchObject({ version: 1 })
  })
})

describe('several voters', () => {
  test('grow one at a time; every member learns them, and settings, with their proof', async () => {
    const world = createQuorumWorld(5)
    await world.wait(change(world.nodes[0]!.group, 'setting/a', 'early', 0))
    await growTo(world, 3)
    await world.wait(change(world.nodes[0]!.group, 'setting/b', 'late', 0))
    await world.run(200)
    for (const { group } of world.nodes) {
      expect(group.voters()).toEqual({ version: 4, peers: world.peers.slice(0, 3), settled: true })
      expect(textOf(group.known('setting/b')?.data)).toBe('late')
      expect(textOf(group.known('setting/a')?.data)).toBe('early')
    }
    expect(world.nodes[4]!.group.known('setting/b')?.votes.length).toBeGreaterThanOrEqual(2)
  })

  test('a member that is no voter has a voter make its change', async () => {
    const world = createQuorumWorld(5)
    await growTo(world, 3)
    expect(await world.wait(change(world.nodes[4]!.group, 'setting/a', 'x', 0))).toMatchObject({ version: 1 })
    expect(await world.wait(world.nodes[3]!.group.read('setting/a', WITHIN))).toMatchObject({ version: 1 })
    expect(await code(world, change(world.nodes[4]!.group, 'setting/a', 'y', 0))).toBe('SKEIN_CONFLICT')
  })

  test('the first voter gone, a forwarded change goes to the next; it is applied once', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    world.nodes[0]!.up = false
    expect(await world.wait(change(world.nodes[3]!.group, 'setting/a', 'x', 0, 10_000))).toMatchObject({ version: 1 })
  })

  test('a minority decides nothing, and says surely not or unknown', async () => {
    const world = createQuorumWorld(3)
    await growTo(world, 3)
    world.only(0)
    expect(await code(world, change(world.nodes[0]!.group, 'hub', 'x', 0, 2_000))).toBe('SKEIN_NO_QUORUM')
    expect(await code(world, world.nodes[0]!.group.read('hub', { within: 2_000 }))).toBe('SKEIN_NO_QUORUM')
    world.heal()
    expect(await world.wait(change(world.nodes[1]!.group, 'hub', 'y', 0))).toMatchObject({ version: 1 })
  })

  test('changes of one register at the same time: one wins each version', async () => {
    const world = createQuorumWorld(3)
    await growTo(world, 3)
    const all = Promise.all(world.nodes.map(({ group }, index) => change(group, 'hub', `n${index}`, 0).then(() => 'won', (error: { code: string }) => error.code)))
    expect((await world.wait(all)).toSorted()).toEqual(['SKEIN_CONFLICT', 'SKEIN_CONFLICT', 'won'])
  })

  test('twenty changes at every node, whatever the version: each applied once', async () => {
    const world = createQuorumWorld(3)
    await growTo(world, 3)
    const asked = world.nodes.flatMap(({ group }, node) => Array.from({ length: 8 }, (_, index) => change(group, 'setting/c', `${node}.${index}`, 'any', 30_000)))
    const versions = (await world.wait(Promise.all(asked), 40_000)).map(({ version }) => version)
    expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, index) => index + 1))
  })

  test('changes over a network that loses, doubles and reorders', async () => {
    const world = createQuorumWorld(5, { seed: 7, lost: 0.1, twice: 0.3, delay: 60 })
    await growTo(world, 3)
    for (let version = 0; version < 10; version++) {
      const { group } = world.nodes[version % 5]!
      // Unknown is an honest answer too: then it is read.
      await world.wait(change(group, 'setting/a', `v${version}`, version, 20_000).catch(() => undefined), 60_000)
      const now = await world.wait(world.nodes[(version + 1) % 5]!.group.read('setting/a', { within: 20_000 }), 60_000)
      expect(now).toMatchObject({ version: version + 1 })
    }
  })
})

describe('voters change', () => {
  test('not two at once', async () => {
    const world = createQuorumWorld(3)
    await expect(world.wait(world.nodes[0]!.group.changeVoters(world.peers, WITHIN))).rejects.toMatchObject({ code: 'SKEIN_CONFLICT' })
    expect(world.nodes[0]!.group.voters().version).toBe(0)
  })

  test('a dead voter is replaced: removed, then another added; what it held is held by the others', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    await world.wait(change(world.nodes[0]!.group, 'setting/a', 'x', 0))
    world.nodes[2]!.up = false
    const [a, b, , d] = world.peers as [string, string, string, string]
    await world.wait(world.nodes[0]!.group.changeVoters([a, b], WITHIN))
    await world.wait(world.nodes[0]!.group.changeVoters([a, b, d], WITHIN))
    world.nodes[0]!.up = false
    expect(await world.wait(world.nodes[3]!.group.read('setting/a', WITHIN))).toMatchObject({ version: 1 })
  })

  test('a removed voter neither leads nor counts (I2)', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 4)
    const [a, b, c] = world.peers as [string, string, string]
    world.cut(3, 0)
    world.cut(3, 1)
    world.cut(3, 2)
    await world.wait(world.nodes[0]!.group.changeVoters([a, b, c], WITHIN))
    // It believes itself a voter still.
    expect(world.nodes[3]!.group.voters().peers).toHaveLength(4)
    world.heal()
    world.only(2, 3)
    expect(await code(world, change(world.nodes[3]!.group, 'hub', 'x', 0, 3_000))).toBe('SKEIN_NO_QUORUM')
  })

  test('the one who changes them dies half-way: a voter settles them', async () => {
    const world = createQuorumWorld(3)
    await growTo(world, 3)
    const changing = world.nodes[0]!.group.changeVoters(world.peers.slice(0, 2), { within: 3_000 }).catch(() => undefined)
    while (world.nodes[1]!.group.voters().version < 5) await world.run(1)
    world.nodes[0]!.up = false
    world.cut(0, 1)
    expect(world.nodes[1]!.group.voters().settled).toBe(false)
    world.heal()
    world.nodes[0]!.restart()
    await world.run(15_000)
    await changing
    expect(world.nodes[1]!.group.voters()).toMatchObject({ version: 6, settled: true })
  })
})

describe('leases', () => {
  test('who may not have it gets no promise, and disturbs nobody', async () => {
    let refuse = false
    const world = createQuorumWorld(3, { permits: (_pool, _key, current, next) => !refuse || current === undefined || textOf(next.data) === textOf(current.data) || 'the lease has not run out' })
    await growTo(world, 3)
    await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 0))
    await world.run(100)
    refuse = true
    await expect(world.wait(change(world.nodes[2]!.group, 'hub', 'c', 1))).rejects.toMatchObject({ code: 'SKEIN_CONFLICT', data: { why: 'the lease has not run out' } })
    expect(await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 1))).toMatchObject({ version: 2 })
  })

  test('the age of a lease begins anew with each renewal a voter has seen', async () => {
    const ages: number[] = []
    const world = createQuorumWorld(1, { permits: (_pool, key, current, _next, { age }) => (key === 'hub' && current !== undefined && ages.push(age), true) })
    const { group } = world.nodes[0]!
    await world.wait(change(group, 'hub', 'a', 0))
    await world.run(4_000)
    await world.wait(change(group, 'hub', 'a', 1))
    await world.run(1_000)
    await world.wait(change(group, 'hub', 'a', 2))
    expect(ages.map((age) => Math.round(age / 1_000))).toEqual([4, 4, 1, 1])
  })

  test('a renewal is not told to members, a new holder is', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    const told = () => world.calls.filter(({ method }) => method === METHOD.QUORUM_LEARN).length
    await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 0))
    // The first comparisons are over by then, the next are half a minute away.
    await world.run(3_000)
    const before = told()
    await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 1))
    await world.run(50)
    expect(told()).toBe(before)
    await world.wait(change(world.nodes[0]!.group, 'hub', 'b', 2))
    await world.run(50)
    expect(told()).toBe(before + 3)
    expect(world.nodes[3]!.group.known('hub')).toMatchObject({ version: 3 })
  })
})

describe('what is on disk', () => {
  test('a voter that cannot write votes on nothing, and says so', async () => {
    const world = createQuorumWorld(3)
    await growTo(world, 3)
    world.nodes[1]!.store.full = true
    expect(await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 0))).toMatchObject({ version: 1 })
    await world.run(100)
    expect(world.nodes[1]!.group.status().damaged).toEqual(['*'])
    world.nodes[2]!.up = false
    expect(await code(world, change(world.nodes[0]!.group, 'hub', 'b', 1, 3_000))).toBe('SKEIN_NO_QUORUM')
  })

  test('what a lone voter could not write down it has not decided: nobody hears of it', async () => {
    const world = createQuorumWorld(2)
    const { group, quorum, store } = world.nodes[0]!
    store.full = true
    expect(await code(world, change(group, 'hub', 'a', 0))).not.toBe('decided')
    expect([group.known('hub'), group.all()]).toEqual([undefined, []])
    const body = encodeQuorumRequest({ kind: 'learn', pool: POOL, told: [], have: [] })
    expect(decodeQuorumAnswer(await world.wait(quorum.answer(METHOD.QUORUM_LEARN, body, world.peers[1]!)))).toMatchObject({ decided: [] })
    store.full = false
    world.nodes[0]!.restart()
    expect(await world.wait(change(world.nodes[0]!.group, 'hub', 'b', 0))).toMatchObject({ version: 1 })
  })

  test('a damaged row: that voter abstains on that register only, until it is removed and added again (I9)', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 4)
    const [a, b, c, d] = world.peers as [string, string, string, string]
    await world.wait(change(world.nodes[0]!.group, 'setting/a', 'x', 0))
    await world.run(100)
    world.nodes[3]!.store.damage(POOL, 'r/setting/a')
    world.nodes[3]!.restart()
    expect(world.nodes[3]!.group.status().damaged).toEqual(['setting/a'])
    await world.wait(change(world.nodes[0]!.group, 'setting/a', 'y', 1))
    await world.run(100)
    expect(world.nodes[0]!.group.status().damagedAt).toEqual([{ peer: d, key: 'setting/a' }])
    expect(world.nodes[3]!.group.votes().filter(({ key, voter }) => key === 'setting/a' && voter === d)).toEqual([])
    await world.wait(world.nodes[0]!.group.changeVoters([a, b, c], WITHIN))
    await world.run(100)
    expect(world.nodes[3]!.group.status().damaged).toEqual([])
    await world.wait(world.nodes[0]!.group.changeVoters([a, b, c, d], WITHIN))
    world.nodes[3]!.restart()
    expect(world.nodes[3]!.group.status()).toMatchObject({ damaged: [], isVoter: true })
    // What was said of it before does not get it thrown out again.
    expect(world.nodes[0]!.group.status().damagedAt).toEqual([])
  })
})

describe('who is not in the pool', () => {
  test('learns settings from the hub, with proof, and forgets nothing when it joins or leaves', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    const below = world.nodes[3]!
    below.quorum.close(POOL)
    below.quorum.setMembers(POOL, [world.peers[1]!])
    const learned = below.quorum.learned(POOL)
    const heard: string[] = []
    learned.onDecided(({ key, version }) => heard.push(`${key} ${version}`))
    for (const { quorum, peer } of world.nodes.slice(0, 3)) {
      quorum.setMembers(POOL, world.peers.slice(0, 3).filter((other) => other !== peer))
      // One that decides nothing itself passes on what it hears.
      if (peer === world.peers[1]) quorum.setAudience(POOL, [below.peer])
    }
    await world.run(2_000)
    await world.wait(change(world.nodes[0]!.group, 'setting/a', 'x', 0))
    await world.wait(change(world.nodes[0]!.group, 'hub', 'h', 0))
    await world.run(200)
    expect(learned.known('hub')).toBeUndefined()
    expect(textOf(learned.known('setting/a')?.data)).toBe('x')
    expect(heard).toContain('setting/a 1')
    const again = below.quorum.open(POOL, { genesis: [world.peers[0]!], tier: 'regional' })
    expect(textOf(again.known('setting/a')?.data)).toBe('x')
    expect(again.voters().version).toBe(4)
    below.quorum.close(POOL)
    expect(textOf(learned.known('setting/a')?.data)).toBe('x')
  })

  test('proves what the first voters decided, if it is told who they are, and has it again after a restart without asking', async () => {
    const world = createQuorumWorld(2)
    const [top, below] = [world.nodes[0]!, world.nodes[1]!]
    below.quorum.close(POOL)
    const learned = below.quorum.learned(POOL, { genesis: [top.peer] })
    top.quorum.setMembers(POOL, [below.peer])
    await world.wait(change(top.group, 'ban/x', 'y', 0))
    await world.wait(change(top.group, 'hub', 'h', 0))
    await world.run(100)
    expect(textOf(learned.known('ban/x')?.data)).toBe('y')
    below.up = false
    below.quorum.stop()
    const rows = below.store.load(POOL).map(({ key }) => key)
    expect(rows).toEqual(['d/ban/x'])
    below.restart()
    world.only(1)
    expect(textOf(below.group.known('ban/x')?.data)).toBe('y')
    // Damage there costs no vote: it is asked for again.
    below.quorum.stop()
    below.store.damage(POOL, 'd/ban/x')
    below.restart()
    expect(below.group.known('ban/x')).toBeUndefined()
    expect(below.group.status().damaged).toEqual([])
    world.heal()
    await world.run(5_000)
    expect(textOf(below.group.known('ban/x')?.data)).toBe('y')
  })

  /** 0 and 1 are in the pool, 0 votes; 2 is below 1, 3 below 2. */
  async function tree(options: QuorumWorldOptions = {}) {
    const world = createQuorumWorld(4, options)
    for (const [index, { quorum }] of world.nodes.entries()) {
      if (index > 1) {
        quorum.close(POOL)
        quorum.learned(POOL, { genesis: [world.peers[0]!] })
      }
      quorum.setMembers(POOL, [world.peers[index === 0 ? 1 : index - 1]!])
      if (index > 0) quorum.setAudience(POOL, world.peers.slice(index + 1, index + 2))
    }
    await world.run(2_000)
    const leaf = world.nodes[3]!
    const propose = (value: string, expected: number | 'any' = 'any', within = 5_000) => leaf.quorum.change(POOL, 'setting/a', { expect: expected, data: text(value) }, { within })
    return { world, leaf, propose, voter: world.nodes[0]!.group }
  }

  test('has hubs pass on what it wants changed, up to a voter; once, and with its outcome', async () => {
    const { world, leaf, propose, voter } = await tree({ twice: 0.5, seed: 3 })
    expect(await world.wait(propose('one'))).toMatchObject({ version: 1 })
    expect(await world.wait(propose('two'))).toMatchObject({ version: 2 })
    await expect(world.wait(propose('three', 1))).rejects.toMatchObject({ code: 'SKEIN_CONFLICT', data: { current: 2 } })
    expect(textOf(voter.known('setting/a')?.data)).toBe('two')
    expect(textOf(leaf.quorum.learned(POOL).known('setting/a')?.data)).toBe('two')
    expect(leaf.quorum.learned(POOL).proposals().map(({ state }) => state)).toEqual(['decided', 'decided', 'conflict'])
  })

  test('is told that the outcome is unknown when the way breaks after it was passed on, and that nothing was begun when there is none', async () => {
    const { world, propose, voter } = await tree()
    const asked = propose('one', 'any', 2_000)
    while (!world.calls.some(({ from, to, method }) => method === METHOD.QUORUM_FORWARD && from === world.peers[1] && to === world.peers[0])) await world.run(1)
    world.cut(1, 2)
    expect(await code(world, asked)).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(textOf(voter.known('setting/a')?.data)).toBe('one')
    world.heal()
    world.nodes[3]!.quorum.setMembers(POOL, [])
    expect(await code(world, propose('two', 'any', 1_000))).toBe('SKEIN_NO_QUORUM')
    await world.run(1_000)
    expect(textOf(voter.known('setting/a')?.data)).toBe('one')
  })

  test('a circle of hubs ends', async () => {
    const { world, propose } = await tree()
    world.nodes[2]!.quorum.setMembers(POOL, [world.peers[3]!])
    const before = world.calls.length
    expect(await code(world, propose('one', 'any', 3_000))).toMatch(/SKEIN_(NO_QUORUM|OUTCOME_UNKNOWN)/)
    expect(world.calls.slice(before).filter(({ method }) => method === METHOD.QUORUM_FORWARD).length).toBeLessThan(100)
  })
})

test('only voters propose: a member that asks for promises gets none, with whatever ballot', async () => {
  const world = createQuorumWorld(4)
  await growTo(world, 3)
  const body = encodeQuorumRequest({ kind: 'prepare', pool: POOL, voters: 4, key: 'hub', ballot: { n: 9_999, peer: world.peers[3]! } })
  const answer = decodeQuorumAnswer(await world.wait(world.nodes[0]!.quorum.answer(METHOD.QUORUM_PREPARE, body, world.peers[3]!)))
  expect(answer).toMatchObject({ kind: 'refused', reason: 'not-voter' })
  const elsewhere = encodeQuorumRequest({ kind: 'keys', pool: 'no such', voters: 0 })
  expect(decodeQuorumAnswer(await world.nodes[0]!.quorum.answer(METHOD.QUORUM_PREPARE, elsewhere, world.peers[3]!))).toMatchObject({ kind: 'refused', reason: 'closed' })
  await expect(world.nodes[0]!.quorum.answer(METHOD.QUORUM_ACCEPT, body, world.peers[3]!)).rejects.toMatchObject({ code: 'SKEIN_PROTOCOL' })
})

test('counts what it does', async () => {
  const world = createQuorumWorld(3)
  await growTo(world, 3)
  await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 0))
  await code(world, change(world.nodes[0]!.group, 'hub', 'b', 0))
  const families = world.nodes[0]!.meter().snapshot()
  const sum = (name: string) => families.find((family) => family.name === name)?.samples.reduce((total, { value, histogram }) => total + value + (histogram?.counts.reduce((all, each) => all + each, 0) ?? 0), 0)
  // Two changes of voters, two of the lease.
  expect(sum('skein_consensus_proposal_time_seconds')).toBe(4)
  expect(sum('skein_consensus_votes_total')).toBeGreaterThanOrEqual(5)
  expect(sum('skein_consensus_registers')).toBe(2)
  expect(sum('skein_consensus_damaged_registers')).toBe(0)
})

test('a newcomer that first meets others who know nothing has it all soon', async () => {
  const world = createQuorumWorld(8)
  await growTo(world, 3)
  await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 0))
  await world.run(100)
  for (const { quorum, peer } of world.nodes.slice(3)) {
    quorum.close(POOL)
    quorum.open(POOL, { genesis: [world.peers[0]!], tier: 'regional' })
    quorum.setMembers(POOL, world.peers.slice(3).filter((other) => other !== peer))
  }
  await world.run(10_000)
  for (const { quorum } of world.nodes.slice(3)) expect(quorum.group(POOL)?.known('hub')).toBeUndefined()
  for (const { quorum, peer } of world.nodes.slice(3)) quorum.setMembers(POOL, world.peers.filter((other) => other !== peer))
  await world.run(25_000)
  for (const { quorum } of world.nodes.slice(3)) expect(quorum.group(POOL)?.known('hub')).toMatchObject({ version: 1 })
})

test('a newcomer asks a voter first', async () => {
  const world = createQuorumWorld(8)
  await world.wait(change(world.nodes[0]!.group, 'hub', 'a', 0))
  await world.run(100)
  const late = world.nodes[7]!
  late.quorum.close(POOL)
  late.store.save(POOL, [{ key: 'v', bytes: undefined }, { key: 'w', bytes: undefined }])
  late.quorum.open(POOL, { genesis: [world.peers[0]!], tier: 'regional' })
  late.quorum.setMembers(POOL, world.peers.slice(0, 7))
  await world.run(1_500)
  expect(late.quorum.group(POOL)?.known('hub')).toMatchObject({ version: 1 })
})

test('what waits when a node stops is told so', async () => {
  const world = createQuorumWorld(3)
  await growTo(world, 3)
  world.only(0)
  const waiting = code(world, change(world.nodes[0]!.group, 'hub', 'x', 0))
  await world.run(10)
  world.nodes[0]!.quorum.stop()
  expect(await waiting).toBe('SKEIN_CANCELLED')
})

test('an abandoned change goes on by itself', async () => {
  const world = createQuorumWorld(1)
  const abort = new AbortController()
  const world3 = createQuorumWorld(3)
  await growTo(world3, 3)
  const waiting = code(world3, world3.nodes[0]!.group.change('hub', { expect: 0, data: text('x') }, { within: 5_000, signal: abort.signal }))
  await world3.run(1)
  abort.abort()
  expect(await waiting).toBe('SKEIN_CANCELLED')
  await world3.run(500)
  expect(world3.nodes[0]!.group.known('hub')).toMatchObject({ version: 1 })
  expect(world.nodes[0]!.group.known('hub')).toBeUndefined()
})
