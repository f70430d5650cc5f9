import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { openDatastore, type PeerDatastore } from '../../../src/store/datastore.ts'

let dataDir: string
let store: PeerDatastore
const open = () => openDatastore(dataDir, { logger: silentLogger })
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'skein-peers-'))
  store = open()
})
afterEach(() => {
  store.close()
  rmSync(dataDir, { recursive: true })
})

test('remembers peers after a restart, in a file of its owner alone', async () => {
  await store.put(new Key('/peers/a'), Uint8Array.of(1))
  store.close()
  store = open()
  expect(await store.get(new Key('/peers/a'))).toEqual(Uint8Array.of(1))
  expect(statSync(join(dataDir, 'peers.db')).mode & 0o777).toBe(0o600)
})

test('late users of a closed store change nothing and do not fail', async () => {
  const batch = store.batch()
  batch.put(new Key('/b'), Uint8Array.of(1))
  store.close()
  store.close()
  await store.put(new Key('/a'), Uint8Array.of(1))
  await store.delete(new Key('/a'))
  await batch.commit()
  expect([await store.has(new Key('/a')), [...(store.queryKeys({}) as Iterable<Key>)]]).toEqual([false, []])
  store = open()
  expect(await store.has(new Key('/b'))).toBe(false)
})

test('over 20 000 entries the ones written longest ago go, also after a restart', async () => {
  const fill = async (from: number, to: number) => {
    const batch = store.batch()
    for (let index = from; index < to; index++) batch.put(new Key(`/${index}`), Uint8Array.of(1))
    await batch.commit()
  }
  await fill(0, 20_000)
  await store.put(new Key('/0'), Uint8Array.of(2))
  store.close()
  store = open()
  await fill(20_000, 20_002)
  const has = await Promise.all(['/0', '/1', '/2', '/3', '/20001'].map((name) => store.has(new Key(name))))
  expect(has).toEqual([true, false, false, true, true])
})
