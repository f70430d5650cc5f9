import { afterEach, describe, expect, test } from 'vitest'
import type { Dht } from '../../../src/net/dht/dht.ts'
import type { Host } from '../../../src/net/host.ts'
import { createDhtDatastore } from '../../../src/store/dht-datastore.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

const FEDERATION = 'f0'.repeat(16)
const within = (ms: number) => ({ signal: AbortSignal.timeout(ms) })
const addressOf = (host: Host) => `${host.addresses()[0]}/p2p/${host.self}`

const hosts: Host[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()))
})

async function start(seed: number, secret = 'good'): Promise<Host & { dht: Dht }> {
  const host = await startHost({ seed, rules: secretRules(secret), host: { dht: { datastore: createDhtDatastore() } } })
  hosts.push(host)
  expect(host.dht).toBeDefined()
  return host as Host & { dht: Dht }
}

async function found(host: { dht: Dht }, kind: 'server' | 'tool', name: string, federation = FEDERATION): Promise<string[]> {
  const peers: string[] = []
  for await (const { peer } of host.dht.findProviders(federation, kind, name, within(10_000))) peers.push(peer)
  return peers.sort()
}

describe('the DHT of a federation', () => {
  test('names are found by members that were not asked for them, and on private addresses', async () => {
    const [a, b, c] = await Promise.all([start(1), start(2), start(3)])
    await b.connect([addressOf(a)], within(5_000))
    await c.connect([addressOf(a)], within(5_000))
    await waitUntil('all are in each other\'s tables', () => a.dht.size() === 2 && b.dht.size() >= 1 && c.dht.size() >= 1)
    b.dht.publish(FEDERATION, [{ kind: 'server', name: 'files' }, { kind: 'tool', name: 'ab'.repeat(32) }])
    c.dht.publish(FEDERATION, [{ kind: 'server', name: 'files' }])
    await waitUntil('both are found at the third', async () => (await found(a, 'server', 'files')).length === 2, { timeout: 20_000, every: 300 })
    expect(await found(a, 'server', 'files')).toEqual([b.self, c.self].sort())
    await waitUntil('the tool is found', async () => (await found(c, 'tool', 'ab'.repeat(32))).join() === b.self, { timeout: 20_000, every: 300 })
    expect(await found(a, 'server', 'nobody')).toEqual([])
    expect(await found(a, 'server', 'files', 'e0'.repeat(16))).toEqual([])
    const walked = await c.dht.walk(within(10_000))
    expect(walked.map(({ peer }) => peer)).toContain(a.self)
    expect(walked.find(({ peer }) => peer === a.self)?.address).toBe(addressOf(a))
  }, 40_000)

  test('a stranger is in no table, and gets no answer', async () => {
    const [a, b, stranger] = await Promise.all([start(1), start(2), start(3, 'bad')])
    await b.connect([addressOf(a)], within(5_000))
    await waitUntil('the members know each other', () => a.dht.size() === 1 && b.dht.size() === 1)
    await expect(stranger.connect([addressOf(a)], within(5_000))).rejects.toThrow()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(a.dht.size()).toBe(1)
    expect(stranger.dht.size()).toBe(0)
  }, 20_000)

  test('looking for something ends with the signal, alone too', async () => {
    const a = await start(1)
    const began = performance.now()
    await expect(found({ dht: { ...a.dht, findProviders: (f, k, n) => a.dht.findProviders(f, k, n, within(500)) } }, 'server', 'x')).rejects.toThrow()
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
