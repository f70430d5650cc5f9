import { createMeter, type MemoryMeter } from '../../src/base/meter.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { RpcLimits } from '../../src/rpc/limits.ts'
import { createRpc } from '../../src/rpc/rpc.ts'
import type { Rpc, SessionEvent } from '../../src/rpc/types.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { createStreamPair, type PairOptions, type StreamPair } from './stream-pair.ts'

export interface TestNode {
  name: string
  rpc: Rpc
  meter: MemoryMeter
  events: SessionEvent[]
}

export interface NodeOptions {
  boot?: bigint
  limits?: Partial<RpcLimits>
  federation?: string
}

/** The streams of a test network in the order they were opened. */
export interface OpenedPair {
  from: string
  to: string
  /** `a` is the opener's end. */
  pair: StreamPair
}

export interface RpcNet {
  clock: ManualClock
  pairs: OpenedPair[]
  /** Openings fail while true, or those for which it says so. */
  refuse: boolean | ((from: string, to: string) => boolean)
  /** Openings wait for this. */
  gate: Promise<void>
  node(name: string, options?: NodeOptions): TestNode
  /** Lets the ticks, streams and promises run until nothing moves. */
  run(): Promise<void>
  advance(ms: number): Promise<void>
}

/** Nodes with RPC over stepped streams and a manual clock: nothing happens but in `run` and `advance`. */
export function createRpcNet(options: PairOptions = {}): RpcNet {
  const clock = createManualClock()
  const nodes = new Map<string, TestNode>()
  const pairs: OpenedPair[] = []
  let ticks: (() => void)[] = []

  /** Ends of ticks: whatever wanted to be flushed. */
  function runTicks(): boolean {
    const due = ticks
    ticks = []
    for (const fn of due) fn()
    return due.length > 0
  }

  const net: RpcNet = {
    clock,
    pairs,
    refuse: false,
    gate: Promise.resolve(),
    node(name, nodeOptions = {}) {
      const meter = createMeter()
      const rpc = createRpc(
        {
          clock,
          meter,
          random: seededRandom(name.length * 7919 + name.charCodeAt(0) + nodes.size),
          logger: silentLogger,
          opener: {
            async open(peer) {
              await net.gate
              const other = nodes.get(peer)
              const refused = typeof net.refuse === 'function' ? net.refuse(name, peer) : net.refuse
              if (refused || other === undefined) throw new Error('no route')
              const pair = createStreamPair(options)
              pairs.push({ from: name, to: peer, pair })
              other.rpc.accept(name, pair.b)
              return pair.a
            }
          }
        },
        {
          self: name,
          federation: nodeOptions.federation ?? 'f',
          bootId: nodeOptions.boot ?? 1n,
          limits: nodeOptions.limits ?? {},
          schedule: (flush) => ticks.push(flush)
        }
      )
      const node: TestNode = { name, rpc, meter, events: [] }
      rpc.onSession((event) => node.events.push(event))
      nodes.set(name, node)
      return node
    },
    async run() {
      for (let quiet = 0; quiet < 3; ) {
        let moved = runTicks()
        for (const { pair } of pairs) moved = pair.step() || moved
        for (let hop = 0; hop < 8; hop++) await Promise.resolve()
        quiet = moved ? 0 : quiet + 1
      }
    },
    async advance(ms) {
      for (let left = ms; left > 0; left -= 20) {
        clock.advance(Math.min(20, left))
        await net.run()
      }
    }
  }
  return net
}

/** Two connected nodes `a` (lower, the opener) and `b`, with their session up. */
export async function createConnected(options: PairOptions & { a?: NodeOptions; b?: NodeOptions } = {}): Promise<{ net: RpcNet; a: TestNode; b: TestNode; pair: StreamPair }> {
  const net = createRpcNet(options)
  const a = net.node('a', options.a)
  const b = net.node('b', options.b)
  a.rpc.peerUp('b')
  b.rpc.peerUp('a')
  await net.run()
  return { net, a, b, pair: (net.pairs[0] as OpenedPair).pair }
}
