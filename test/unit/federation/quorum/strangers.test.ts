import { describe, expect, test } from 'vitest'
import { METHOD } from '../../../../src/wire/protocols.ts'
import type { Certificate, QuorumAnswer, QuorumRequest } from '../../../../src/wire/quorum-types.ts'
import { decodeQuorumAnswer, decodeQuorumRequest, encodeQuorumAnswer, encodeQuorumRequest, quorumMethod } from '../../../../src/wire/quorum.ts'
import { encodeVoterSet } from '../../../../src/wire/quorum-votes.ts'
import { createQuorumWorld, growTo, POOL, text, textOf, type QuorumWorld } from '../../../support/quorum-world.ts'

/** What a member of the federation that is up to no good can make a pool do: nothing. */

const WITHIN = { within: 5_000 }
const ids = { nobody: testPeer(), op: '00'.repeat(12) }

function testPeer(): string {
  return '12D3KooWNobodyNobodyNobodyNobodyNobodyNobodyNobodyNo'
}

/** Voters that nobody chose: no votes, whatever version. */
function made(version: number, ...peers: string[]): Certificate {
  return {
    key: 'voters', ballot: { n: 1, peer: peers[0] as string }, voters: version - 1, votes: [],
    value: { version, ops: [ids.op], data: encodeVoterSet({ peers, settled: true }) }
  }
}

/** `from` asks `to` something, as if over a session. */
async function ask(world: QuorumWorld, from: string, to: number, request: QuorumRequest): Promise<QuorumAnswer> {
  return decodeQuorumAnswer(await world.wait(world.nodes[to]!.quorum.answer(quorumMethod(request), encodeQuorumRequest(request), from)))
}

const forward = (what: 'change' | 'read' | 'voters', key: string, data?: Uint8Array, op = ids.op): QuorumRequest => ({ kind: 'forward', pool: POOL, what, key, op: what === 'read' ? '' : op, data, within: 2_000 })

/** The last node of `count` tells everybody who asks that there are voters of version 99: itself. */
function withLiar(count: number, options: Parameters<typeof createQuorumWorld>[1] = {}): { world: QuorumWorld; liar: number } {
  const self: { peer?: string } = {}
  const world = createQuorumWorld(count, {
    ...options,
    lies(peer, method, body) {
      if (peer !== self.peer || method !== METHOD.QUORUM_LEARN) return undefined
      const { have } = decodeQuorumRequest(method, body) as { have?: unknown }
      return encodeQuorumAnswer({ kind: 'learned', same: false, decided: have === undefined ? [] : [made(99, peer)], more: false })
    }
  })
  self.peer = world.peers[count - 1]!
  return { world, liar: count - 1 }
}

describe('voters that nobody chose', () => {
  test('are not taken from a request for promises, at version 0 either', async () => {
    const world = createQuorumWorld(2)
    const [founder, liar] = world.peers as [string, string]
    const prepare: QuorumRequest = { kind: 'prepare', pool: POOL, voters: 7, chain: [made(7, liar)], key: 'hub', ballot: { n: 1, peer: liar } }
    expect(await ask(world, liar, 0, prepare)).toMatchObject({ kind: 'refused' })
    await world.run(5_000)
    expect(world.nodes[0]!.group.voters()).toEqual({ version: 0, peers: [founder], settled: true })
    expect(world.nodes[0]!.store.load(POOL)).toEqual([])
  })

  test('are told, and whoever told them is asked: a voter remains one, and forgets nothing it voted', async () => {
    const { world, liar } = withLiar(5)
    await growTo(world, 3)
    await world.wait(world.nodes[0]!.group.change('setting/a', { expect: 0, data: text('x') }, WITHIN))
    for (const to of [0, 3]) await ask(world, world.peers[liar]!, to, { kind: 'learn', pool: POOL, told: [made(99, world.peers[liar]!)] })
    // Time enough to ask it, several times.
    await world.run(200_000)
    for (const { group } of world.nodes.slice(0, 4)) expect(group.voters()).toMatchObject({ version: 4, peers: world.peers.slice(0, 3) })
    expect(world.nodes[0]!.store.load(POOL).map(({ key }) => key)).toContain('r/setting/a')
  })

  test('a newcomer that knows nobody but the one who says so, and the founder gone, waits for a second opinion', async () => {
    const { world, liar } = withLiar(7)
    await growTo(world, 3)
    // So many changes that the beginning is not told any more.
    for (let change = 0; change < 18; change++) await world.wait(world.nodes[0]!.group.changeVoters(world.peers.slice(0, 4 - (change % 2)), WITHIN))
    const { version } = world.nodes[0]!.group.voters()
    expect(version).toBeGreaterThan(33)
    await world.run(1_000)
    world.nodes[0]!.up = false
    const late = world.nodes[5]!
    late.quorum.close(POOL)
    late.store.save(POOL, late.store.load(POOL).map(({ key }) => ({ key, bytes: undefined })))
    late.quorum.setMembers(POOL, [world.peers[liar]!, world.peers[2]!])
    const group = late.quorum.open(POOL, { genesis: [world.peers[0]!], tier: 'regional' })
    await world.run(20_000)
    // One says this, one that.
    expect(group.voters().version).toBe(0)
    late.quorum.setMembers(POOL, [liar, 2, 4].map((index) => world.peers[index]!))
    await world.run(35_000)
    expect(group.voters()).toMatchObject({ version, peers: world.nodes[1]!.group.voters().peers })
  })

  test('the only member there is is believed after some seconds', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    for (let change = 0; change < 18; change++) await world.wait(world.nodes[0]!.group.changeVoters(world.peers.slice(0, 3 - (change % 2)), WITHIN))
    const late = world.nodes[3]!
    late.quorum.close(POOL)
    late.store.save(POOL, late.store.load(POOL).map(({ key }) => ({ key, bytes: undefined })))
    late.quorum.setMembers(POOL, [world.peers[1]!])
    const group = late.quorum.open(POOL, { genesis: [world.peers[0]!], tier: 'regional' })
    await world.run(2_000)
    expect(group.voters().version).toBe(0)
    await world.run(20_000)
    expect(group.voters()).toMatchObject({ version: world.nodes[0]!.group.voters().version })
  })
})

