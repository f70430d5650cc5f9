import { Key } from 'interface-datastore'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { MAX_PUBLISHED, REFRESH_MS, createDht, type FoundProvider, type ProvidedName } from '../../../src/net/dht/dht.ts'
import { createDhtMetrics } from '../../../src/net/dht/metrics.ts'
import { providedKey } from '../../../src/net/dht/keys.ts'
import { createDhtDatastore } from '../../../src/store/dht-datastore.ts'
import { createManualClock } from '../../support/manual-clock.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve()
}

const FEDERATION = 'f'.repeat(32)
const SOMEBODY = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const keyOf = (kind: 'server' | 'tool', name: string) => providedKey(FEDERATION, kind, name).toString()

function setup() {
  const clock = createManualClock()
  const provided: string[] = []
  const taken: string[] = []
  const world = { keepers: 1, size: 3, up: true, name: (_id: string, _multiaddrs: string[]): void => {}, stored: [] as string[] }
  const kad = {
    routingTable: { get size() { return world.size } },
    addEventListener(_: 'peer', listener: (event: { detail: { id: string; multiaddrs: string[] } }) => void) {
      world.name = (id, multiaddrs) => listener({ detail: { id, multiaddrs } })
    },
    async *provide(key: { toString(): string }) {
      provided.push(key.toString())
      for (let keeper = 0; keeper < world.keepers; keeper++) yield { name: 'PEER_RESPONSE', messageName: 'ADD_PROVIDER' }
    },
    async cancelReprovide(key: { toString(): string }) {
      taken.push(key.toString())
    },
    async *findProviders() {
      for (const ids of [['p', 'q'], ['q', 'r']]) yield { name: 'PROVIDER', providers: ids.map((id) => ({ id, multiaddrs: [`/ip4/10.0.0.1/tcp/1/p2p/${SOMEBODY}`, '/ip4/10.0.0.2/tcp/1', 'nonsense'] })) }
    }
  }
  const dht = createDht({ kad: kad as never, clock, random: seededRandom(1), logger: silentLogger, meter: createMeter(), metrics: createDhtMetrics(createMeter()), isUp: () => world.up, addressesOf: async () => world.stored }, { self: 'me' })
  async function pass(ms: number, step = 50): Promise<void> {
    for (let left = ms; left > 0; left -= step) {
      clock.advance(step)
      await settle()
    }
  }
  return { dht, provided, taken, world, pass }
}

const server = (name: string): ProvidedName => ({ kind: 'server', name })

