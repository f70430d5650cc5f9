import type { GossipSub } from '@libp2p/gossipsub'
import { expect, test } from 'vitest'
import { createGossip } from '../../../src/net/gossip.ts'

type Gauge = { inc(labels: { topic: string } | number, by?: number): void; set(value: number): void; addCollect(fn: () => void): void }
type MessageEvent = { detail: { propagationSource: string; msg: { type: string; topic: string; data: Uint8Array; from: string } } }

/** As much of gossipsub as is used. */
function setup() {
  let tell: (event: MessageEvent) => void = () => {}
  const subscribed: string[] = []
  const published: [string, Uint8Array][] = []
  const mesh: Record<string, string[]> = { ours: ['p2', 'p1'] }
  const pubsub = {
    addEventListener: (_name: string, listener: (event: MessageEvent) => void) => void (tell = listener),
    subscribe: (topic: string) => void subscribed.push(topic),
    unsubscribe: (topic: string) => void subscribed.push(`-${topic}`),
    publish: async (topic: string, bytes: Uint8Array) => void published.push([topic, bytes]),
    getPeers: () => ['p1', 'p2', 'p3'],
    getSubscribers: (topic: string) => (topic === 'ours' ? ['p1', 'p2', 'p3'] : []),
    mesh,
    getMeshPeers(topic: string): string[] {
      return [...(this.mesh[topic] ?? [])]
    }
  }
  const gossip = createGossip()
  const gauge = (name: string) => (gossip.register as unknown as { gauge(config: { name: string }): Gauge }).gauge({ name })
  gossip.attach(pubsub as unknown as GossipSub)
  const message = (topic: string, type = 'signed') => tell({ detail: { propagationSource: 'p1', msg: { type, topic, data: new Uint8Array(10), from: 'p2' } } })
  return { gossip, gauge, message, subscribed, published }
}

const ZERO = { subscribers: 0, meshPeers: [], published: 0, sentCopies: 0, sentBytes: 0, forwarded: 0, forwardedCopies: 0, receivedCopies: 0, received: 0, receivedBytes: 0, duplicates: 0, invalid: 0 }

test('messages come to whoever listens to their topic, with who signed and who handed them over', () => {
  const { gossip, message, subscribed } = setup()
  const heard: unknown[] = []
  gossip.subscribe('ours', (bytes, from, via) => heard.push([bytes.length, from, via]))
  message('ours')
  message('theirs')
  message('ours', 'unsigned')
  expect([subscribed, heard]).toEqual([['ours'], [[10, 'p2', 'p1']]])
})

test('counts by topic; topics of others share one entry, however many they invent', () => {
  const { gossip, gauge, message } = setup()
  gossip.subscribe('ours', () => {})
  const received = gauge('gossipsub_msg_received_prevalidation_total')
  const bytes = gauge('gossipsub_msg_publish_bytes_total')
  const sent = gauge('gossipsub_rpc_sent_bytes_total')
  received.inc({ topic: 'ours' }, 1)
  received.inc({ topic: 'ours' })
  for (let n = 0; n < 1_000; n++) received.inc({ topic: `invented ${n}` }, 1)
  bytes.inc({ topic: 'ours' }, 300)
  sent.inc(70)
  sent.inc(30)
  message('ours')
  expect(gossip.counts()).toEqual({
    peers: 3, sentFrames: 0, sentBytes: 100, receivedFrames: 0, receivedBytes: 0,
    topics: [
      { ...ZERO, topic: 'ours', subscribers: 3, meshPeers: ['p1', 'p2'], receivedCopies: 2, sentBytes: 300, receivedBytes: 10 },
      { ...ZERO, topic: '', receivedCopies: 1_000 }
    ]
  })
})

test('a topic that was left is heard no more, and what was counted of it goes to the others', () => {
  const { gossip, gauge, message, subscribed } = setup()
  const heard: string[] = []
  const received = gauge('gossipsub_msg_received_prevalidation_total')
  for (const topic of ['ours', 'pool']) gossip.subscribe(topic, () => heard.push(topic))
  received.inc({ topic: 'pool' }, 3)
  message('pool')
  gossip.unsubscribe('pool')
  gossip.unsubscribe('pool')
  gossip.unsubscribe('never')
  received.inc({ topic: 'pool' }, 2)
  message('pool')
  expect([heard, subscribed]).toEqual([['pool'], ['ours', 'pool', '-pool']])
  expect(gossip.counts().topics.map(({ topic, receivedCopies, receivedBytes }) => [topic, receivedCopies, receivedBytes])).toEqual([['ours', 0, 0], ['', 5, 20]])
  gossip.subscribe('pool', () => heard.push('again'))
  message('pool')
  expect([heard.at(-1), gossip.counts().topics.find(({ topic }) => topic === 'pool')?.receivedBytes]).toEqual(['again', 10])
})

test('numbers that nobody asks for cost nothing, and nothing throws', () => {
  const { gossip, gauge } = setup()
  const other = gauge('gossipsub_score')
  other.inc(1)
  other.set(3)
  other.addCollect(() => {})
  const { histogram, avgMinMax } = gossip.register as unknown as { histogram(config: object): { startTimer(): () => void; observe(value: number): void; reset(): void }; avgMinMax(config: object): { set(values: number[]): void } }
  histogram({}).startTimer()()
  histogram({}).observe(1)
  histogram({}).reset()
  avgMinMax({}).set([1])
  expect(gossip.counts().topics).toEqual([{ ...ZERO, topic: '' }])
})

test('without gossipsub everything is zero', async () => {
  const gossip = createGossip()
  gossip.attach(undefined)
  gossip.subscribe('ours', () => {})
  await gossip.publish('ours', new Uint8Array(1))
  expect(gossip.counts()).toMatchObject({ peers: 0, topics: [{ ...ZERO, topic: 'ours' }, { ...ZERO, topic: '' }] })
})
