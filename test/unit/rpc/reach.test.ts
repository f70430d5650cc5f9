import { describe, expect, test } from 'vitest'
import { MAX_ASKING } from '../../../src/rpc/reach/reach.ts'
import { chooseAsked } from '../../../src/rpc/reach/target.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { createReachNet, type ReachNet, type ReachNode } from '../../support/reach-net.ts'

const body = Uint8Array.of(1, 2, 3)
const nodesOf = ({ nodes }: ReachNet) => nodes as [ReachNode, ReachNode, ReachNode, ReachNode, ReachNode]
const kind = (from: ReachNode, to: ReachNode) => from.reach.path(to.id)?.kind
const settled = async (promise: Promise<unknown>) => promise.then(() => 'ok', (error: { code: string }) => error.code)

/** Calls that are answered within `within` ms of virtual time. */
async function echo({ net }: ReachNet, from: ReachNode, to: ReachNode, within = 200): Promise<string> {
  const answer = settled(from.reach.call(to.id, METHOD.ECHO, body, { timeout: within }))
  await net.advance(within + 40)
  return answer
}

/** A triangle whose first pings are over. */
async function triangle() {
  const world = await createReachNet(3, [[0, 1], [0, 2], [1, 2]])
  await world.net.advance(8_000)
  return world
}

