import { describe, expect, test } from 'vitest'
import { MAX_SUGGESTED, SUGGESTED_FOR } from '../../../src/rpc/reach/suggestions.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { createReachNet, type ReachNode } from '../../support/reach-net.ts'

const body = Uint8Array.of(1)
const settled = async (promise: Promise<unknown>) => promise.then(() => 'ok', (error: { code: string }) => error.code)

/** a and m share a pool with the hub h; the nodes b and its other hub g are in pools of their own with h. a has no link with g and b. */
async function afar() {
  const world = await createReachNet(5, [[0, 1], [0, 4], [4, 1], [1, 2], [1, 3], [3, 2]], { pools: [[0, 1, 4], [1, 2, 3]] })
  await world.net.advance(2_600)
  const [a, h, b, g, m] = world.nodes as [ReachNode, ReachNode, ReachNode, ReachNode, ReachNode]
  const news: string[] = []
  a.reach.onChange((peer) => news.push(`${world.nodes.findIndex(({ id }) => id === peer)} ${a.reach.path(peer)?.via.map((relay) => world.nodes.findIndex(({ id }) => id === relay)).join() ?? 'none'}`))
  const echo = async () => {
    const answer = settled(a.reach.call(b.id, METHOD.ECHO, body, { timeout: 500 }))
    await world.net.advance(540)
    return answer
  }
  return { ...world, a, h, b, g, m, news, echo }
}

describe('a suggested way', () => {
  test('is taken, is not one of a member, and changes nothing when it is the same', async () => {
    const { a, h, b, news, echo } = await afar()
    expect(await echo()).toBe('SKEIN_UNDELIVERED')
    a.reach.suggest(b.id, { via: [h.id], rtt: 5 })
    const path = a.reach.path(b.id)
    expect(path).toMatchObject({ kind: 'relayed', via: [h.id], rtt: 5 })
    expect(await echo()).toBe('ok')
    a.reach.suggest(b.id, { via: [h.id], rtt: 6 })
    expect(a.reach.path(b.id)).toBe(path)
    expect(path?.rtt).toBe(6)
    expect(news).toEqual(['2 1'])
    // The catalog compares nothing with it.
    expect(a.lives.filter((line) => line.endsWith('2'))).toEqual([])
    expect(a.reach.live()).not.toContain(b.id)
    expect(a.meter.snapshot().find(({ name }) => name === 'skein_rpc_reach_peers')?.samples.find(({ labels }) => labels[0] === 'suggested')?.value).toBe(1)
  })

  test('nobody is asked about it, and it is forgotten after a minute without a call', async () => {
    const { net, a, h, b, news, echo } = await afar()
    const asked: number[] = []
    h.rpc.check = ((check) => (peer, options) => {
      asked.push(1)
      return check(peer, options)
    })(h.rpc.check)
    a.reach.suggest(b.id, { via: [h.id] })
    await net.advance(SUGGESTED_FOR / 2)
    expect(await echo()).toBe('ok')
    await net.advance(SUGGESTED_FOR - 2_000)
    expect(a.reach.path(b.id)?.kind).toBe('relayed')
    await net.advance(3_000)
    expect(a.reach.path(b.id)).toBeUndefined()
    expect(news).toEqual(['2 1', '2 none'])
    expect(asked).toEqual([])
  })

  test('a session with the node is better, and what was suggested is there again when that ends', async () => {
    const { a, h, b, link, unlink } = await afar()
    a.reach.suggest(b.id, { via: [h.id] })
    await link(a, b)
    expect(a.reach.path(b.id)?.kind).toBe('direct')
    await unlink(a, b)
    expect(a.reach.path(b.id)?.kind).toBe('relayed')
  })

  test('a hub that is reached over another member only is reached so', async () => {
    const { net, a, h, b, m, unlink, echo } = await afar()
    await unlink(a, h)
    await net.advance(1_000)
    expect(a.reach.path(h.id)?.via).toEqual([m.id])
    a.reach.suggest(b.id, { via: [h.id] })
    expect(a.reach.path(b.id)?.via).toEqual([m.id, h.id])
    expect(await echo()).toBe('ok')
  })

  test('none is taken over a stranger, in a circle, or over too many', async () => {
    const { a, h, b, g, m } = await afar()
    for (const via of [[], ['nobody'], [g.id], [h.id, h.id], [h.id, a.id], [h.id, b.id], [h.id, m.id, g.id, 'x', 'y', 'z']]) a.reach.suggest(b.id, { via })
    expect(a.reach.path(b.id)).toBeUndefined()
  })

  test('the least recently used one makes room', async () => {
    const { net, a, h, b, echo } = await afar()
    a.reach.suggest(b.id, { via: [h.id] })
    const others = Array.from({ length: MAX_SUGGESTED - 1 }, (_, index) => `peer ${index}`)
    for (const peer of others) {
      net.clock.advance(1)
      a.reach.suggest(peer, { via: [h.id] })
    }
    expect(await echo()).toBe('ok')
    a.reach.suggest('one more', { via: [h.id] })
    expect(a.reach.path(b.id)).toBeDefined()
    expect(a.reach.path('peer 0')).toBeUndefined()
    expect(a.reach.path('peer 1')).toBeDefined()
  })
})

describe('a suggested way that fails', () => {
  test('is asked for anew, once, and the call may go on over what is said then', async () => {
    const { a, h, b, g, m, unlink, echo } = await afar()
    a.reach.suggest(b.id, { via: [h.id] })
    await unlink(h, b)
    const used = a.reach.path(b.id)
    expect(await echo()).toBe('SKEIN_UNDELIVERED')
    expect(a.reach.path(b.id)).toBeUndefined()
    const asked: [string, number][] = []
    a.resolveAgain = (peer, within) => {
      asked.push([peer, within])
      a.reach.suggest(b.id, { via: [h.id, g.id] })
      return Promise.resolve()
    }
    expect(await a.reach.other(b.id, used, 700)).toBe(true)
    expect(asked).toEqual([[b.id, 700]])
    expect(a.reach.path(b.id)?.via).toEqual([h.id, g.id])
    // The relays between other pools are members of those; of this pool nobody is asked.
    expect(await a.reach.other(m.id, a.reach.path(m.id), 700)).toBe(false)
    expect(asked).toHaveLength(1)
  })

  test('nobody knows another one: false', async () => {
    const { a, h, b } = await afar()
    a.reach.suggest(b.id, { via: [h.id] })
    expect(await a.reach.other(b.id, a.reach.path(b.id), 700)).toBe(false)
  })

  test('with its first relay gone, leaving or silent it is forgotten at once; what runs ends with that session', async () => {
    const { net, a, h, b, g, unlink, link } = await afar()
    a.reach.suggest(b.id, { via: [h.id] })
    const lost = settled(a.reach.open(b.id, METHOD.MCP_CALL, body, { timeout: 60_000 }).answer)
    await net.run()
    await unlink(a, h)
    expect(await lost).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(a.reach.path(b.id)).toBeUndefined()
    await link(a, h)
    await net.advance(1_000)
    a.reach.suggest(b.id, { via: [h.id] })
    expect(a.reach.path(b.id)).toBeDefined()
    h.rpc.goaway('draining')
    await net.run()
    expect(a.reach.path(b.id)).toBeUndefined()
    a.reach.suggest(b.id, { via: [h.id, g.id] })
    expect(a.reach.path(b.id)).toBeUndefined()
  })
})
