import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import type { FoundProvider } from '../../../../src/net/dht/dht.ts'
import { AGAIN_AT_LAST, AGAIN_WHEN_NONE, createLongTail, LOOK_WITHIN, MAX_PEERS, MAX_SEARCHES, SEARCH_WITHIN } from '../../../../src/node/distant/long-tail.ts'
import { createLongTailMetrics } from '../../../../src/node/distant/metrics.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'

const at = (peer: string, ...addresses: string[]): FoundProvider => ({ peer, addresses: addresses.length > 0 ? addresses : [`/dns/${peer}/tcp/1`] })

function world() {
  const clock = createManualClock()
  const meter = createMeter()
  const asked: string[] = []
  const dialled: string[] = []
  const up = new Set<string>()
  const members = new Set<string>()
  const stored = new Map<string, string[]>()
  /** What the DHT answers, one after the other; `hangs`: and then nothing more. */
  const dht: { providers: FoundProvider[]; hangs: boolean } = { providers: [], hangs: false }
  /** Who does not answer a dial at all. */
  const silent = new Set<string>()
  const refused = new Set<string>()
  const tail = createLongTail({
    self: 'self', clock, logger: silentLogger, metrics: createLongTailMetrics(meter),
    async *find(kind, name, { signal }) {
      asked.push(`${kind} ${name}`)
      yield* dht.providers
      if (!dht.hangs) return
      const over = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => over.resolve())
      await over.promise
      signal.throwIfAborted()
    },
    addressesOf: async (peer) => stored.get(peer) ?? [],
    async connect(peer, addresses, { signal }) {
      dialled.push(`${peer} ${addresses.join()}`)
      if (refused.has(peer)) return false
      if (silent.has(peer)) {
        const over = Promise.withResolvers<boolean>()
        signal.addEventListener('abort', () => over.resolve(false))
        return over.promise
      }
      up.add(peer)
      return true
    },
    isUp: (peer) => up.has(peer),
    isMember: (peer) => members.has(peer)
  })
  const search = (key: string) => {
    tail.search(key)
    return flush()
  }
  const known = (key: string) => tail.known(key).map(({ peer }) => peer)
  const results = () => Object.fromEntries((meter.snapshot().find(({ name }) => name === 'skein_calls_dht_searches_total')?.samples ?? []).map(({ labels, value }) => [labels[0], value]))
  return { clock, asked, dialled, up, members, stored, dht, silent, refused, tail, search, known, results }
}

describe('providers that only the DHT knows', () => {
  test('are connected, and given out as direct ones; four at most, not this node and no members', async () => {
    const w = world()
    w.members.add('P-member')
    w.dht.providers = ['self', 'P-member', 'P-1', 'P-2', 'P-3', 'P-4', 'P-5'].map((peer) => at(peer))
    expect(w.known('files')).toEqual([])
    await w.search('files')
    expect(w.asked).toEqual(['server files'])
    expect(w.dialled).toEqual([1, 2, 3, 4].map((n) => `P-${n} /dns/P-${n}/tcp/1`))
    expect(w.dialled).toHaveLength(MAX_PEERS)
    expect(w.tail.known('files')[0]).toEqual({ peer: 'P-1', name: '', via: [], addresses: ['/dns/P-1/tcp/1'], region: '' })
    w.up.delete('P-1')
    w.members.add('P-2')
    expect(w.known('files')).toEqual(['P-3', 'P-4'])
    expect(w.results()).toEqual({ found: 1 })
  })

  test('of a server with an owner only the owner is dialled, where answers and libp2p have it', async () => {
    const w = world()
    w.dht.providers = [at('P-liar'), at('P-owner', 'a1')]
    w.stored.set('P-owner', ['a1', 'a2'])
    await w.search('files@P-owner')
    expect(w.asked).toEqual(['server files'])
    expect(w.dialled).toEqual(['P-owner a1,a2'])
    expect(w.known('files@P-owner')).toEqual(['P-owner'])
    expect(w.known('files')).toEqual([])
  })

  test('an owner that the DHT does not name is dialled where libp2p has it, also when the DHT does not answer', async () => {
    const w = world()
    w.dht.hangs = true
    w.stored.set('P-owner', ['a2'])
    await w.search('files@P-owner')
    expect(w.dialled).toEqual([])
    w.clock.advance(LOOK_WITHIN)
    await flush()
    expect(w.dialled).toEqual(['P-owner a2'])
    expect(w.known('files@P-owner')).toEqual(['P-owner'])
    expect(w.clock.pending).toBe(0)
    w.members.add('P-near')
    await w.search('files@P-near')
    await w.search('files@self')
    expect(w.asked).toHaveLength(1)
  })

  test('the DHT does not end, a provider does not answer: after two seconds there are those that did', async () => {
    const w = world()
    w.dht.hangs = true
    w.dht.providers = [at('P-silent'), at('P-good'), at('P-refuses')]
    w.silent.add('P-silent')
    w.refused.add('P-refuses')
    await w.search('files')
    w.clock.advance(LOOK_WITHIN)
    await flush()
    expect(w.known('files')).toEqual([])
    w.clock.advance(SEARCH_WITHIN - LOOK_WITHIN)
    await flush()
    expect(w.known('files')).toEqual(['P-good'])
    expect(w.clock.pending).toBe(0)
  })
})

