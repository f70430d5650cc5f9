import { describe, expect, test } from 'vitest'
import { METHOD } from '../../../src/wire/protocols.ts'
import type { ServerEntry } from '../../../src/wire/catalog-types.ts'
import { toolDigest } from '../../../src/wire/catalog-record.ts'
import { encodeResolveAnswer, encodeResolveRequest, decodeResolveAnswer, MAX_RESOLVED } from '../../../src/wire/summary.ts'
import { server } from '../../support/catalog-fixtures.ts'
import { createSummaryWorld, createTree, type SummaryWorld, type WorldNode } from '../../support/summary-world.ts'

const signal = new AbortController().signal
const ask = { signal, timeout: 5_000 }

async function answered<T>(world: SummaryWorld, asked: Promise<T>): Promise<T> {
  const [answer] = await Promise.all([asked, world.clock.run(5_000)])
  return answer
}

async function treeOf(serve: (world: SummaryWorld, leaf: (name: string) => WorldNode) => void, options: { maxTools?: number; leaves?: number } = {}) {
  const world = createSummaryWorld(5, options)
  const tree = createTree(world, 2, 2, options.leaves ?? 3)
  const leaf = (name: string) => tree.leaves.find((one) => one.name === name) as WorldNode
  serve(world, leaf)
  world.settle()
  await world.clock.run(15_000)
  return { world, leaf, hub: (id: string) => tree.hubs.get(id) as WorldNode, leaves: tree.leaves }
}

