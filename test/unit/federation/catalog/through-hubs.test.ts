import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createCatalogDriver, type CatalogDriver } from '../../../../src/federation/catalog/driver.ts'
import type { RecordSeal } from '../../../../src/federation/catalog/ports.ts'
import { createSummary, type Summary } from '../../../../src/federation/summary/driver.ts'
import type { Edges } from '../../../../src/federation/summary/ports.ts'
import { linkSummary } from '../../../../src/node/distant/summary-links.ts'
import { decodeRecord, encodeRecord, toolDigest } from '../../../../src/wire/catalog-record.ts'
import { DESCRIPTOR, localServer, signer, WALL } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const UNSIGNED: RecordSeal = { seal: encodeRecord, open: decodeRecord }
const [A, R, S, B] = [0, 1, 2, 3].map((n) => signer(n).peer) as [string, string, string, string]
/** Pool a: leaf A and its hub R. Pool b: leaf B and its hub S. R is hub of root too, where S is. */
const POOLS: Record<string, string[]> = { a: [A, R], b: [B, S], root: [R, S] }
const UP: Record<string, { peer: string; token: number; pool: string }> = { [A]: { peer: R, token: 1, pool: 'a' }, [B]: { peer: S, token: 1, pool: 'b' }, [S]: { peer: R, token: 1, pool: 'root' } }
const EDGES: Record<string, Edges> = {
  [A]: { up: UP[A], hubOf: [] },
  [B]: { up: UP[B], hubOf: [] },
  [S]: { up: UP[S], hubOf: [{ pool: 'b', token: 1, children: [{ peer: B }] }] },
  [R]: { up: undefined, hubOf: [{ pool: 'a', token: 1, children: [{ peer: A }] }, { pool: 'root', token: 1, children: [{ peer: S, hub: { pool: 'b', token: 1 } }] }] }
}
const definition = (name: string) => ({ name, inputSchema: { type: 'object' } })

interface Place {
  catalog: CatalogDriver
  summary: Summary
}

/** Two pools below root, whose nodes know only each other; what passes between them goes through both hubs. */
async function world(maxTools = 1_000) {
  const clock = createManualClock(0, WALL)
  const places = new Map<string, Place>()
  const delayed = <T>(work: () => T | Promise<T>) =>
    new Promise<T>((resolve, reject) => void clock.after(20, () => void Promise.resolve().then(work).then((value) => clock.after(20, () => resolve(value)), reject)))
  const neighbours = (self: string) => [...new Set(Object.values(POOLS).filter((pool) => pool.includes(self)).flat())].filter((peer) => peer !== self)
  for (const self of [A, R, S, B]) {
    const other = (peer: string) => {
      if (!neighbours(self).includes(peer)) throw new Error(`${self} has no session with ${peer}`)
      return places.get(peer) as Place
    }
    const base = { clock, random: seededRandom(self.length), meter: createMeter(), logger: silentLogger }
    const catalog = createCatalogDriver(
      {
        ...base,
        holders: (digests) => (places.get(self) as Place).summary.holders(digests),
        network: {
          publish(pool, bytes) {
            for (const peer of POOLS[pool] as string[]) if (peer !== self) void delayed(() => other(peer).catalog.onGossip(pool, bytes, self))
          },
          request: (peer, kind, body) => delayed(() => other(peer).catalog.answer(kind, body, self))
        }
      },
      { federation: 'fed', self, signer: signer([A, R, S, B].indexOf(self)), seal: UNSIGNED, maxTools: () => maxTools }
    )
    const summary = createSummary(
      {
        ...base, rtt: () => 1,
        call: (peer, method, body) => delayed(() => other(peer).summary.answer(method, body, self)),
        records: (pool) => catalog.records(pool).filter(({ peer, draining }) => !draining && (peer === self || catalog.live(pool).has(peer)))
      },
      { self, maxTools }
    )
    places.set(self, { catalog, summary })
    linkSummary({ catalog, summary, up: () => EDGES[self]?.up?.peer })
  }
  for (const [self, { catalog, summary }] of places) {
    catalog.start()
    summary.start()
    for (const [pool, members] of Object.entries(POOLS)) {
      if (!members.includes(self)) continue
      catalog.openPool(pool)
      for (const peer of members) if (peer !== self) catalog.memberUp(pool, peer)
    }
    for (const peer of neighbours(self)) catalog.sessionUp(peer)
    catalog.setLocal([], DESCRIPTOR)
    summary.setEdges(EDGES[self] as Edges)
  }
  const run = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 20) {
      clock.advance(20)
      for (let turn = 0; turn < 30; turn++) await Promise.resolve()
    }
  }
  await run(15_000)
  return {
    run,
    at: (peer: string) => places.get(peer) as Place,
    set: (peer: string, ...servers: Parameters<CatalogDriver['setLocal']>[0]) => (places.get(peer) as Place).catalog.setLocal(servers, DESCRIPTOR),
    stop() {
      for (const { catalog, summary } of places.values()) {
        catalog.stop()
        summary.stop()
      }
    }
  }
}

describe('a tool of another pool', () => {
  test('is offered at the farthest leaf within seconds, with its definition, and goes as fast', async () => {
    const w = await world()
    w.set(B, localServer('files', ['read']))
    await w.run(5_000)
    const { catalog, summary } = w.at(A)
    expect(catalog.offers().servers).toMatchObject([{ advertised: 'files', providers: [], distant: `files@${B}`, hops: 2, tools: [{ tool: 'read', providers: [], distant: `files@${B}` }] }])
    expect(catalog.definition(toolDigest(definition('read')))).toEqual(definition('read'))
    const resolving = summary.resolve(`files@${B}`, { signal: new AbortController().signal, timeout: 5_000, tool: 'read' })
    await w.run(1_000)
    expect(await resolving).toMatchObject([{ peer: B, via: [R, S] }])
    w.set(B)
    await w.run(5_000)
    expect(catalog.offers().servers).toEqual([])
    w.stop()
  })

  test('has the same name where it is near and where it is far', async () => {
    const w = await world()
    w.set(B, localServer('files', ['read']))
    w.set(A, localServer('files', ['write'], { claimed: WALL + 9 }))
    await w.run(5_000)
    for (const peer of [A, R, S, B]) {
      const names = w.at(peer).catalog.offers().servers.map(({ advertised, tools }) => `${advertised} ${tools[0]?.tool}`)
      expect(names).toEqual(['files read', `files-${A.slice(-8)} write`])
    }
    w.stop()
  })

  test('that is in no list is found, and its definition is fetched over hubs that do not list it either', async () => {
    const w = await world(10)
    w.set(B, localServer('many', Array.from({ length: 30 }, (_, n) => `tool_${n}`)))
    await w.run(5_000)
    const { catalog, summary } = w.at(A)
    for (const peer of [A, R]) expect(w.at(peer).catalog.offers().servers).toEqual([])
    const searching = summary.search('tool 7', { limit: 3, signal: new AbortController().signal, timeout: 3_000 })
    await w.run(2_000)
    const { tools: [found], partial } = await searching
    expect(partial).toBe(false)
    expect(found).toMatchObject({ server: 'many', key: `many@${B}` })
    const fetching = catalog.fetch([found?.digest as string])
    await w.run(2_000)
    await fetching
    expect(catalog.definition(found?.digest as string)).toEqual(definition(found?.tool as string))
    w.stop()
  })
})
