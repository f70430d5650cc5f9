import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { seek, type Found } from '../../../../src/federation/tiers/seek.ts'
import { encodeAttachAnswer } from '../../../../src/wire/tiers.ts'
import type { AttachAnswer, AttachRequest, HubInfo } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { testSigner } from '../../../support/security-world.ts'

const LIMITS = { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 }
const LEAF: AttachRequest = { as: 'leaf', tier: 'leaf', region: '', look: false }
const peer = (index: number) => testSigner(index).peer
const hub = (index: number, more: Partial<HubInfo> = {}): HubInfo => ({
  peer: peer(index), addresses: [], name: '', pool: peer(index), tier: 'local', region: '', hubRoom: 0, leafRoom: 100, load: 0, ...more
})
const accepts = (info: HubInfo, hubs: HubInfo[] = []): AttachAnswer => ({ accept: { pool: info.pool, tier: info.tier, hub: info, token: 1, contacts: [] }, hubs })

/** @param answers by the number of the peer; absent: it never answers */
async function run(answers: Record<number, AttachAnswer>, seeds: number[], { unreachable = [] as number[], avoid = [] as number[] } = {}): Promise<{ found: Found | undefined; asked: number[]; took: number }> {
  const clock = createManualClock()
  const asked: number[] = []
  const numberOf = (id: string) => Array.from({ length: 40 }, (_, index) => index + 1).find((index) => peer(index) === id) as number
  let found: Found | undefined
  let took = 0
  const deps = {
    clock, random: seededRandom(1), logger: silentLogger, limits: LIMITS, rtt: () => undefined, asking: new Set<string>(), avoids: (pool: string) => avoid.some((index) => peer(index) === pool),
    connect: (id: string) => (unreachable.includes(numberOf(id)) ? Promise.reject(new Error('no way')) : Promise.resolve()),
    ask(id: string, _method: string, _body: Uint8Array, { signal }: { signal: AbortSignal }): Promise<Uint8Array> {
      asked.push(numberOf(id))
      const answer = answers[numberOf(id)]
      return answer !== undefined ? Promise.resolve(encodeAttachAnswer(answer)) : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    }
  }
  void seek(deps, LEAF, seeds.map((index) => ({ peer: peer(index), addresses: [] })), new AbortController().signal).then((result) => {
    found = result
    took = clock.now()
  })
  const isOver = () => found !== undefined
  for (let step = 0; step < 400; step++) {
    if (isOver()) break
    for (let turn = 0; turn < 40; turn++) await Promise.resolve()
    if (!isOver()) clock.advance(100)
  }
  expect(deps.asking.size).toBe(0)
  expect(clock.pending).toBe(0)
  return { found, asked, took }
}

describe('looking for a place', () => {
  test('one question where there are no hubs', async () => {
    const { found, asked } = await run({ 1: { accept: { pool: 'root', tier: 'global', contacts: [] }, hubs: [] } }, [1])
    expect([found?.best?.acceptance.pool, asked]).toEqual(['root', [1]])
  })

  test('goes on to a better one, and keeps the first if that refuses', async () => {
    const top = hub(1, { pool: 'root', tier: 'global' })
    expect((await run({ 1: accepts(top, [hub(2)]), 2: accepts(hub(2)) }, [1])).found?.best?.acceptance.pool).toBe(peer(2))
    expect((await run({ 1: accepts(top, [hub(2)]), 2: { hubs: [] } }, [1])).found?.best?.acceptance.pool).toBe('root')
  })

  test('a sibling that is hardly better is not asked', async () => {
    expect((await run({ 1: accepts(hub(1, { leafRoom: 80 }), [hub(2)]), 2: accepts(hub(2)) }, [1])).asked).toEqual([1])
  })

  test('hubs that send each other round: nobody is asked twice', async () => {
    const round = { hubs: [hub(1), hub(2), hub(3)] }
    const { found, asked } = await run({ 1: round, 2: round, 3: round }, [1])
    expect(asked.toSorted()).toEqual([1, 2, 3])
    expect(found).toMatchObject({ best: undefined, answered: true })
  })

  test('at most eight visits', async () => {
    const hubs = Array.from({ length: 10 }, (_, index) => hub(index + 2))
    const more = Array.from({ length: 10 }, (_, index) => hub(index + 12))
    const answers = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [index + 1, { hubs: index < 5 ? hubs : more }]))
    expect((await run(answers, [1])).asked).toHaveLength(8)
  })

  test('silent and unreachable ones cost 2 s each wave of two, and are passed over', async () => {
    const { found, asked, took } = await run({ 4: accepts(hub(4)) }, [1, 2, 3, 4], { unreachable: [3] })
    expect(found?.best?.acceptance.pool).toBe(peer(4))
    expect(asked.toSorted()).toEqual([1, 2, 4])
    expect(took).toBeLessThanOrEqual(2_100)
  })

  test('nobody answers', async () => {
    expect((await run({}, [1, 2, 3])).found).toMatchObject({ best: undefined, answered: false })
  })

  test.each<[string, AttachAnswer]>([
    ['in the name of another hub', accepts(hub(9))],
    ['into a pool that is none', accepts(hub(1, { pool: 'trap' }))],
    ['into the top one, as a local hub', accepts(hub(1, { pool: 'root' }))],
    ['into another pool than that of its hub', { accept: { pool: peer(9), tier: 'local', hub: hub(1), token: 1, contacts: [] }, hubs: [] }],
    ['of another tier than its hub', { accept: { pool: peer(1), tier: 'regional', hub: hub(1), token: 1, contacts: [] }, hubs: [] }],
    ['without a hub into another pool than the top one', { accept: { pool: peer(1), tier: 'local', contacts: [] }, hubs: [] }],
    ['into a pool of leaves', accepts(hub(1, { tier: 'leaf' }))]
  ])('an acceptance %s is none', async (_, answer) => {
    expect((await run({ 1: answer, 2: accepts(hub(2)) }, [1, 2])).found?.best?.acceptance.pool).toBe(peer(2))
    expect((await run({ 1: answer }, [1])).found).toMatchObject({ best: undefined, answered: true })
  })

  test('a pool that is avoided is not gone to, whoever praises it: neither by itself nor by others', async () => {
    const trap = hub(1, { leafRoom: 1_000_000 })
    const { found, asked } = await run({ 1: accepts(trap), 2: accepts(hub(2, { leafRoom: 1, load: 1 }), [trap]) }, [2, 1], { avoid: [1] })
    expect(found?.best?.acceptance.pool).toBe(peer(2))
    expect(found?.hubs).toEqual([])
    expect(asked.includes(1)).toBe(true)
  })

  test('hubs of pools that cannot be are not asked', async () => {
    const { asked } = await run({ 1: { hubs: [hub(2, { pool: 'trap' }), hub(3, { tier: 'global' })] } }, [1])
    expect(asked).toEqual([1])
  })
})