describe('the way to a member', () => {
  test('is its session; over others when there is none', async () => {
    const world = await createReachNet(3, [[0, 2], [1, 2]])
    const [a, b, c] = nodesOf(world)
    expect(kind(a, c)).toBe('direct')
    expect(kind(a, b)).toBeUndefined()
    // Members that were never linked get two seconds for that.
    await world.net.advance(1_900)
    expect(kind(a, b)).toBeUndefined()
    await world.net.advance(200)
    expect(a.reach.path(b.id)).toMatchObject({ kind: 'relayed', via: [c.id] })
    expect(a.lives).toEqual(['+2', '+1'])
    expect(await echo(world, a, b)).toBe('ok')
  })

  test('a cut link: calls go over a relay within 1.3 s, what waited ends as unknown, the peer never counts as gone; then direct again', async () => {
    const world = await triangle()
    const [a, b, c] = nodesOf(world)
    world.block(a, b)
    const lost = settled(a.reach.call(b.id, METHOD.ECHO, body, { timeout: 20_000 }))
    await world.net.advance(1_000)
    expect(a.reach.path(b.id)).toMatchObject({ kind: 'relayed', via: [c.id] })
    expect(a.abandoned).toEqual([])
    expect(await echo(world, a, b)).toBe('ok')
    await world.net.advance(100)
    expect(a.abandoned).toEqual([b.id])
    expect(await lost).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(a.lives.filter((line) => line === '-1')).toEqual([])
    // The relayed call made the other side doubt its session, too.
    await world.net.advance(1_000)
    expect(b.abandoned).toEqual([a.id])
    expect(kind(b, a)).toBe('relayed')

    world.unblock(a, b)
    await world.link(a, b)
    await world.net.advance(1_100)
    expect([kind(a, b), kind(b, a)]).toEqual(['direct', 'direct'])
    expect(await echo(world, a, b)).toBe('ok')
    expect(a.lives).toEqual(['+1', '+2'])
  })

  test('a peer that stands still is not given up: nobody hears it', async () => {
    const world = await triangle()
    const [a, b] = nodesOf(world)
    const waiting = settled(a.reach.call(b.id, METHOD.ECHO, body, { timeout: 20_000 }))
    await world.net.run()
    expect(await waiting).toBe('ok')
    world.freeze(b)
    const frozen = settled(a.reach.call(b.id, METHOD.ECHO, body, { timeout: 20_000 }))
    await world.net.advance(6_000)
    expect(a.rpc.session(b.id)?.stalled).toBe(true)
    expect(a.reach.path(b.id)).toMatchObject({ kind: 'direct', stalled: true })
    world.thaw(b)
    await world.net.run()
    expect(await frozen).toBe('ok')
    expect(a.rpc.session(b.id)?.stalled).toBe(false)
    expect(a.abandoned).toEqual([])
  })

  test('a peer that goes on while it is judged keeps its connection', async () => {
    const world = await triangle()
    const [a, b] = nodesOf(world)
    world.block(a, b)
    const waiting = settled(a.reach.call(b.id, METHOD.ECHO, body, { timeout: 20_000 }))
    await world.net.advance(1_000)
    expect(kind(a, b)).toBe('relayed')
    world.unblock(a, b)
    await world.net.run()
    expect(kind(a, b)).toBe('direct')
    expect(await waiting).toBe('ok')
    await world.net.advance(1_000)
    expect(a.abandoned).toEqual([])
  })

  test('a session that closes: gone at once, back over a relay that has heard the peer since', async () => {
    const world = await triangle()
    const [a, b] = nodesOf(world)
    await world.unlink(a, b)
    expect(a.lives.at(-1)).toBe('-1')
    expect(kind(a, b)).toBeUndefined()
    await world.net.advance(400)
    expect(kind(a, b)).toBe('relayed')
    expect(a.lives.at(-1)).toBe('+1')
  })

  test('a peer that died is not offered by others', async () => {
    const world = await triangle()
    const [a, b, c] = nodesOf(world)
    world.freeze(b)
    await world.unlink(a, b)
    // The relay has not noticed yet.
    expect(c.rpc.session(b.id)).toBeDefined()
    await world.net.advance(10_000)
    expect(kind(a, b)).toBeUndefined()
    a.reach.memberDown(b.id)
    const before = a.rpc.session(c.id)?.inFlight
    await world.net.advance(20_000)
    expect(before).toBeLessThanOrEqual(1)
    expect(kind(a, b)).toBeUndefined()
  })

  test('who is no member gets no relay', async () => {
    const world = await triangle()
    const [a, b] = nodesOf(world)
    a.reach.memberDown(b.id)
    expect(kind(a, b)).toBe('direct')
    await world.unlink(a, b)
    await world.net.advance(5_000)
    expect(kind(a, b)).toBeUndefined()
    expect(await echo(world, a, b)).toBe('SKEIN_UNDELIVERED')
  })

  test('over two relays, in a row of four', async () => {
    const world = await createReachNet(4, [[0, 2], [2, 3], [3, 1]])
    const [a, b, c, d] = nodesOf(world)
    await world.net.advance(12_000)
    expect(a.reach.path(b.id)).toMatchObject({ kind: 'relayed', via: [c.id, d.id] })
    const exchange = a.reach.open(b.id, METHOD.MCP_CALL, body, { timeout: 1_000 })
    await world.net.run()
    const [served] = b.served
    expect(served).toMatchObject({ peer: a.id, via: [c.id, d.id], method: METHOD.MCP_CALL })
    served?.end(Uint8Array.of(9))
    await world.net.run()
    expect(new Uint8Array((await exchange.answer).body)).toEqual(Uint8Array.of(9))
  })

  test('a relay that goes away is replaced; meanwhile the peer counts as there', async () => {
    const world = await createReachNet(4, [[0, 2], [0, 3], [1, 2], [1, 3]])
    const [a, b, c, d] = nodesOf(world)
    await world.net.advance(3_000)
    const first = a.reach.path(b.id)?.via[0]
    const gone = first === c.id ? c : d
    await world.unlink(a, gone)
    expect(a.lives).not.toContain('-1')
    const other = a.reach.other(b.id, undefined, 1_000)
    await world.net.advance(200)
    expect(await other).toBe(true)
    expect(a.reach.path(b.id)?.via).toEqual([gone === c ? d.id : c.id])
    expect(a.lives).not.toContain('-1')
  })

  test('a relay that has lost the peer says so: the call was not run, and the next one goes another way', async () => {
    const world = await createReachNet(4, [[0, 2], [0, 3], [1, 2], [1, 3]])
    const [a, b, c, d] = nodesOf(world)
    await world.net.advance(3_000)
    const relay = a.reach.path(b.id)?.via[0] === c.id ? c : d
    await world.unlink(relay, b)
    const used = a.reach.path(b.id)
    const call = settled(a.reach.call(b.id, METHOD.ECHO, body, { timeout: 1_000 }))
    await world.net.run()
    expect(await call).toBe('SKEIN_UNDELIVERED')
    const other = a.reach.other(b.id, used, 1_000)
    await world.net.advance(200)
    expect(await other).toBe(true)
    expect(await echo(world, a, b)).toBe('ok')
  })

  test('nobody leads there any more: gone after one round, and asked for ever more seldom', async () => {
    const world = await createReachNet(3, [[0, 2], [1, 2]])
    const [a, b, c] = nodesOf(world)
    await world.net.advance(3_000)
    await world.unlink(b, c)
    expect(await echo(world, a, b)).toBe('SKEIN_UNDELIVERED')
    await world.net.advance(200)
    expect(a.lives.at(-1)).toBe('-1')
    const asked = () => a.meter.snapshot().find(({ name }) => name === 'skein_rpc_reach_queries_total')?.samples.find(({ labels }) => labels[0] === 'none')?.value ?? 0
    const before = asked()
    await world.net.advance(60_000)
    expect(asked() - before).toBeGreaterThan(8)
    expect(asked() - before).toBeLessThan(40)
  })

  test('the way in use is checked every five seconds', async () => {
    const world = await createReachNet(3, [[0, 2], [1, 2]])
    const [a, b, c] = nodesOf(world)
    await world.net.advance(3_000)
    for (let second = 0; second < 10; second++) {
      expect(await echo(world, a, b)).toBe('ok')
      await world.net.advance(800)
    }
    await world.unlink(b, c)
    await world.net.advance(7_000)
    expect(kind(a, b)).toBeUndefined()
  })

  test('hundreds that become unreachable at once are asked for a few at a time', async () => {
    const world = await createReachNet(2, [[0, 1]])
    const [a, c] = nodesOf(world)
    world.block(a, c)
    for (let index = 0; index < 300; index++) a.reach.memberUp(`member-${index}`)
    await world.net.advance(2_100)
    expect(a.rpc.session(c.id)?.inFlight).toBe(MAX_ASKING)
    world.unblock(a, c)
    await world.net.advance(5_000)
    const asked = a.meter.snapshot().find(({ name }) => name === 'skein_rpc_reach_queries_total')?.samples.reduce((sum, { value }) => sum + value, 0)
    expect(asked).toBeGreaterThanOrEqual(300)
    expect(a.rpc.session(c.id)?.inFlight).toBeLessThanOrEqual(MAX_ASKING)
  })
})

describe('whom to ask', () => {
  const near = [{ peer: 'a', rtt: 1 }, { peer: 'b', rtt: 2 }, { peer: 'c', rtt: 3 }, { peer: 'd', rtt: undefined }, { peer: 'e', rtt: 5 }]
  test.each<[string, string[], string | undefined, number, number, string[]]>([
    ['the nearest and one by chance', [], undefined, 3, 0, ['a', 'b', 'c']],
    ['the one by chance may be the farthest', [], undefined, 3, 0.99, ['a', 'b', 'd']],
    ['who leads there now comes first', [], 'e', 3, 0, ['e', 'a', 'b']],
    ['only who leads there now', ['e'], 'e', 1, 0.9, ['e']],
    ['not those that were asked in vain', ['a', 'b'], undefined, 3, 0, ['c', 'e', 'd']],
    ['all of them again when none is left', ['a', 'b', 'c', 'd', 'e'], undefined, 2, 0, ['a', 'b']]
  ])('%s', (_, tried, first, max, chance, expected) => {
    expect(chooseAsked(near, new Set(tried), first, max, chance)).toEqual(expected)
  })
  test('nobody is there', () => expect(chooseAsked([], new Set(), undefined, 3, 0)).toEqual([]))
})
