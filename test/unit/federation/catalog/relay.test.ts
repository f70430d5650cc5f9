import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createDefinitionRelay, HOP_TIME, MAX_FETCHING, MAX_RELAY_BYTES, type DefinitionRelayDeps } from '../../../../src/federation/catalog/definition-relay.ts'
import { createCatalogDriver, type CatalogDriver } from '../../../../src/federation/catalog/driver.ts'
import { createCatalogMetrics } from '../../../../src/federation/catalog/metrics.ts'
import type { CatalogRequestKind } from '../../../../src/federation/catalog/ports.ts'
import { sourcesOf, wantedDefinitions } from '../../../../src/federation/catalog/sources.ts'
import { canonicalJson } from '../../../../src/wire/canonical-json.ts'
import { toolDigest } from '../../../../src/wire/catalog-record.ts'
import { decodeDefinitionsAnswer, decodeDefinitionsRequest, encodeDefinitionsAnswer, encodeDefinitionsRequest, encodeDigestAnswer, MAX_DEFINITION_HOPS } from '../../../../src/wire/catalog.ts'
import type { DistantServer } from '../../../../src/wire/summary-types.ts'
import { DESCRIPTOR, localServer, nodeRecord, server, signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const definition = (name: string) => ({ name, inputSchema: { type: 'object' } })
const digestOf = (name: string) => toolDigest(definition(name))
const jsonOf = (name: string) => new Uint8Array(Buffer.from(canonicalJson(definition(name))))
const settle = async () => {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve()
}

/** Nodes that ask each other; `asks` are requests for definitions, `0>1` for each. */
function world(size: number) {
  const clock = createManualClock()
  const asks: string[] = []
  const drivers: CatalogDriver[] = []
  const indexOf = (peer: string) => Array.from({ length: size }, (_, n) => signer(n).peer).indexOf(peer)
  for (let n = 0; n < size; n++) {
    const network = {
      publish() {},
      async request(peer: string, kind: CatalogRequestKind, body: Uint8Array, { timeout }: { timeout: number }) {
        if (kind !== 'definitions') return encodeDigestAnswer({ records: [], wanted: [], more: false })
        asks.push(`${n}>${indexOf(peer)}`)
        const late = Promise.withResolvers<never>()
        const timer = clock.after(timeout, () => late.reject(new Error('no answer in time')))
        try {
          return await Promise.race([(drivers[indexOf(peer)] as CatalogDriver).answer(kind, body, signer(n).peer), late.promise])
        } finally {
          timer.cancel()
        }
      }
    }
    drivers.push(createCatalogDriver({ clock, random: seededRandom(n), meter: createMeter(), logger: silentLogger, network }, { federation: 'fed', self: signer(n).peer, signer: signer(n) }))
  }
  return { clock, asks, drivers: drivers as [CatalogDriver, ...CatalogDriver[]] }
}
const tells = (from: number[], ...names: string[]): DistantServer[] => [
  { name: 's', claimed: 1, providers: 1, hops: 1, key: 's', from: from.map((n) => signer(n).peer), tools: names.map((name) => ({ name, digest: digestOf(name), repeatable: true, providers: 1 })) }
]

describe('definitions through hubs', () => {
  test('come over four hubs, each asked once, and are kept on the way', async () => {
    const { asks, drivers } = world(6)
    // 0 is a leaf, 1 to 4 are hubs, 5 has the tool.
    drivers[5]?.setLocal([localServer('s', ['t'])], DESCRIPTOR)
    for (const n of [4, 3, 2, 1, 0]) drivers[n]?.setDistant(n === 0 ? [] : tells([n + 1], 't'))
    await settle()
    asks.length = 0
    const leaf = drivers[0]
    leaf.setDistant(tells([1], 't'))
    await settle()
    expect(leaf.definition(digestOf('t'))).toEqual(definition('t'))
    // The hubs had asked for themselves, one after the other, before the leaf did.
    expect(asks).toEqual(['0>1'])
  })

  test('of tools that a hub does not offer itself are fetched on behalf of whoever asks, all the way', async () => {
    const { asks, drivers } = world(6)
    drivers[5]?.setLocal([localServer('s', ['t'])], DESCRIPTOR)
    // Up to the top nobody's table has it; from there down each one's has.
    const up = (n: number) => [signer(n).peer]
    drivers[1]?.setDistant([], up(2))
    drivers[2]?.setDistant([], up(3))
    const [leaf] = drivers
    leaf.setDistant([], up(1))
    drivers[3]?.setDistant([], up(4))
    drivers[4]?.setDistant([], up(5))
    await leaf.fetch([digestOf('t')])
    expect(leaf.definition(digestOf('t'))).toEqual(definition('t'))
    expect(asks).toEqual(['0>1', '1>2', '2>3', '3>4', '4>5'])
    await leaf.fetch([digestOf('t')])
    expect(asks).toHaveLength(5)
    const again = decodeDefinitionsAnswer((await drivers[2]?.answer('definitions', encodeDefinitionsRequest({ digests: [digestOf('t')], hops: 1 }), 'x')) as Uint8Array)
    expect([again.definitions[0]?.json, asks.length]).toEqual([jsonOf('t'), 5])
  })

  test('nobody is asked without leave, nor back, nor in a circle for ever', async () => {
    const { asks, drivers, clock } = world(3)
    const ask = (n: number, hops: number | undefined, from: number) => drivers[n]?.answer('definitions', encodeDefinitionsRequest({ digests: [digestOf('t')], ...(hops === undefined ? {} : { hops }) }), signer(from).peer)
    drivers[0].setDistant([], [signer(1).peer])
    expect(ask(0, undefined, 2)).toBeInstanceOf(Uint8Array)
    expect(decodeDefinitionsAnswer((await ask(0, 3, 1)) as Uint8Array).definitions).toEqual([])
    expect(asks).toEqual([])
    drivers[1]?.setDistant([], [signer(2).peer])
    drivers[2]?.setDistant([], [signer(0).peer])
    let done = false
    const circle = drivers[0].fetch([digestOf('t')]).then(() => (done = true))
    await settle()
    expect(asks).toEqual(['0>1', '1>2', '2>0'])
    // They wait for each other until the one that had least time gives up.
    for (let hop = 0; hop < MAX_DEFINITION_HOPS; hop++) {
      clock.advance(HOP_TIME)
      await settle()
    }
    expect(done).toBe(true)
    await circle
  })

  test('if one that told does not answer, another one is asked', async () => {
    const { asks, drivers } = world(3)
    drivers[2]?.setLocal([localServer('s', ['t'])], DESCRIPTOR)
    drivers[0].setDistant([], [signer(1).peer, signer(2).peer])
    await drivers[0].fetch([digestOf('t')])
    expect(asks).toEqual(['0>1', '0>2'])
    expect(drivers[0].definition(digestOf('t'))).toEqual(definition('t'))
  })

  test('nodes that offer it are asked before hubs that told of it, and the hub above last', () => {
    const offer = { advertised: 's', server: 's', stateless: true, about: 'aa', providers: ['near'], distant: 's', tools: [{ tool: 't', digest: 'bb', repeatable: true, providers: ['near'], distant: 's' }] }
    const far = tells([1], 't')
    expect([...wantedDefinitions([offer], new Map(), far)]).toEqual([['aa', ['near', signer(1).peer]], ['bb', ['near', signer(1).peer]]])
    const facts = { records: [nodeRecord('near', { servers: [server('s', [], { about: 'aa' })] }), nodeRecord('gone', { servers: [server('s', [], { about: 'aa' })] })], live: new Set(['near']), up: ['up'] }
    const sources = sourcesOf(new Set(['aa', digestOf('t')]), { ...facts, distant: far, holders: (digests) => new Map([...digests].map((digest) => [digest, ['hub']])) })
    expect([...sources]).toEqual([['aa', ['near', 'hub', 'up']], [digestOf('t'), ['hub', signer(1).peer, 'up']]])
  })
})

describe('the relay', () => {
  function setup(more: Partial<DefinitionRelayDeps> & { request: DefinitionRelayDeps['request'] }) {
    const clock = createManualClock()
    const metrics = createCatalogMetrics(createMeter())
    return { clock, relay: createDefinitionRelay({ clock, logger: silentLogger, metrics, here: () => undefined, sources: (digests) => new Map([...digests].map((digest) => [digest, ['a']])), ...more }) }
  }
  const answer = (...names: string[]) => encodeDefinitionsAnswer({ definitions: names.map((name) => ({ digest: digestOf(name), json: jsonOf(name) })), more: false })

  test('many that want the same at once cost one request', async () => {
    let asked = 0
    const { relay } = setup({
      async request() {
        asked++
        return answer('t')
      }
    })
    const all = await Promise.all([1, 2, 3].map(() => relay.collect([digestOf('t')], 2)))
    expect(all.map((found) => found.get(digestOf('t')))).toEqual([jsonOf('t'), jsonOf('t'), jsonOf('t')])
    expect(asked).toBe(1)
  })

  test('asks on while there is more, gives each hop less time, and takes nothing that was not asked for or does not match', async () => {
    const asked: { digests: string[]; hops: number | undefined; timeout: number }[] = []
    const { relay } = setup({
      async request(_, body, timeout) {
        const { digests, hops } = decodeDefinitionsRequest(body)
        asked.push({ digests, hops, timeout })
        const evil = { digest: digestOf('evil'), json: jsonOf('evil') }
        const wrong = { digest: digestOf('b'), json: jsonOf('evil') }
        return encodeDefinitionsAnswer({ definitions: asked.length === 1 ? [{ digest: digestOf('a'), json: jsonOf('a') }, evil, wrong] : [], more: asked.length === 1 })
      }
    })
    const found = await relay.collect([digestOf('a'), digestOf('b')], 4)
    expect([...found.keys()]).toEqual([digestOf('a')])
    expect(asked).toEqual([
      { digests: [digestOf('a'), digestOf('b')], hops: 3, timeout: 4 * HOP_TIME },
      { digests: [digestOf('b')], hops: 3, timeout: 4 * HOP_TIME }
    ])
    expect(relay.get(digestOf('evil'))).toBeUndefined()
  })

  test('its memory is bounded: the oldest go', async () => {
    const big = (n: number) => ({ name: `t${n}`, description: 'x'.repeat(250_000) })
    const byDigest = new Map(Array.from({ length: 70 }, (_, n) => [toolDigest(big(n)), big(n)]))
    const { relay } = setup({
      async request(_, body) {
        const definitions = decodeDefinitionsRequest(body).digests.slice(0, 3).map((digest) => ({ digest, json: new Uint8Array(Buffer.from(canonicalJson(byDigest.get(digest)))) }))
        return encodeDefinitionsAnswer({ definitions, more: true })
      }
    })
    const found = await relay.collect([...byDigest.keys()], 1)
    expect(found.size).toBe(70)
    const kept = [...byDigest.keys()].filter((digest) => relay.get(digest) !== undefined)
    expect(kept.length).toBe(Math.floor(MAX_RELAY_BYTES / (found.values().next().value as Uint8Array).length))
    expect(kept.at(-1)).toBe([...byDigest.keys()].at(-1))
  })

  test('only so many are fetched at a time; what is too much is left out', async () => {
    const waiting = Promise.withResolvers<Uint8Array>()
    const seen: number[] = []
    const { relay } = setup({
      request(_, body) {
        seen.push(decodeDefinitionsRequest(body).digests.length)
        return waiting.promise
      }
    })
    const digests = (from: number) => Array.from({ length: 400 }, (_, n) => toolDigest({ name: `${from + n}` }))
    const all = [0, 1_000, 2_000].map((from) => relay.collect(digests(from), 1))
    waiting.resolve(answer())
    await Promise.all(all)
    expect(seen).toEqual([400, 400, MAX_FETCHING - 800])
  })
})
