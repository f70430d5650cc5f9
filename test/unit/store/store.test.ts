import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { openStore, type Store } from '../../../src/store/store.ts'

let dataDir: string
let store: Store | undefined
const open = (): Store => (store = openStore(dataDir, { logger: silentLogger }))
const reopen = (): Store => {
  store?.close()
  return open()
}
beforeEach(() => {
  dataDir = join(mkdtempSync(join(tmpdir(), 'skein-store-')), 'data')
})
afterEach(() => {
  store?.close()
  store = undefined
  rmSync(join(dataDir, '..'), { recursive: true })
})

describe('the file', () => {
  test('belongs to its owner alone, with all that SQLite puts beside it', () => {
    open().meta.set('a', 'b')
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
    for (const name of ['skein.db', 'skein.db-wal', 'skein.db-shm']) expect([name, statSync(join(dataDir, name)).mode & 0o777]).toEqual([name, 0o600])
  })

  test('is refused when others may read it, with the command to run', () => {
    open().close()
    chmodSync(join(dataDir, 'skein.db'), 0o640)
    expect(open).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE', message: expect.stringContaining(`chmod 600 '${join(dataDir, 'skein.db')}'`) as string }))
  })

  test('of a newer version is refused and left alone', () => {
    open().close()
    const raw = new DatabaseSync(join(dataDir, 'skein.db'))
    raw.exec('PRAGMA user_version = 99')
    expect(open).toThrow(expect.objectContaining({ code: 'SKEIN_DATA_DIR', message: expect.stringContaining('newer skein (schema 99') as string }))
    expect(raw.prepare('PRAGMA user_version').get()).toEqual({ user_version: 99 })
    raw.close()
  })

  test('that is no database, or a folder that is a file, is refused by name', () => {
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'skein.db'), 'this is not a database, but it is long enough to look like one'.repeat(20), { mode: 0o600 })
    expect(open).toThrow(expect.objectContaining({ code: 'SKEIN_DATA_DIR', message: expect.stringContaining('skein.db cannot be used') as string }))
    dataDir = join(dataDir, 'skein.db')
    expect(open).toThrow(expect.objectContaining({ code: 'SKEIN_DATA_DIR' }))
    dataDir = join(dataDir, '..')
  })

  test('is written in WAL mode', () => {
    open()
    const raw = new DatabaseSync(join(dataDir, 'skein.db'))
    expect(raw.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    raw.close()
  })
})

describe('the federation', () => {
  const bundle = { authority: Uint8Array.of(1), certificate: Uint8Array.of(2), credential: Uint8Array.of(3) }
  const member = { id: 'f', name: 'acme', authority: bundle.authority, bundle }
  test('survives a restart, for a member and for a founder', () => {
    expect(open().federation.load()).toBeUndefined()
    store?.federation.save(member)
    expect(reopen().federation.load()).toEqual(member)
    const founder = { ...member, certificate: Uint8Array.of(4), authoritySeed: Uint8Array.of(5) }
    store?.federation.save(founder)
    expect(reopen().federation.load()).toEqual(founder)
  })
})

describe('known peers', () => {
  const peer = (index: number, lastSeen: number) => ({ peer: `p${index}`, name: `n${index}`, addresses: ['/ip4/127.0.0.1/tcp/1'], lastSeen })
  test('survive a restart, last seen first, the newest word about each', () => {
    open().peers.save(peer(1, 10), peer(2, 20), { ...peer(1, 30), name: 'renamed' })
    expect(reopen().peers.list()).toEqual([{ ...peer(1, 30), name: 'renamed' }, peer(2, 20)])
    store?.peers.remove('p1')
    expect(store?.peers.list()).toEqual([peer(2, 20)])
  })
  test('are at most 1 000: the ones not seen for longest go; and 16 addresses each', () => {
    open().peers.save(...Array.from({ length: 1_005 }, (_, index) => peer(index, index)))
    const list = store?.peers.list() ?? []
    expect([list.length, list.at(-1)?.peer]).toEqual([1_000, 'p5'])
    store?.peers.save({ ...peer(1, 9_999), addresses: Array.from({ length: 20 }, (_, index) => `/ip4/127.0.0.1/tcp/${index}`) })
    expect(store?.peers.list()[0]?.addresses).toHaveLength(16)
  })
})

describe('known hubs', () => {
  const hub = (index: number, lastSeen: number) => ({ peer: `p${index}`, name: '', pool: 'root', tier: 'global' as const, region: 'eu', addresses: ['/ip4/127.0.0.1/tcp/1'], lastSeen })
  test('survive a restart, last seen first', () => {
    const placed = { ...hub(2, 20), coordinates: { latitude: -33.5, longitude: 151.25 } }
    open().hubs.save(hub(1, 10), placed, hub(1, 30))
    expect(reopen().hubs.list()).toEqual([hub(1, 30), placed])
  })
  test('are at most 256, with 4 addresses each', () => {
    open().hubs.save(...Array.from({ length: 260 }, (_, index) => ({ ...hub(index, index), addresses: Array.from({ length: 6 }, () => '/ip4/127.0.0.1/tcp/1') })))
    const list = store?.hubs.list() ?? []
    expect([list.length, list.at(-1)?.peer, list[0]?.addresses.length]).toEqual([256, 'p4', 4])
  })
  test('a damaged row does not cost the others', () => {
    const known = open()
    known.hubs.save(hub(1, 10), { ...hub(2, 20), addresses: [7 as unknown as string] }, hub(3, 30))
    expect(known.hubs.list()).toEqual([hub(3, 30), hub(1, 10)])
  })

  test('the home pool is there after a restart', () => {
    expect(open().home.load()).toBeUndefined()
    store?.home.save({ pool: 'root', tier: 'global' })
    store?.home.save({ pool: 'p1', tier: 'local' })
    expect(reopen().home.load()).toEqual({ pool: 'p1', tier: 'local' })
  })
})

describe('small things', () => {
  test('the first claim of a name stays', () => {
    expect([open().claims.claim('files', 100), store?.claims.claim('files', 200), reopen().claims.claim('files', 300), store?.claims.claim('git', 400)]).toEqual([100, 100, 100, 400])
  })
  test('meta values are replaced', () => {
    open().meta.set('sequence', '1')
    store?.meta.set('sequence', '2')
    expect([reopen().meta.get('sequence'), store?.meta.get('other')]).toEqual(['2', undefined])
  })
})

test('after close: secrets and tokens refuse, the rest is ignored', () => {
  const closed = open()
  closed.close()
  closed.close()
  expect(() => closed.tokens.redeem('a', 'p', 1)).toThrow(expect.objectContaining({ code: 'SKEIN_GOAWAY' }))
  expect(() => closed.federation.load()).toThrow(expect.objectContaining({ code: 'SKEIN_GOAWAY' }))
  closed.peers.save({ peer: 'p', name: '', addresses: [], lastSeen: 1 })
  closed.peers.remove('p')
  closed.meta.set('a', 'b')
  expect([closed.peers.list(), closed.meta.get('a'), closed.claims.claim('x', 5)]).toEqual([[], undefined, 5])
  expect(reopen().peers.list()).toEqual([])
})