describe('who provides a distant server', () => {
  test('the way is from hub to hub, without the one on top of both', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => into.serve(of('leaf-1-1-0').peer, [server('news', ['latest'], { capacity: 4 })]))
    const far = leaf('leaf-1-1-0')
    const [provider, ...others] = await answered(world, leaf('leaf-0-0-0').summary.resolve(`news@${far.peer}`, ask))
    expect(others).toEqual([])
    // The regional hubs are both members of the root pool.
    expect(provider).toMatchObject({ peer: far.peer, name: 'leaf-1-1-0', via: ['p0.0', 'p0', 'p1', 'p1.1'].map((id) => hub(id).peer), capacity: 4, region: 'eu' })
    expect(provider?.addresses).toEqual(['/ip4/192.0.2.1/tcp/4001'])
  })

  test('within a region the local hubs pass it on to each other', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => into.serve(of('leaf-0-1-0').peer, [server('news', ['latest'])]))
    const far = leaf('leaf-0-1-0')
    const [provider] = await answered(world, leaf('leaf-0-0-0').summary.resolve(`news@${far.peer}`, ask))
    expect(provider?.via).toEqual([hub('p0.0').peer, hub('p0.1').peer])
  })

  test('replicas come nearest first, each once, and no more than asked for', async () => {
    const { world, leaf, leaves } = await treeOf((into) => {
      for (const node of into.nodes.values()) if (node.name.startsWith('leaf')) into.serve(node.peer, [server('news', ['latest'], { stateless: true })])
    })
    const found = await answered(world, leaf('leaf-0-0-0').summary.resolve('news', ask))
    expect(found).toHaveLength(MAX_RESOLVED)
    expect(new Set(found.map(({ peer }) => peer)).size).toBe(found.length)
    expect(found.map(({ via }) => via.length)).toEqual(found.map(({ via }) => via.length).toSorted((a, b) => a - b))
    // The two others of its own pool are direct.
    expect(found.slice(0, 2).every(({ via }) => via.length === 0)).toBe(true)
    expect(leaves).toHaveLength(12)
  })

  test('the digest of the tool is told, and who lacks the tool is left out', async () => {
    const { world, leaf } = await treeOf((into, of) => {
      into.serve(of('leaf-1-0-0').peer, [server('news', ['latest'], { stateless: true })])
      into.serve(of('leaf-1-1-0').peer, [server('news', ['oldest'], { stateless: true })])
    })
    const found = await answered(world, leaf('leaf-0-0-0').summary.resolve('news', { ...ask, tool: 'oldest' }))
    expect(found.map(({ name, digest }) => [name, digest])).toEqual([['leaf-1-1-0', toolDigest({ name: 'oldest' })]])
  })

  test('nobody is an empty list, and what is gone is not remembered', async () => {
    const { world, leaf } = await treeOf((into, of) => into.serve(of('leaf-1-1-0').peer, [server('news', ['latest'], { stateless: true })]))
    const first = leaf('leaf-0-0-0')
    expect(await answered(world, first.summary.resolve('nothing', ask))).toEqual([])
    expect(await answered(world, first.summary.resolve('news', ask))).toHaveLength(1)
    world.serve(leaf('leaf-1-1-0').peer, [])
    await world.clock.run(5_000)
    expect(await answered(world, first.summary.resolve('news', ask))).toEqual([])
  })

  test('hubs remember an answer for a moment, unless it must be fresh; a dead hub costs the time, not an error', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => into.serve(of('leaf-1-1-0').peer, [server('news', ['latest'], { stateless: true })]))
    const [first, second] = [leaf('leaf-0-0-0'), leaf('leaf-0-0-1')]
    const asked = async (fresh: boolean) => {
      world.calls.length = 0
      const all = Promise.all([first, second].map((node) => node.summary.resolve('news', { ...ask, fresh })))
      await world.clock.run(1_000)
      expect((await all).map((found) => found.length)).toEqual([1, 1])
      return world.calls.filter(({ method }) => method === METHOD.SUMMARY_RESOLVE).length
    }
    // Four hops in all, and the way to its hub of the second one; each has a request and an answer.
    expect(await asked(false)).toBe(2 * 6)
    expect(await asked(false)).toBe(2 * 2)
    // Both want a fresh one at the same moment: one answer for both, but not that of a second ago.
    expect(await asked(true)).toBe(2 * 6)
    expect(await asked(true)).toBe(2 * 6)
    world.kill(hub('p1').peer)
    expect(await answered(world, first.summary.resolve('news', { ...ask, fresh: true }))).toEqual([])
  })

  test('a hub that hangs holds up nobody who has found something', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => {
      for (const name of ['leaf-0-0-1', 'leaf-0-1-0', 'leaf-1-1-0']) into.serve(of(name).peer, [server('news', ['latest'], { stateless: true })])
    })
    // As with SIGSTOP: its sessions stand, and nothing comes back.
    hub('p0.1').alive = false
    hub('root').alive = false
    const start = world.clock.now()
    const asked = leaf('leaf-0-0-0').summary.resolve('news', { ...ask, timeout: 20_000 })
    let after = 0
    void asked.then(() => (after = world.clock.now() - start))
    await world.clock.run(5_000)
    expect([(await asked).map(({ name }) => name), after < 1_500]).toEqual([['leaf-0-0-1'], true])
  })

  test('what belongs to one node is at that node alone, whatever a hub says', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => into.serve(of('leaf-1-1-0').peer, [server('db', ['query'])]))
    const owner = leaf('leaf-1-1-0').peer
    const liar = { peer: leaf('leaf-1-0-0').peer, name: 'liar', via: [], addresses: [], region: '' }
    hub('p0').summary.answer = () => Promise.resolve(encodeResolveAnswer({ providers: [liar], partial: false }))
    expect(await answered(world, leaf('leaf-0-0-0').summary.resolve(`db@${owner}`, { ...ask, fresh: true }))).toEqual([])
  })

  test('a question of another node has ten seconds, however long it says to wait; having nobody then is not a no', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => into.serve(of('leaf-1-1-0').peer, [server('news', ['latest'], { stateless: true })]))
    for (const id of ['p0', 'root']) hub(id).alive = false
    const body = encodeResolveRequest({ key: 'news', limit: 8, within: 60_000, fresh: false, visited: [] })
    const start = world.clock.now()
    let took = 0
    const asked = hub('p0.0').summary.answer(METHOD.SUMMARY_RESOLVE, body, leaf('leaf-0-0-0').peer).finally(() => (took = world.clock.now() - start))
    await world.clock.run(60_000)
    expect([decodeResolveAnswer(await asked), took > 0 && took <= 10_000]).toEqual([{ providers: [], partial: true }, true])
  })

  test('nothing is told to whoever asks while a hub on the way does not answer, and that is passed on', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => into.serve(of('leaf-1-1-0').peer, [server('news', ['latest'], { stateless: true })]))
    hub('root').alive = false
    hub('p1').alive = false
    const { meter, summary } = leaf('leaf-0-0-0')
    expect(await answered(world, summary.resolve('news', ask))).toEqual([])
    const failed = meter.snapshot().find(({ name }) => name === 'skein_summary_resolve_total')?.samples.find(({ labels }) => labels[0] === 'failed')?.value
    expect(failed).toBe(1)
  })

  test('strangers are refused, and whoever gives up is told so', async () => {
    const { world, leaf, hub } = await treeOf(() => {})
    const body = new Uint8Array()
    await expect(hub('p0.0').summary.answer(METHOD.SUMMARY_RESOLVE, body, leaf('leaf-1-1-0').peer)).rejects.toMatchObject({ code: 'SKEIN_NOT_ADMITTED' })
    await expect(hub('p0.0').summary.answer(METHOD.SUMMARY_RESOLVE, body, leaf('leaf-0-0-0').peer)).rejects.toMatchObject({ code: 'SKEIN_PROTOCOL' })
    const given = new AbortController()
    const asked = leaf('leaf-0-0-0').summary.resolve('news', { signal: given.signal, timeout: 5_000 })
    given.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await world.clock.run(100)
  })
})

