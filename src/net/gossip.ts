import type { GossipSub, GossipsubOpts } from '@libp2p/gossipsub'

type Register = NonNullable<GossipsubOpts['metricsRegister']>

/** Copies and bytes of one topic since the start. Sizes are those of the messages, without envelopes. */
export interface TopicCounts {
  /** Empty: all those together that this node has not subscribed to. */
  topic: string
  /** Connected peers that have subscribed. */
  subscribers: number
  /** Peer ids: to whom messages of this topic are passed on at once. */
  meshPeers: string[]
  /** Messages of this node. */
  published: number
  /** Copies of those that left, one for each peer. */
  sentCopies: number
  sentBytes: number
  /** Messages of others that this node passed on. */
  forwarded: number
  forwardedCopies: number
  /** Copies that came, repeated ones included. */
  receivedCopies: number
  /** Messages that came, each once. */
  received: number
  receivedBytes: number
  duplicates: number
  /** Copies with a wrong signature or none. */
  invalid: number
}

export interface GossipCounts {
  /** Peers that speak gossipsub with us. */
  peers: number
  /** Frames of all topics, with control and envelopes. */
  sentFrames: number
  sentBytes: number
  receivedFrames: number
  receivedBytes: number
  topics: TopicCounts[]
}

/** @param via peer id of whoever handed the message over; `from` signed it */
export type GossipListener = (bytes: Uint8Array, from: string, via: string) => void

export interface Gossip {
  /** An option of gossipsub: it reports to it what it does. */
  readonly register: Register
  attach(pubsub: GossipSub | undefined): void
  publish(topic: string, bytes: Uint8Array): Promise<void>
  /** One listener for a topic; only signed messages come. */
  subscribe(topic: string, listener: GossipListener): void
  /** Leaves the topic's mesh; its numbers go on among those of the topics not subscribed to. A topic without a listener: nothing happens. */
  unsubscribe(topic: string): void
  counts(): GossipCounts
}

/** What gossipsub calls the numbers that we keep. */
const NAMES = {
  published: 'gossipsub_msg_publish_count_total',
  sentCopies: 'gossipsub_msg_publish_peers_total',
  sentBytes: 'gossipsub_msg_publish_bytes_total',
  forwarded: 'gossipsub_msg_forward_count_total',
  forwardedCopies: 'gossipsub_msg_forward_peers_total',
  receivedCopies: 'gossipsub_msg_received_prevalidation_total',
  received: 'gossipsub_pre_validation_valid_total',
  duplicates: 'gossipsub_pre_validation_duplicate_total',
  invalid: 'gossipsub_pre_validation_invalid_total'
} as const
const FRAME_NAMES = {
  sentFrames: 'gossipsub_rpc_sent_count_total',
  sentBytes: 'gossipsub_rpc_sent_bytes_total',
  receivedFrames: 'gossipsub_rpc_recv_count_total',
  receivedBytes: 'gossipsub_rpc_recv_bytes_total'
} as const
const KEPT: ReadonlySet<string> = new Set([...Object.values(NAMES), ...Object.values(FRAME_NAMES)])

const NOTHING = () => {}
const NO_GAUGE = { inc: NOTHING, set: NOTHING, addCollect: NOTHING }
const NO_HISTOGRAM = { startTimer: () => NOTHING, observe: NOTHING, reset: NOTHING }

/** What gossipsub does, counted; and its messages, given to whoever listens to their topic. */
export function createGossip(): Gossip {
  let pubsub: GossipSub | undefined
  const listeners = new Map<string, GossipListener>()
  const received = new Map<string, number>()
  /** By name of the number, then by topic ('' where there is none). */
  const values = new Map<string, Map<string, number>>()

  /** Others choose their topics as they like: only ours get a number of their own. */
  const keyOf = (topic: unknown): string => (typeof topic === 'string' && listeners.has(topic) ? topic : '')

  function gauge({ name }: { name: string }) {
    if (!KEPT.has(name)) return NO_GAUGE
    const byTopic = new Map<string, number>()
    values.set(name, byTopic)
    return {
      ...NO_GAUGE,
      inc(first?: number | { topic?: string }, second?: number) {
        const key = typeof first === 'object' ? keyOf(first.topic) : ''
        const by = (typeof first === 'object' ? second : first) ?? 1
        byTopic.set(key, (byTopic.get(key) ?? 0) + by)
      }
    }
  }

  const register = { gauge, histogram: () => NO_HISTOGRAM, avgMinMax: () => NO_GAUGE } as unknown as Register
  const valueOf = (name: string, topic = '') => values.get(name)?.get(topic) ?? 0

  /** Pools come and go for as long as a node runs: what was counted of a topic that was left counts as of other topics. */
  function forget(topic: string): void {
    for (const byTopic of [received, ...values.values()]) {
      const count = byTopic.get(topic)
      if (count === undefined) continue
      byTopic.delete(topic)
      byTopic.set('', (byTopic.get('') ?? 0) + count)
    }
  }

  /** Public in the class, not in the interface. */
  function meshPeers(topic: string): string[] {
    const { getMeshPeers } = (pubsub ?? {}) as { getMeshPeers?: (topic: string) => string[] }
    return getMeshPeers?.call(pubsub, topic).sort() ?? []
  }

  function countsOf(topic: string): TopicCounts {
    const numbers = Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, valueOf(name, topic)])) as Record<keyof typeof NAMES, number>
    return {
      topic,
      subscribers: topic === '' ? 0 : (pubsub?.getSubscribers(topic).length ?? 0),
      meshPeers: topic === '' ? [] : meshPeers(topic),
      ...numbers,
      receivedBytes: received.get(topic) ?? 0
    }
  }

  return {
    register,
    attach(next) {
      pubsub = next
      next?.addEventListener('gossipsub:message', ({ detail: { msg, propagationSource } }) => {
        if (msg.type !== 'signed') return
        received.set(keyOf(msg.topic), (received.get(keyOf(msg.topic)) ?? 0) + msg.data.length)
        listeners.get(msg.topic)?.(msg.data, msg.from.toString(), propagationSource.toString())
      })
    },
    async publish(topic, bytes) {
      await pubsub?.publish(topic, bytes)
    },
    subscribe(topic, listener) {
      listeners.set(topic, listener)
      pubsub?.subscribe(topic)
    },
    unsubscribe(topic) {
      if (!listeners.delete(topic)) return
      pubsub?.unsubscribe(topic)
      forget(topic)
    },
    counts() {
      const frames = Object.fromEntries(Object.entries(FRAME_NAMES).map(([key, name]) => [key, valueOf(name)])) as Record<keyof typeof FRAME_NAMES, number>
      return { peers: pubsub?.getPeers().length ?? 0, ...frames, topics: [...[...listeners.keys()].sort(), ''].map(countsOf) }
    }
  }
}