describe('names in the DHT', () => {
  test('wait for a member, are published once, and again within twelve hours', async () => {
    const { dht, provided, world, pass } = setup()
    world.up = false
    dht.start()
    dht.publish(FEDERATION, [server('alpha'), { kind: 'tool', name: 'ab12' }])
    await pass(10_000)
    expect(provided).toEqual([])
    world.up = true
    await pass(5_000)
    expect(provided).toEqual([keyOf('server', 'alpha'), keyOf('tool', 'ab12')])
    dht.publish(FEDERATION, [server('alpha'), { kind: 'tool', name: 'ab12' }])
    await pass(REFRESH_MS * 0.89, 10_000)
    expect(provided).toHaveLength(2)
    await pass(REFRESH_MS * 0.12, 10_000)
    expect(provided).toHaveLength(4)
    dht.stop()
  })

  test('a name published when few members were known is published again when there are twice as many', async () => {
    const { dht, provided, world, pass } = setup()
    world.size = 1
    dht.start()
    dht.publish(FEDERATION, [server('alpha')])
    await pass(5_000)
    world.size = 2
    await pass(50_000, 500)
    expect(provided).toHaveLength(1)
    await pass(20_000, 500)
    expect(provided).toHaveLength(2)
    world.size = 3
    await pass(200_000, 1_000)
    expect(provided).toHaveLength(2)
    world.size = 8
    await pass(5_000, 500)
    expect(provided).toHaveLength(3)
    world.size = 1_000
    await pass(600_000, 5_000)
    expect(provided).toHaveLength(3)
    dht.stop()
  })

  test('what is not offered any more is taken back; more than 512 are left out', async () => {
    const { dht, provided, taken, pass } = setup()
    dht.start()
    dht.publish(FEDERATION, [server('alpha'), server('beta')])
    await pass(5_000)
    dht.publish(FEDERATION, [server('beta')])
    await settle()
    expect(taken).toEqual([keyOf('server', 'alpha')])
    dht.publish(FEDERATION, Array.from({ length: MAX_PUBLISHED + 50 }, (_, index) => server(`s${index}`)))
    await pass(60_000)
    expect(new Set(provided).size).toBe(2 + MAX_PUBLISHED)
    dht.stop()
  })

  test('a name that nobody keeps is tried again after a minute or two', async () => {
    const { dht, provided, world, pass } = setup()
    world.keepers = 0
    dht.start()
    dht.publish(FEDERATION, [server('alpha')])
    await pass(50_000, 500)
    expect(provided).toHaveLength(1)
    world.keepers = 1
    await pass(120_000, 500)
    expect(provided).toHaveLength(2)
    await pass(600_000, 5_000)
    expect(provided).toHaveLength(2)
    dht.stop()
  })

  test('each provider is given out once', async () => {
    const { dht } = setup()
    const found: FoundProvider[] = []
    for await (const provider of dht.findProviders(FEDERATION, 'server', 'alpha', { signal: new AbortController().signal })) found.push(provider)
    expect(found.map(({ peer }) => peer)).toEqual(['p', 'q', 'r'])
    // Not those of somebody else, and nothing that is no address.
    expect(found[0]?.addresses).toEqual(['/ip4/10.0.0.2/tcp/1'])
  })

  test('nodes of other pools are connected as told, at the addresses that answers and libp2p name', async () => {
    const { dht, world } = setup()
    const signal = new AbortController().signal
    await expect(dht.meet('P-x', signal)).rejects.toThrow('only members of the own pools are dialled')
    const met: string[] = []
    dht.onStranger(async (peer, addresses) => void met.push(`${peer} ${addresses.join()}`))
    world.name('P-x', ['/ip4/10.0.0.1/tcp/1', `/ip4/10.0.0.9/tcp/1/p2p/${SOMEBODY}`])
    world.name('P-x', [])
    world.stored = ['/ip4/10.0.0.2/tcp/1', '/ip4/10.0.0.1/tcp/1']
    await dht.meet('P-x', signal)
    expect(met).toEqual(['P-x /ip4/10.0.0.1/tcp/1,/ip4/10.0.0.2/tcp/1'])
    for (let index = 0; index < 1_024; index++) world.name(`P-${index}`, ['/ip4/10.0.0.3/tcp/1'])
    world.stored = []
    expect(await dht.addressesOf('P-x')).toEqual([])
    expect(await dht.addressesOf('P-0')).toEqual(['/ip4/10.0.0.3/tcp/1'])
  })

  test('keys differ by federation, kind and name', () => {
    const keys = [providedKey('f', 'server', 'a'), providedKey('g', 'server', 'a'), providedKey('f', 'tool', 'a'), providedKey('f', 'server', 'b')].map(String)
    expect(new Set(keys).size).toBe(4)
  })
})

describe('what is kept for others', () => {
  const key = (name: string, peer: string) => new Key(`/skein-dht/provider/${name}/${peer}`)
  const value = Uint8Array.of(1)

  test('one member with many names pushes out only its own', async () => {
    const store = createDhtDatastore({ max: 100, maxPerOwner: 10 })
    await store.put(key('mine', 'good'), value)
    for (let index = 0; index < 1_000; index++) await store.put(key(`flood${index}`, 'bad'), value)
    expect(await store.has(key('mine', 'good'))).toBe(true)
    expect(await store.has(key('flood0', 'bad'))).toBe(false)
    expect(await store.has(key('flood999', 'bad'))).toBe(true)
  })

  test('it is bounded in all, and the oldest go; what was written again is new', async () => {
    const store = createDhtDatastore({ max: 3, maxPerOwner: 10 })
    for (const peer of ['a', 'b', 'c']) await store.put(key('n', peer), value)
    await store.put(key('n', 'a'), value)
    await store.put(key('n', 'd'), value)
    const kept: string[] = []
    for await (const entry of store.query({ prefix: '/skein-dht/provider/n' })) kept.push(entry.key.toString().split('/').at(-1) as string)
    expect(kept.sort()).toEqual(['a', 'c', 'd'])
  })
})
