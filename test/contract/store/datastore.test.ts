import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryDatastore } from 'datastore-core'
import { Key, type Datastore } from 'interface-datastore'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { openDatastore } from '../../../src/store/datastore.ts'

function setupSqlite(): { store: Datastore; close(): void } {
  const dataDir = mkdtempSync(join(tmpdir(), 'skein-peers-'))
  const store = openDatastore(dataDir, { logger: silentLogger })
  return {
    store,
    close() {
      store.close()
      rmSync(dataDir, { recursive: true })
    }
  }
}

const bytes = (text: string) => new TextEncoder().encode(text)

async function all<T>(source: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

describe.each([
  ['memory (datastore-core)', () => ({ store: new MemoryDatastore() as Datastore, close() {} })],
  ['sqlite', setupSqlite]
])('Datastore: %s', (_name, setup) => {
  let subject: { store: Datastore; close(): void }
  beforeEach(() => {
    subject = setup()
  })
  afterEach(() => subject.close())

  test('gives back what was put, byte for byte, and the last of two', async () => {
    const { store } = subject
    const key = new Key('/peers/bafy')
    await store.put(key, bytes('one'))
    await store.put(key, Uint8Array.of(0, 255, 10))
    expect(Uint8Array.from(await store.get(key))).toEqual(Uint8Array.of(0, 255, 10))
    expect([await store.has(key), await store.has(new Key('/peers/baf'))]).toEqual([true, false])
    await store.put(key, new Uint8Array(0))
    expect(await store.get(key)).toHaveLength(0)
  })

  test('says NotFoundError for what is not there, also after a delete; deleting nothing is fine', async () => {
    const { store } = subject
    const key = new Key('/a')
    const get = async () => store.get(key)
    await expect(get()).rejects.toMatchObject({ name: 'NotFoundError' })
    await store.put(key, bytes('x'))
    await store.delete(key)
    await store.delete(key)
    await expect(get()).rejects.toMatchObject({ name: 'NotFoundError' })
  })

  test('putMany, getMany and deleteMany', async () => {
    const { store } = subject
    const pairs = ['/a', '/b', '/c'].map((name) => ({ key: new Key(name), value: bytes(name) }))
    expect((await all(store.putMany(pairs))).map(String)).toEqual(['/a', '/b', '/c'])
    const got = await all(store.getMany([new Key('/c'), new Key('/a')]))
    expect(got.map(({ key, value }) => [key.toString(), new TextDecoder().decode(value)])).toEqual([
      ['/c', '/c'],
      ['/a', '/a']
    ])
    await all(store.deleteMany([new Key('/a'), new Key('/b')]))
    expect((await all(store.queryKeys({}))).map(String)).toEqual(['/c'])
  })

  test('a batch does nothing before commit, then all of it', async () => {
    const { store } = subject
    await store.put(new Key('/old'), bytes('x'))
    const batch = store.batch()
    for (let index = 0; index < 100; index++) batch.put(new Key(`/n/${index}`), bytes('y'))
    batch.delete(new Key('/old'))
    expect(await all(store.queryKeys({ prefix: '/n' }))).toHaveLength(0)
    await batch.commit()
    expect(await all(store.queryKeys({ prefix: '/n' }))).toHaveLength(100)
    expect(await store.has(new Key('/old'))).toBe(false)
  })

  test('queries by prefix, filter, order, offset and limit, over many pages', async () => {
    const { store } = subject
    for (let index = 0; index < 600; index++) await store.put(new Key(`/p/${String(index).padStart(3, '0')}`), Uint8Array.of(index & 255))
    for (const outside of ['/o', '/p', '/pq/1', '/q']) await store.put(new Key(outside), bytes('z'))
    expect(await all(store.query({}))).toHaveLength(604)
    expect(await all(store.query({ prefix: '/p/' }))).toHaveLength(600)
    expect(await all(store.query({ prefix: '/x' }))).toHaveLength(0)
    const some = await all(
      store.query({
        prefix: '/p/',
        filters: [({ value }) => value[0] === 7],
        orders: [(a, b) => (a.key.toString() < b.key.toString() ? 1 : -1)],
        offset: 1,
        limit: 1
      })
    )
    expect(some.map(({ key }) => key.toString())).toEqual(['/p/263'])
    const keys = await all(store.queryKeys({ prefix: '/p/', orders: [(a, b) => (a.toString() < b.toString() ? -1 : 1)], offset: 599, limit: 5 }))
    expect(keys.map(String)).toEqual(['/p/599'])
  })

  test('what a query visits may be deleted meanwhile', async () => {
    const { store } = subject
    for (let index = 0; index < 300; index++) await store.put(new Key(`/${index}`), bytes('x'))
    for await (const { key } of store.query({})) await store.delete(key)
    expect(await all(store.queryKeys({}))).toHaveLength(0)
  })

  test('does nothing once aborted', async () => {
    const { store } = subject
    const options = { signal: AbortSignal.abort(new Error('enough')) }
    const key = new Key('/a')
    await expect((async () => store.put(key, bytes('x'), options))()).rejects.toThrow('enough')
    await expect((async () => all(store.query({}, options)))()).rejects.toThrow('enough')
    expect(await store.has(key)).toBe(false)
  })
})
