import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import type { QuorumStore } from '../../../src/federation/quorum/ports.ts'
import { openStore, STORE_FILE } from '../../../src/store/store.ts'
import { createFakeQuorumStore } from '../../support/fake-quorum-store.ts'

interface Setup {
  store(): QuorumStore
  /** As after a kill: whatever was not on disk is gone. */
  reopen(): void
  damage(pool: string, key: string): void
  close(): void
}

function setupFake(): Setup {
  const store = createFakeQuorumStore()
  return { store: () => store, reopen() {}, damage: (pool, key) => store.damage(pool, key), close() {} }
}

function setupReal(): Setup {
  const dataDir = mkdtempSync(join(tmpdir(), 'skein-quorum-'))
  let store = openStore(dataDir, { logger: silentLogger })
  return {
    store: () => store.quorum,
    reopen() {
      store.close()
      store = openStore(dataDir, { logger: silentLogger })
    },
    damage(pool, key) {
      const database = new DatabaseSync(join(dataDir, STORE_FILE))
      const bytes = database.prepare('SELECT bytes FROM quorum WHERE pool = ? AND key = ?').get(pool, key)?.['bytes'] as Uint8Array
      bytes[0] = (bytes[0] ?? 0) ^ 1
      database.prepare('UPDATE quorum SET bytes = ? WHERE pool = ? AND key = ?').run(bytes, pool, key)
      database.close()
    },
    close() {
      store.close()
      rmSync(dataDir, { recursive: true })
    }
  }
}

describe.each([
  ['fake', setupFake],
  ['sqlite', setupReal]
])('QuorumStore: %s', (_name, setup) => {
  let subject: Setup
  beforeEach(() => {
    subject = setup()
  })
  afterEach(() => subject.close())

  test('gives back what was saved, by pool, the last of two, after a restart too', () => {
    subject.store().save('root', [{ key: 'r/hub', bytes: Uint8Array.of(1) }, { key: 'v', bytes: Uint8Array.of(0, 255) }])
    subject.store().save('other', [{ key: 'r/hub', bytes: Uint8Array.of(9) }])
    subject.store().save('root', [{ key: 'r/hub', bytes: Uint8Array.of(2) }])
    subject.reopen()
    expect(subject.store().load('root')).toEqual([{ key: 'r/hub', bytes: Uint8Array.of(2) }, { key: 'v', bytes: Uint8Array.of(0, 255) }])
    expect(subject.store().load('other')).toEqual([{ key: 'r/hub', bytes: Uint8Array.of(9) }])
    expect(subject.store().load('none')).toEqual([])
    expect(subject.store().pools()).toEqual(['other', 'root'])
  })

  test('a row without bytes is taken away', () => {
    subject.store().save('root', [{ key: 'a', bytes: Uint8Array.of(1) }, { key: 'b', bytes: Uint8Array.of(2) }])
    subject.store().save('root', [{ key: 'a', bytes: undefined }, { key: 'none', bytes: undefined }])
    expect(subject.store().load('root')).toEqual([{ key: 'b', bytes: Uint8Array.of(2) }])
  })

  test('a damaged row is told by its key, without its bytes; the others are sound', () => {
    subject.store().save('root', [{ key: 'a', bytes: Uint8Array.of(1) }, { key: 'b', bytes: Uint8Array.of(2) }])
    subject.damage('root', 'a')
    expect(subject.store().load('root')).toEqual([{ key: 'a', bytes: undefined }, { key: 'b', bytes: Uint8Array.of(2) }])
  })
})

test('the real one writes through before it returns, and refuses once closed', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'skein-quorum-'))
  const store = openStore(dataDir, { logger: silentLogger })
  store.quorum.save('root', [{ key: 'a', bytes: Uint8Array.of(1) }])
  const other = new DatabaseSync(join(dataDir, STORE_FILE))
  expect(other.prepare('SELECT count(*) AS n FROM quorum').get()?.['n']).toBe(1)
  other.close()
  store.close()
  expect(() => store.quorum.load('root')).toThrow(expect.objectContaining({ code: 'SKEIN_GOAWAY' }))
  rmSync(dataDir, { recursive: true })
})
