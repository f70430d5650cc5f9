import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

type Here = Awaited<ReturnType<typeof startNodeHere>>

const signal = () => AbortSignal.timeout(15_000)
const VOTES = { consensus: { threshold: 0.5, proposal_timeout: '5s' } }

describe('settings and bans in a federation with hubs', () => {
  const nodes: Here[] = []
  let global: Here
  let regional: Here
  let leaf: Here
  let stranger: Here

  async function start(id: string, how: Record<string, unknown>, token?: string): Promise<Here> {
    const node = await startNodeHere(id, {}, token, undefined, { ...VOTES, ...how })
    nodes.push(node)
    return node
  }
  const tier = (hub_tier: string) => ({ node: { hub_tier } })

  beforeAll(async () => {
    global = await start('global', tier('global'))
    const { token } = await global.api.createToken({ uses: 10, tier: 'regional' })
    regional = await start('regional', tier('regional'), token)
    const below = { federation: { parent: 'regional' } }
    // It leads nothing, but could.
    leaf = await start('leaf', below, (await global.api.createToken({ uses: 1, tier: 'local' })).token)
    stranger = await start('stranger', below, (await global.api.createToken({ uses: 1 })).token)
    await waitUntil('the leaves are below the regional hub', () => [leaf, stranger].every((node) => node.api.status().tiers?.up?.peer === regional.self), { timeout: 60_000 })
  }, 90_000)
  afterAll(() => Promise.all(nodes.map((node) => node.stop())))

  test('are not proposed at just any leaf, which is told where', async () => {
    const asked = { key: `ban/${leaf.self}`, value: 'I want its place', signal: signal() }
    expect(await stranger.api.propose(asked)).toMatchObject({ outcome: 'refused', message: expect.stringContaining('at the founder of the federation') })
    expect(global.api.consensus().settings).toEqual([])
  }, 30_000)

  test('are proposed at a node that may be a hub, though it is not in root, and hold everywhere', async () => {
    expect(await leaf.api.propose({ key: 'setting/max_clusters', value: 7, signal: signal() })).toMatchObject({ outcome: 'decided', version: 1 })
    await waitUntil('all know', () => nodes.every((node) => node.api.consensus().settings.some(({ key, value }) => key === 'setting/max_clusters' && value === 7)), { timeout: 5_000 })
    // With the version it knows; and what was decided meanwhile is told.
    expect(await leaf.api.propose({ key: 'setting/max_clusters', value: 8, expect: 0, signal: signal() })).toMatchObject({ outcome: 'refused' })
    expect(leaf.api.proposals()).toMatchObject([{ pool: 'root', state: 'conflict' }, { pool: 'root', state: 'decided' }])
  }, 30_000)

  test('it has another one banned: its hub has no place for it any more, nor has root', async () => {
    expect(await leaf.api.propose({ key: `ban/${stranger.self}`, value: 'nobody knows it', signal: signal() })).toMatchObject({ outcome: 'decided' })
    await waitUntil('it has no connection', () => stranger.api.status().peers === 0, { timeout: 5_000 })
    await waitUntil('it says so', () => stranger.api.status().notices.some((notice) => notice.startsWith('this node is banned')), { timeout: 5_000 })
    await waitUntil('its pool has it dead', () => [leaf, regional].every((node) => node.api.members().find(({ peer }) => peer === stranger.self)?.state === 'dead'), { timeout: 5_000 })
    // The global hub is in another pool, and knows it from the certificate alone.
    expect(global.api.consensus().settings.map(({ key }) => key)).toContain(`ban/${stranger.self}`)
    expect(await leaf.api.propose({ key: `ban/${global.self}`, value: 'no', signal: signal() })).toMatchObject({ outcome: 'refused', message: expect.stringContaining('founder') })
  }, 30_000)
})
