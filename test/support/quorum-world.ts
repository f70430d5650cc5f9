import { silentLogger } from '../../src/base/logger.ts'
import { createMeter, type MemoryMeter } from '../../src/base/meter.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import { createQuorum, type Quorum, type QuorumGroup } from '../../src/federation/quorum/driver.ts'
import type { Permits } from '../../src/federation/quorum/ports.ts'
import type { Tier } from '../../src/wire/admission-documents.ts'
import { createFakeQuorumStore, type FakeQuorumStore } from './fake-quorum-store.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { testSigner } from './security-world.ts'

export const POOL = 'root'

export interface QuorumNode {
  peer: string
  quorum: Quorum
  group: QuorumGroup
  store: FakeQuorumStore
  meter(): MemoryMeter
  /** Without warning; then start again from what is on disk. */
  restart(): void
  up: boolean
}

export interface QuorumWorld {
  clock: ManualClock
  nodes: QuorumNode[]
  peers: string[]
  /** Requests and answers are lost between these two, both ways. */
  cut(a: number, b: number): void
  /** Only these talk, among each other. */
  only(...indexes: number[]): void
  heal(): void
  calls: { from: string; to: string; method: number; bytes: number }[]
  /** Lets virtual time pass, and promises settle. */
  run(ms: number): Promise<void>
  /** Until the promise ends, at most so long. */
  wait<T>(promise: Promise<T>, ms?: number): Promise<T>
}

export interface QuorumWorldOptions {
  seed?: number
  genesis?: number[]
  tier?: Tier
  threshold?: number
  permits?: Permits
  mayPropose?: (from: string) => boolean
  isRegister?: (key: string) => boolean
  /** Asked before a peer's answer is what it says. */
  lies?: (peer: string, method: number, body: Uint8Array) => Uint8Array | undefined
  /** Share of messages that are lost, and that arrive twice. */
  lost?: number
  twice?: number
  /** ms, each way, at most. */
  delay?: number
}

/** Real drivers with real signatures over a network of promises on virtual time. */
export function createQuorumWorld(count: number, options: QuorumWorldOptions = {}): QuorumWorld {
  const clock = createManualClock(1_000)
  const random: Random = seededRandom(options.seed ?? 1)
  const cuts = new Set<string>()
  const calls: QuorumWorld['calls'] = []
  const signers = Array.from({ length: count }, (_, index) => testSigner(index + 1))
  const peers = signers.map(({ peer }) => peer)
  const nodes: QuorumNode[] = []
  const meters: MemoryMeter[] = []
  const genesis = (options.genesis ?? [0]).map((index) => peers[index] as string)

  const travel = (from: string, to: string, arrive: () => void) => {
    const chance = (share = 0) => random.float() < share
    for (let copy = chance(options.twice) ? 2 : 1; copy > 0; copy--) {
      const gone = chance(options.lost)
      clock.after(1 + random.float() * (options.delay ?? 5), () => {
        if (!gone && !cuts.has(`${from} ${to}`)) arrive()
      })
    }
  }

  function make(index: number, store: FakeQuorumStore): Quorum {
    const signer = signers[index]!
    const meter = createMeter()
    meters[index] = meter
    const quorum = createQuorum(
      {
        clock, random: seededRandom((options.seed ?? 1) * 1_000 + index + calls.length), meter, logger: silentLogger, store, signer,
        permits: options.permits ?? (() => true),
        ...(options.mayPropose && { mayPropose: (_pool: string, from: string) => options.mayPropose?.(from) ?? true }),
        ...(options.isRegister && { isRegister: (_pool: string, key: string) => options.isRegister?.(key) ?? true }),
        call: (to, method, body, { timeout, signal }) =>
          new Promise((resolve, reject) => {
            calls.push({ from: signer.peer, to, method, bytes: body.length })
            clock.after(timeout, () => reject(new Error('no answer')))
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
            travel(signer.peer, to, () => {
              const target = nodes.find(({ peer }) => peer === to)
              if (target?.up !== true) return
              const lie = options.lies?.(to, method, body)
              const answer = lie === undefined ? target.quorum.answer(method, body, signer.peer) : Promise.resolve(lie)
              answer.then((said) => travel(to, signer.peer, () => resolve(said)), reject)
            })
          })
      },
      { self: signer.peer, federation: 'fed' }
    )
    quorum.start()
    return quorum
  }

  const how = { genesis, tier: options.tier ?? ('regional' as Tier), threshold: options.threshold }
  for (const [index, peer] of peers.entries()) {
    const store = createFakeQuorumStore()
    const quorum = make(index, store)
    const node: QuorumNode = {
      peer, quorum, store, group: quorum.open(POOL, how), meter: () => meters[index]!, up: true,
      restart() {
        node.quorum.stop()
        node.quorum = make(index, store)
        node.group = node.quorum.open(POOL, how)
        node.quorum.setMembers(POOL, peers.filter((other) => other !== peer))
        node.up = true
      }
    }
    nodes.push(node)
  }
  for (const { peer, quorum } of nodes) quorum.setMembers(POOL, peers.filter((other) => other !== peer))

  const world: QuorumWorld = {
    clock, nodes, peers, calls,
    cut(a, b) {
      cuts.add(`${peers[a]} ${peers[b]}`)
      cuts.add(`${peers[b]} ${peers[a]}`)
    },
    only(...indexes) {
      cuts.clear()
      for (let a = 0; a < count; a++) for (let b = 0; b < a; b++) if (!indexes.includes(a) || !indexes.includes(b)) world.cut(a, b)
    },
    heal: () => cuts.clear(),
    async run(ms) {
      const end = clock.now() + ms
      while (clock.now() < end) {
        clock.advance(Math.min(5, end - clock.now()))
        for (let turn = 0; turn < 12; turn++) await Promise.resolve()
      }
    },
    async wait(promise, ms = 20_000) {
      const state = { over: false }
      const settled = promise.then(() => void (state.over = true), () => void (state.over = true))
      for (const end = clock.now() + ms; !state.over && clock.now() < end; ) await world.run(5)
      if (!state.over) throw new Error(`nothing after ${ms} ms of virtual time`)
      await settled
      return promise
    }
  }
  return world
}

/** Grows the voters one at a time, led by the first node. */
export async function growTo(world: QuorumWorld, count: number): Promise<void> {
  const leader = world.nodes[0]!
  for (let size = leader.group.voters().peers.length + 1; size <= count; size++) {
    await world.wait(leader.group.changeVoters(world.peers.slice(0, size), { within: 5_000 }))
  }
  await world.run(100)
}

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
export const textOf = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()
