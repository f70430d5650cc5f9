import { describe, expect, test } from 'vitest'
import { seededRandom, randomInt } from '../../../src/base/random.ts'
import { createBroadcastQueue } from '../../../src/membership/broadcast-queue.ts'
import type { Sealed } from '../../../src/wire/swim-types.ts'

const sealed = (statement: unknown, length: number) => ({ statement, bytes: new Uint8Array(length) }) as Sealed
const alive = (subject: string, incarnation = 1, length = 100) => sealed({ kind: 'alive', subject, incarnation }, length)
const leave = (subject: string, incarnation = 1, length = 60) => sealed({ kind: 'leave', subject, incarnation }, length)
const suspect = (subject: string, accuser: string, incarnation = 1, length = 70) =>
  sealed({ kind: 'suspect', subject, accuser, incarnation, evidence: 'silence' }, length)
const dead = (subject: string, accuser: string, incarnation = 1, length = 65) => sealed({ kind: 'dead', subject, accuser, incarnation }, length)

const queue = (o: { limit?: number; maxItems?: number; overhead?: number } = {}) =>
  createBroadcastQueue({ limit: () => o.limit ?? 4, maxItems: o.maxItems ?? 100, ...(o.overhead === undefined ? {} : { overhead: o.overhead }) })
const LOTS = 1_000_000
const subjects = (items: Sealed[]) => items.map((item) => item.statement.subject)

describe('A8 what goes first', () => {
  test('fewest transmissions, then longest, then newest', () => {
    const news = queue()
    news.put(alive('sent', 1, 900))
    news.take(LOTS, 1)
    news.put(alive('short', 1, 50))
    news.put(alive('long', 1, 80))
    news.put(alive('short too', 1, 50))
    expect(subjects(news.take(LOTS, 10))).toEqual(['long', 'short too', 'short', 'sent'])
  })

  test.each([
    [2, 4],
    [3, 3]
  ])('four items of 18 bytes, budget 80, overhead %d: %d go', (overhead, expected) => {
    const news = queue({ overhead })
    for (const subject of ['a', 'b', 'c', 'd']) news.put(alive(subject, 1, 18))
    expect(news.take(80, 10)).toHaveLength(expected)
  })

  test('the overhead is 3 bytes unless told otherwise', () => {
    const news = queue()
    news.put(alive('a', 1, 18))
    expect(news.take(20, 10)).toHaveLength(0)
    expect(news.take(21, 10)).toHaveLength(1)
  })

  test('greedy, tier by tier: what does not fit is passed over for something shorter or something sent more often', () => {
    const news = queue({ overhead: 0 })
    news.put(alive('sent', 1, 20))
    news.take(LOTS, 10)
    news.put(alive('huge', 1, 500))
    news.put(alive('big', 1, 60))
    news.put(alive('medium', 1, 50))
    news.put(alive('small', 1, 10))
    expect(subjects(news.take(95, 10))).toEqual(['big', 'small', 'sent'])
  })

  test('at most so many items, none twice in one message', () => {
    const news = queue()
    for (let n = 0; n < 5; n++) news.put(alive(`n${n}`))
    expect(subjects(news.take(LOTS, 3))).toEqual(['n4', 'n3', 'n2'])
    expect(subjects(news.take(LOTS, 100))).toEqual(['n1', 'n0', 'n4', 'n3', 'n2'])
    expect(news.take(LOTS, 0)).toEqual([])
  })

  test('an empty queue gives nothing and does not ask for the limit', () => {
    const news = createBroadcastQueue({
      limit: () => {
        throw new Error('asked')
      },
      maxItems: 10
    })
    expect(news.take(LOTS, 10)).toEqual([])
  })
})

describe('A8 how an item ends (here the depth tells; memberlist has a callback)', () => {
  test('after as many transmissions as the limit', () => {
    const news = queue({ limit: 3 })
    news.put(alive('a', 1, 40))
    expect([1, 2, 3, 4].map(() => news.take(LOTS, 10).length)).toEqual([1, 1, 1, 0])
    expect([news.depth, news.bytes]).toEqual([0, 0])
  })

  test('the limit follows the number of members while items wait', () => {
    let limit = 5
    const news = createBroadcastQueue({ limit: () => limit, maxItems: 10 })
    news.put(alive('a'))
    news.take(LOTS, 10)
    news.take(LOTS, 10)
    limit = 2
    expect(news.take(LOTS, 10)).toHaveLength(1)
    expect(news.depth).toBe(0)
  })

  test('when full the one sent most often goes, the shortest and oldest of these; the new one always gets in', () => {
    const news = queue({ maxItems: 3 })
    news.put(alive('twice', 1, 100))
    news.take(LOTS, 10)
    news.put(alive('once', 1, 100))
    news.take(LOTS, 10)
    expect(news.put(alive('fresh', 1, 40))).toBe(true)
    expect(news.put(alive('fresh too', 1, 50))).toBe(false)
    expect(subjects(news.take(LOTS, 10))).toEqual(['fresh too', 'fresh', 'once'])
    const same = queue({ maxItems: 2 })
    same.put(alive('older', 1, 40))
    same.put(alive('newer', 1, 40))
    expect(same.put(alive('newest', 1, 40))).toBe(false)
    expect(subjects(same.take(LOTS, 10))).toEqual(['newest', 'newer'])
  })

  test('replacing an item of a full queue drops no other', () => {
    const news = queue({ maxItems: 2 })
    news.put(alive('a'))
    news.put(alive('b'))
    expect(news.put(alive('a', 2))).toBe(true)
    expect(news.depth).toBe(2)
  })

  test('drop forgets all about a member', () => {
    const news = queue()
    news.put(alive('a'))
    news.put(suspect('a', 'x'))
    news.put(suspect('a', 'y'))
    news.put(alive('b', 1, 30))
    news.drop('a')
    news.drop('unknown')
    expect(subjects(news.take(LOTS, 10))).toEqual(['b'])
    expect(news.bytes).toBe(30)
  })

  test('with an accuser, only its accusation', () => {
    const news = queue()
    for (const item of [alive('a'), suspect('a', 'x'), suspect('a', 'y')]) news.put(item)
    news.drop('a', 'x')
    news.drop('a', 'nobody')
    expect(news.take(LOTS, 10).map(({ statement }) => ('accuser' in statement ? statement.accuser : statement.kind))).toEqual(['alive', 'y'])
  })
})