describe('who may ask', () => {
  test('somebody who is not in the pool is told nothing, asks nothing, and teaches nothing', async () => {
    const world = createQuorumWorld(3)
    await world.wait(world.nodes[0]!.group.change('ban/x', { expect: 0, data: text('y') }, WITHIN))
    const [stranger, member, below] = [ids.nobody, world.peers[1]!, world.peers[2]!]
    world.nodes[0]!.quorum.setMembers(POOL, [member])
    const read = forward('read', 'ban/x')
    const learn: QuorumRequest = { kind: 'learn', pool: POOL, told: [], have: [] }
    for (const request of [read, learn]) {
      expect(await ask(world, stranger, 0, request)).toMatchObject({ kind: 'refused', reason: 'closed' })
      expect(await ask(world, below, 0, request)).toMatchObject({ kind: 'refused' })
      expect(await ask(world, member, 0, request)).not.toMatchObject({ kind: 'refused' })
    }
    // Below a hub, they are as good as members.
    world.nodes[0]!.quorum.setAudience(POOL, [below])
    expect(await ask(world, below, 0, read)).toMatchObject({ kind: 'outcome', outcome: 'decided' })
    expect(await ask(world, below, 0, learn)).toMatchObject({ kind: 'learned' })
  })

  test('a member that does not vote changes neither voters nor the lease', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    const [first] = world.peers as [string]
    const member = world.peers[3]!
    await world.wait(world.nodes[0]!.group.change('hub', { expect: 0, data: text(first) }, WITHIN))
    expect(await ask(world, member, 0, forward('change', 'hub', text(member)))).toMatchObject({ kind: 'refused', reason: 'not-permitted' })
    expect(await ask(world, member, 0, forward('change', 'voters', text(member)))).toMatchObject({ kind: 'refused', reason: 'not-permitted' })
    expect(await ask(world, member, 0, forward('voters', 'voters', encodeVoterSet({ peers: world.peers, settled: false })))).toMatchObject({ kind: 'refused', reason: 'not-permitted' })
    const { group } = world.nodes[3]!
    await expect(world.wait(group.change('hub', { expect: 1, data: text(member) }, WITHIN))).rejects.toMatchObject({ code: 'SKEIN_CONFLICT' })
    await expect(world.wait(group.changeVoters(world.peers, WITHIN))).rejects.toMatchObject({ code: 'SKEIN_CONFLICT' })
    expect(textOf(world.nodes[0]!.group.known('hub')?.data)).toBe(first)
    expect(world.nodes[0]!.group.voters().peers).toHaveLength(3)
  })

  test('a voter is asked whether its own idea is permitted with its name, and without one for what another began', async () => {
    const proposers: (string | undefined)[] = []
    const world = createQuorumWorld(3, { permits: (_pool, key, _current, _next, { proposer }) => (key === 'hub' && proposers.push(proposer), true) })
    await growTo(world, 3)
    await world.wait(world.nodes[1]!.group.change('hub', { expect: 0, data: text('x') }, WITHIN))
    await world.run(100)
    expect(new Set(proposers)).toEqual(new Set([world.peers[1], undefined]))
  })

  test('settings and bans: voters, and those who have the right; the refusal says who may', async () => {
    const may = new Set<string>()
    const world = createQuorumWorld(5, { mayPropose: (from) => may.has(from) })
    await growTo(world, 3)
    may.add(world.peers[4]!)
    const change = (node: number, expected: number) => world.wait(world.nodes[node]!.group.change('ban/x', { expect: expected, data: text('y') }, WITHIN))
    const before = world.clock.now()
    await expect(change(3, 0)).rejects.toMatchObject({ code: 'SKEIN_CONFLICT', message: expect.stringContaining('at the founder of the federation') })
    // Not after five seconds of trying.
    expect(world.clock.now() - before).toBeLessThan(1_000)
    expect(await change(4, 0)).toMatchObject({ version: 1 })
    expect(await change(2, 1)).toMatchObject({ version: 2 })
    expect(await world.wait(world.nodes[3]!.group.read('ban/x', WITHIN))).toMatchObject({ version: 2 })
  })

  test('… and a hub passes on only what whoever hands it over may propose', async () => {
    const may = new Set<string>()
    const world = createQuorumWorld(4, { mayPropose: (from) => may.has(from) })
    // 0 votes, 1 is in the pool, 2 and 3 are below 1.
    for (const index of [2, 3]) {
      world.nodes[index]!.quorum.close(POOL)
      world.nodes[index]!.quorum.learned(POOL, { genesis: [world.peers[0]!] })
      world.nodes[index]!.quorum.setMembers(POOL, [world.peers[1]!])
    }
    world.nodes[0]!.quorum.setMembers(POOL, [world.peers[1]!])
    world.nodes[1]!.quorum.setMembers(POOL, [world.peers[0]!])
    world.nodes[1]!.quorum.setAudience(POOL, world.peers.slice(2))
    may.add(world.peers[1]!).add(world.peers[3]!)
    const change = (node: number) => world.wait(world.nodes[node]!.quorum.change(POOL, 'ban/x', { expect: 0, data: text('y') }, WITHIN))
    await expect(change(2)).rejects.toMatchObject({ code: 'SKEIN_CONFLICT', message: expect.stringContaining('may not propose') })
    expect(await change(3)).toMatchObject({ version: 1 })
  })

  test('registers that nobody knows are not read, let alone written', async () => {
    const world = createQuorumWorld(2, { isRegister: (key) => key === 'hub' || key.startsWith('ban/') })
    for (const what of ['read', 'change'] as const) {
      const data = what === 'read' ? undefined : text('x')
      expect(await ask(world, world.peers[1]!, 0, forward(what, 'junk', data))).toMatchObject({ kind: 'refused', reason: 'not-permitted' })
    }
    expect(world.nodes[0]!.store.load(POOL)).toEqual([])
  })

  test('as many bans as there is room for leave room for the lease', async () => {
    const world = createQuorumWorld(2)
    const { group } = world.nodes[0]!
    for (let first = 0; first < 1_100; first += 100) {
      await Promise.allSettled(Array.from({ length: 100 }, (_, index) => world.wait(group.change(`ban/${first + index}`, { expect: 0, data: text('x') }, { within: 500 }))))
    }
    expect(group.all().length).toBe(1_022)
    expect(await world.wait(group.change('hub', { expect: 0, data: text('x') }, WITHIN))).toMatchObject({ version: 1 })
  }, 20_000)
})

describe('a session that comes up', () => {
  test('has both learn what was decided meanwhile, though nobody was ever declared dead', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    // The first comparisons are over.
    await world.run(40_000)
    world.only(0, 1, 2)
    await world.wait(world.nodes[0]!.group.change('setting/a', { expect: 0, data: text('x') }, WITHIN))
    await world.run(2_000)
    world.heal()
    world.nodes[3]!.quorum.peerUp(world.peers[1]!)
    await world.run(700)
    expect(textOf(world.nodes[3]!.group.known('setting/a')?.data)).toBe('x')
  })

  test('… once in five seconds, and only with members', async () => {
    const world = createQuorumWorld(3)
    await growTo(world, 3)
    await world.run(40_000)
    const asked = () => world.calls.filter(({ method, from, to }) => method === METHOD.QUORUM_LEARN && from === world.peers[0] && to === world.peers[1]).length
    const before = asked()
    for (let up = 0; up < 20; up++) world.nodes[0]!.quorum.peerUp(world.peers[1]!)
    world.nodes[0]!.quorum.peerUp(ids.nobody)
    await world.run(1_000)
    expect(asked() - before).toBe(1)
    expect(world.calls.some(({ to }) => to === ids.nobody)).toBe(false)
  })
})