describe('more tools than fit', () => {
  const many = (prefix: string): ServerEntry[] => Array.from({ length: 20 }, (_, index) => server(`${prefix}-${String(index).padStart(2, '0')}`, ['a', 'b', 'c'], { stateless: true }))

  test('tables hold whole servers, the nearest; what is asked for comes and stays, from wherever it is', async () => {
    const { world, leaf } = await treeOf(
      (into, of) => {
        into.serve(of('leaf-0-1-0').peer, many('near'))
        into.serve(of('leaf-1-1-0').peer, many('far'))
      },
      { maxTools: 50 }
    )
    const { summary } = leaf('leaf-0-0-0')
    const names = () => summary.distant().map(({ name }) => name)
    expect(names()).toHaveLength(16)
    expect(names().every((name) => name.startsWith('near'))).toBe(true)
    summary.interest('far-19')
    await world.clock.run(8_000)
    expect(names()).toHaveLength(17)
    expect(names()).toContain('far-19')
    // A neighbour has asked for nothing.
    expect(leaf('leaf-0-0-1').summary.distant().map(({ name }) => name)).not.toContain('far-19')
    await world.clock.run(500_000)
    expect(names()).toContain('far-19')
    await world.clock.run(250_000)
    expect(names()).not.toContain('far-19')
  })

  test('a search finds what is in no table', async () => {
    const { world, leaf } = await treeOf(
      (into, of) => {
        into.serve(of('leaf-0-1-0').peer, many('near'))
        into.serve(of('leaf-1-1-0').peer, [server('weather', ['getForecast', 'get_alerts', 'ping'])])
      },
      { maxTools: 50 }
    )
    const { summary } = leaf('leaf-0-0-0')
    expect(summary.distant().map(({ name }) => name)).not.toContain('weather')
    const found = await answered(world, summary.search('weather forecast', { limit: 10, ...ask }))
    expect(found).toMatchObject({ partial: false, tools: [{ server: 'weather', tool: 'getForecast', owner: leaf('leaf-1-1-0').peer, node: 'leaf-1-1-0', providers: 1 }] })
    expect(await answered(world, summary.search('weather nothing', { limit: 10, ...ask }))).toEqual({ tools: [], partial: false })
    expect((await answered(world, summary.search('near a', { limit: 7, ...ask }))).tools).toHaveLength(7)
  })
})

describe('half an answer', () => {
  test('of a search says that it is one, over all hubs on the way', async () => {
    const { world, leaf, hub } = await treeOf((into, of) => {
      into.serve(of('leaf-0-1-0').peer, [server('weather', ['near'], { stateless: true })])
      into.serve(of('leaf-1-1-0').peer, [server('weather-map', ['far'], { stateless: true })])
    })
    const { summary } = leaf('leaf-0-0-0')
    const search = async () => {
      const { tools, partial } = await answered(world, summary.search('weather', { limit: 10, ...ask }))
      return [tools.map(({ tool }) => tool).sort(), partial]
    }
    expect(await search()).toEqual([['far', 'near'], false])
    // As with SIGSTOP: all that its region knows is in its tables still, but nobody can say whether it is all.
    hub('root').alive = false
    expect((await search())[1]).toBe(true)
    hub('p0').alive = false
    expect((await search())[1]).toBe(true)
  })
})

describe('the number of tools agreed on', () => {
  test('cuts the tables of a running federation, and gives back what was cut', async () => {
    const { world, leaf, leaves } = await treeOf((into, of) => {
      for (const [index, name] of ['leaf-1-0-0', 'leaf-1-0-1', 'leaf-1-1-0'].entries()) into.serve(of(name).peer, [server(`news-${index}`, ['a', 'b', 'c', 'd'])])
    })
    const shown = () => leaf('leaf-0-0-0').summary.distant().length
    expect(shown()).toBe(3)
    for (const node of world.nodes.values()) node.summary.setMaxTools(9)
    await world.clock.run(15_000)
    expect(leaves.filter(({ name }) => name.startsWith('leaf-0')).map(({ summary }) => summary.distant().length)).toEqual([2, 2, 2, 2, 2, 2])
    for (const node of world.nodes.values()) node.summary.setMaxTools(1_000)
    await world.clock.run(15_000)
    expect(shown()).toBe(3)
  })
})