describe('the DHT is asked', () => {
  test('again when it named nobody, or nobody could be reached, but not at once', async () => {
    const w = world()
    for (let n = 0; n < 5; n++) await w.search('files')
    expect(w.asked).toHaveLength(1)
    w.clock.advance(AGAIN_WHEN_NONE)
    w.refused.add('P-1')
    w.dht.providers = [at('P-1')]
    await w.search('files')
    await w.search('files')
    expect(w.asked).toHaveLength(2)
    expect(w.results()).toEqual({ none: 1, unreached: 1 })
  })

  test('again and again, after twice the pause each time, so that one call lives to see several searches', async () => {
    const w = world()
    const begun: number[] = []
    for (let ms = 0; ms < 60_000; ms += 250) {
      const before = w.asked.length
      await w.search('files')
      if (w.asked.length > before) begun.push(ms)
      w.clock.advance(250)
    }
    expect(begun.slice(1).map((ms, index) => ms - (begun[index] as number)).slice(0, 6)).toEqual([1_000, 2_000, 4_000, 8_000, AGAIN_AT_LAST, AGAIN_AT_LAST])
    w.dht.providers = [at('P-1')]
    w.clock.advance(AGAIN_AT_LAST)
    await w.search('files')
    w.dht.providers = []
    w.up.delete('P-1')
    w.clock.advance(2_000)
    await w.search('files')
    const asked = w.asked.length
    w.clock.advance(AGAIN_WHEN_NONE)
    await w.search('files')
    expect(w.asked).toHaveLength(asked + 1)
  })

  test('anew while somebody is known, who counts until then, and after two seconds when that one is gone', async () => {
    const w = world()
    w.dht.providers = [at('P-1')]
    await w.search('files')
    w.clock.advance(29_000)
    await w.search('files')
    expect(w.asked).toHaveLength(1)
    w.clock.advance(1_000)
    w.dht.providers = []
    w.dht.hangs = true
    await w.search('files')
    await w.search('files')
    expect(w.asked).toHaveLength(2)
    expect(w.known('files')).toEqual(['P-1'])
    w.clock.advance(LOOK_WITHIN)
    await flush()
    // Nobody was found: the one that is connected serves on, for a minute since it was found.
    expect(w.known('files')).toEqual(['P-1'])
    w.clock.advance(30_000)
    expect(w.known('files')).toEqual([])
    w.dht.hangs = false
    w.dht.providers = [at('P-2')]
    await w.search('files')
    expect(w.known('files')).toEqual(['P-2'])
    w.up.delete('P-2')
    await w.search('files')
    expect(w.asked).toHaveLength(3)
    w.clock.advance(2_000)
    await w.search('files')
    expect(w.asked).toHaveLength(4)
  })

  test('for four servers at a time, and not after the end', async () => {
    const w = world()
    w.dht.hangs = true
    for (let n = 0; n < 10; n++) await w.search(`s${n}`)
    expect(w.asked).toHaveLength(MAX_SEARCHES)
    w.tail.stop()
    await flush()
    expect(w.clock.pending).toBe(0)
    await w.search('last')
    expect(w.asked).toHaveLength(MAX_SEARCHES)
  })
})