describe('A8 what replaces what', () => {
  const kinds = (news: ReturnType<typeof queue>) => news.take(LOTS, 100).map(({ statement }) => `${statement.kind}${statement.incarnation}`)

  test.each([
    ['newer alive for alive', [alive('m', 1), alive('m', 2)], ['alive2']],
    ['leave for alive', [alive('m', 1), leave('m', 1)], ['leave1']],
    ['alive for dead and suspects before it', [suspect('m', 'x', 1), dead('m', 'y', 1), alive('m', 2)], ['alive2']],
    ['dead for the suspects of its incarnation', [suspect('m', 'x', 1), suspect('m', 'y', 1), dead('m', 'z', 1)], ['dead1']],
    ['dead leaves a suspect of a later life', [suspect('m', 'x', 2), dead('m', 'z', 1)], ['suspect2', 'dead1']],
    ['dead keeps suspects of its incarnation out', [dead('m', 'z', 1), suspect('m', 'x', 1)], ['dead1']],
    ['leave keeps suspects of its incarnation out', [leave('m', 1), suspect('m', 'x', 1)], ['leave1']],
    ['a suspect of a later life gets in beside dead', [dead('m', 'z', 1), suspect('m', 'x', 2)], ['suspect2', 'dead1']],
    ['alive keeps suspects of an earlier incarnation out', [alive('m', 2), suspect('m', 'x', 1)], ['alive2']],
    ['alive and a suspect of the same incarnation stand side by side', [alive('m', 1), suspect('m', 'x', 1)], ['alive1', 'suspect1']],
    ['an older alive does not replace a newer one', [alive('m', 2), alive('m', 1)], ['alive2']],
    ['one suspect for each accuser', [suspect('m', 'x', 1), suspect('m', 'y', 1), suspect('m', 'x', 1)], ['suspect1', 'suspect1']],
    ['an older suspect by the same accuser stays out', [suspect('m', 'x', 2), suspect('m', 'x', 1)], ['suspect2']],
    ['other members are not touched', [suspect('other', 'm', 1), alive('m', 2)], ['alive2', 'suspect1']]
  ])('%s', (_name, items, expected) => {
    const news = queue()
    for (const item of items) expect(news.put(item)).toBe(true)
    expect(news.depth).toBe(expected.length)
    expect(kinds(news)).toEqual(expected)
  })

  test('a replacement starts counting anew', () => {
    const news = queue({ limit: 2 })
    news.put(alive('a', 1))
    news.take(LOTS, 10)
    news.put(alive('a', 2))
    expect([1, 2, 3].map(() => news.take(LOTS, 10).length)).toEqual([1, 1, 0])
  })
})

test('depth, bytes, budget and the number of transmissions hold through 20 000 random operations', () => {
  const random = seededRandom(4)
  const news = queue({ limit: 3, maxItems: 40 })
  const sent = new Map<Sealed, number>()
  const many = Array.from({ length: 60 }, (_, n) => `m${n}`)
  const pick = () => many[randomInt(random, many.length)] as string
  let taken = 0
  for (let step = 0; step < 20_000; step++) {
    const length = 20 + randomInt(random, 300)
    const incarnation = 1 + randomInt(random, 3)
    const kind = randomInt(random, 8)
    if (kind === 0) news.put(alive(pick(), incarnation, length))
    else if (kind === 1) news.put(dead(pick(), pick(), incarnation, length))
    else if (kind < 5) news.put(suspect(pick(), pick(), incarnation, length))
    else if (kind === 5) news.drop(pick())
    else {
      const items = news.take(1_000, 8)
      taken += items.length
      expect(items.length).toBeLessThanOrEqual(8)
      expect(items.reduce((sum, item) => sum + item.bytes.length + 3, 0)).toBeLessThanOrEqual(1_000)
      expect(new Set(items).size).toBe(items.length)
      for (const item of items) sent.set(item, (sent.get(item) ?? 0) + 1)
    }
    expect(news.depth).toBeLessThanOrEqual(40)
  }
  expect(taken).toBeGreaterThan(5_000)
  expect(Math.max(...sent.values())).toBe(3)
  while (news.take(LOTS, 40).length > 0);
  expect([news.depth, news.bytes]).toEqual([0, 0])
})
