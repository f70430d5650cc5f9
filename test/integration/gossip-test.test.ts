import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SkeinNode } from '../../src/node/create-node.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** Two that only dial, and so have no connection with each other: what one says comes to the other over the hub. */
let hub: SkeinNode
let left: SkeinNode
let right: SkeinNode

beforeAll(async () => {
  hub = await startNodeHere('hub', {})
  const token = async () => (await hub.api.createToken({})).token
  left = await startNodeHere('left', {}, await token(), [])
  right = await startNodeHere('right', {}, await token(), [])
  const nodes = [hub, left, right]
  await waitUntil('all are members and reach each other', () => nodes.every(({ api }) => api.registry().records.filter(({ path }) => path !== 'none').length === 3), { timeout: 30_000 })
  const meshOf = ({ api }: SkeinNode) => api.gossip().gossipsub.topics.find(({ about }) => about === 'test')?.meshPeers.length
  await waitUntil('the mesh stands', () => meshOf(hub) === 2 && meshOf(left) === 1 && meshOf(right) === 1, { timeout: 20_000 })
}, 60_000)
afterAll(() => Promise.all([left, right, hub].map((node) => node?.stop())))

test('a message that the hub passes on: the path has the hub in it, and the answer comes back over a relay', async () => {
  const before = hub.api.gossip().gossipsub.topics.find(({ about }) => about === 'test')
  const { reached, missing } = await left.api.gossipTest({ signal: AbortSignal.timeout(10_000) })
  expect(missing).toEqual([])
  expect(left.api.registry().records.map(({ name, path }) => [name, path])).toEqual([['hub', 'direct'], ['left', 'self'], ['right', 'relayed']])
  expect(reached.map(({ name, via, path }) => ({ name, via, path })).sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { name: 'hub', via: left.self, path: [left.self, hub.self] },
    { name: 'right', via: hub.self, path: [left.self, hub.self, right.self] }
  ])
  const after = hub.api.gossip().gossipsub.topics.find(({ about }) => about === 'test')
  expect([(after?.forwarded ?? 0) - (before?.forwarded ?? 0), (after?.forwardedCopies ?? 0) - (before?.forwardedCopies ?? 0)]).toEqual([1, 1])
})
