import type { PeerStore } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { untaggedPeerStore } from '../../../src/net/untagged.ts'

test('tags do not reach the store: libp2p would dial who has one by itself', async () => {
  const written: unknown[] = []
  const write = async (_peer: unknown, data: unknown) => void written.push(data)
  const store = untaggedPeerStore({ save: write, patch: write, merge: write, get: async () => 'peer' } as unknown as PeerStore)
  const data = { multiaddrs: [], tags: { 'keep-alive-kad-dht': { value: 1 } } }
  await store.save('p' as never, data)
  await store.patch('p' as never, data)
  await store.merge('p' as never, data)
  expect(written).toEqual([{ multiaddrs: [] }, { multiaddrs: [] }, { multiaddrs: [] }])
  expect(await store.get('p' as never)).toBe('peer')
})
