import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import type { StoredToken, TokenStore } from '../../../src/security/ports.ts'
import { openStore, type Store } from '../../../src/store/store.ts'
import { createFakeTokenStore } from '../../support/fake-security-stores.ts'

interface Setup {
  store: TokenStore
  /** Each peer redeems every id, all peers at the same time: outcomes by peer. */
  race(ids: string[], peers: string[]): Promise<string[][]>
  close(): void
}

function setupFake(): Setup {
  const store = createFakeTokenStore()
  const race = (ids: string[], peers: string[]) => Promise.all(peers.map(async (peer) => Promise.all(ids.map(async (id) => store.redeem(id, peer, 0)))))
  return { store, race, close() {} }
}

/** The real one races in threads of its own with connections of their own: within one thread SQLite calls cannot overlap. */
function setupReal(): Setup {
  const dataDir = mkdtempSync(join(tmpdir(), 'skein-tokens-'))
  const store = openStore(dataDir, { logger: silentLogger })
  return {
    store: store.tokens,
    async race(ids, peers) {
      const workers = peers.map((peer) => new Worker(new URL('../../fixtures/redeem-worker.ts', import.meta.url), { workerData: { dataDir, ids, peer } }))
      await Promise.all(workers.map((worker) => once(worker, 'message')))
      const outcomes = workers.map(async (worker) => (await once(worker, 'message'))[0] as string[])
      for (const worker of workers) worker.postMessage('go')
      return Promise.all(outcomes)
    },
    close() {
      store.close()
      rmSync(dataDir, { recursive: true })
    }
  }
}

function token(id: string, more: Partial<StoredToken> = {}): StoredToken {
  return { id, created: 1_000, expires: 2_000, uses: 1, tier: 'leaf', region: 'eu', roles: ['a', 'b'], ...more }
}

describe.each([
  ['fake', setupFake],
  ['sqlite', setupReal]
])('TokenStore: %s', (_name, setup) => {
  let subject: Setup
  beforeEach(() => {
    subject = setup()
  })
  afterEach(() => subject.close())

  test('lists what was made, newest first, with the uses taken', () => {
    const { store } = subject
    store.create(token('a', { uses: 3 }))
    store.create(token('b', { created: 1_500, tier: 'global' }))
    store.redeem('a', 'p', 1)
    store.redeem('a', 'q', 1)
    expect(store.list()).toEqual([
      { ...token('b', { created: 1_500, tier: 'global' }), used: 0 },
      { ...token('a', { uses: 3 }), used: 2 }
    ])
  })

  test('admits as many peers as there are uses, and each of them again', () => {
    const { store } = subject
    store.create(token('a', { uses: 2 }))
    expect(['p', 'p', 'q', 'r', 'p', 'q', 'r'].map((peer) => store.redeem('a', peer, 1))).toEqual(['admitted', 'again', 'admitted', 'used', 'again', 'again', 'used'])
  })

  test('knows only its own tokens, and counts them apart', () => {
    const { store } = subject
    store.create(token('a'))
    store.create(token('b'))
    expect([store.redeem('c', 'p', 1), store.redeem('a', 'p', 1), store.redeem('b', 'q', 1)]).toEqual(['unknown', 'admitted', 'admitted'])
  })

  test('of peers racing for a one-use token exactly one is admitted', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => `token${index}`)
    for (const id of ids) subject.store.create(token(id))
    const [p, q] = await subject.race(ids, ['p', 'q'])
    const outcomes = ids.map((_, index) => [p?.[index], q?.[index]].toSorted())
    expect(outcomes).toEqual(ids.map(() => ['admitted', 'used']))
    expect(subject.store.list().every(({ used }) => used === 1)).toBe(true)
  })
})

describe('TokenStore on disk', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'skein-tokens-'))
  const open = () => openStore(dataDir, { logger: silentLogger })
  let store: Store
  beforeEach(() => {
    store = open()
  })
  afterEach(() => {
    store.close()
    rmSync(dataDir, { recursive: true })
  })

  test('remembers uses after a restart', () => {
    store.tokens.create(token('a'))
    store.tokens.redeem('a', 'p', 1)
    store.close()
    store = open()
    expect([store.tokens.redeem('a', 'q', 1), store.tokens.redeem('a', 'p', 1)]).toEqual(['used', 'again'])
  })

  test('a use is committed when redeem returns: another connection sees it at once', () => {
    store.tokens.create(token('a'))
    store.tokens.redeem('a', 'p', 1)
    const second = open()
    expect(second.tokens.redeem('a', 'q', 1)).toBe('used')
    second.close()
  })

  test('forgets tokens a week after they expired, and refuses a thousand and first good one', () => {
    const week = 7 * 86_400_000
    store.tokens.create(token('old'))
    store.tokens.redeem('old', 'p', 1)
    store.tokens.create(token('new', { created: 2_000 + week, expires: 3_000 + week }))
    expect(store.tokens.list()).toHaveLength(2)
    store.tokens.create(token('newer', { created: 2_001 + week, expires: 3_000 + week }))
    expect(store.tokens.list().map(({ id }) => id)).toEqual(['newer', 'new'])
    for (let index = 2; index < 1_000; index++) store.tokens.create(token(`t${index}`, { created: 2_001 + week, expires: 3_000 + week }))
    expect(() => store.tokens.create(token('one more', { created: 2_001 + week, expires: 3_000 + week }))).toThrow(expect.objectContaining({ code: 'SKEIN_LIMIT' }))
  }, 20_000)
})
