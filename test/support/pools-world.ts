import { silentLogger, type LogFields, type Logger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createPoolMembers, type PoolMembers } from '../../src/membership/pools.ts'
import type { StatementSeal } from '../../src/membership/ports.ts'
import { PROFILES } from '../../src/membership/profiles.ts'
import type { LocalMember, MemberEvent } from '../../src/membership/types.ts'
import { signerFromSeed, type Signer } from '../../src/wire/envelope.ts'
import { poolOf } from '../../src/wire/swim-pool.ts'
import { sealStatement } from '../../src/wire/swim-statements.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'

const LENGTH_BYTES = 4
const WAY = 1
export const FEDERATION = 'fed'
export const BOOT = 1_700_000_000_000
export const addressOf = (index: number) => `/ip4/192.0.2.${index + 1}/tcp/4001`

/** One process of a node. */
export interface PoolNode {
  index: number
  peer: string
  members: PoolMembers
  /** Of the joined view, and `<pool> <type> <index>` of each pool. */
  events: MemberEvent[]
  poolEvents: string[]
  lines: { level: string; message: string; fields: LogFields | undefined }[]
  /** Frames and bytes that left, by pool. */
  sent: Map<string, { frames: number; bytes: number }>
  dialled: string[]
  knocked: number
  closed: string[]
  kept: Set<string>
  running: boolean
  metric(name: string, ...labels: string[]): number
}

export interface PoolsWorld {
  clock: ManualClock
  node(index: number): PoolNode
  /** A process of this node, started; in no pool yet. */
  start(index: number, more?: { local?: Partial<LocalMember>; begin?: boolean }): PoolNode
  local(index: number, more?: Partial<LocalMember>): LocalMember
  link(a: number, b: number): void
  isLinked(a: number, b: number): boolean
  unlink(a: number, b: number): void
  /** As `kill -9`: its machine refuses connections from now on. */
  kill(index: number): void
  /** Frames that are lost. */
  lose: (pool: string | undefined, from: number, to: number) => boolean
  pass(ms: number): Promise<void>
  indexOf(peer: string): number
  /** Signs as this node. */
  sealOf(index: number): (pool: string) => StatementSeal
}

/** Nodes with several pools on one virtual wire; frames take a millisecond. Signatures are made and not checked. */
export function createPoolsWorld(options: { fullMesh?: number } = {}): PoolsWorld {
  const clock = createManualClock()
  const signers: Signer[] = []
  const nodes = new Map<number, PoolNode>()
  const indices = new Map<string, number>()
  const links = new Set<string>()
  let starts = 0
  const key = (a: number, b: number) => (a < b ? `${a} ${b}` : `${b} ${a}`)

  function signer(index: number): Signer {
    const made = (signers[index] ??= signerFromSeed(new Uint8Array(32).fill(index + 1)))
    indices.set(made.peer, index)
    return made
  }

  function indexOf(peer: string): number {
    return indices.get(peer) ?? -1
  }

  const sealOf = (index: number) => (pool: string): StatementSeal => ({
    seal: (statement) => sealStatement(statement, { federation: FEDERATION, pool }, signer(index)),
    verify: () => true,
    standing: () => ({ tier: 'leaf', region: 'eu' })
  })

  function breakLink(a: number, b: number, expectedAt?: number): void {
    if (!links.delete(key(a, b))) return
    for (const [here, there] of [[a, b], [b, a]] as const) {
      const node = nodes.get(here)
      if (node?.running === true) node.members.linkDown(signer(there).peer, { expected: here === expectedAt })
    }
  }

  function connect(from: number, to: number): void {
    const [a, b] = [nodes.get(from), nodes.get(to)]
    if (a?.running !== true || b?.running !== true) throw new Error('connection refused')
    if (links.has(key(from, to))) return
    links.add(key(from, to))
    a.members.linkUp(b.peer, { address: addressOf(to), dialled: true })
    b.members.linkUp(a.peer, { address: `/ip4/192.0.2.${from + 1}/tcp/50000`, dialled: false })
  }

  function deliver(from: number, to: number, frame: Uint8Array): void {
    if (!links.has(key(from, to)) || world.lose(poolOf(frame.subarray(LENGTH_BYTES)), from, to)) return
    const node = nodes.get(to)
    if (node?.running === true && !node.members.received(signer(from).peer, frame.subarray(LENGTH_BYTES))) breakLink(from, to)
  }

  function create(index: number): PoolNode {
    const me = signer(index)
    const meter = createMeter()
    const lines: PoolNode['lines'] = []
    const line = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields })
    const logger: Logger = { ...silentLogger, info: line('info'), warn: line('warn'), error: line('error'), child: () => logger }
    const sent: PoolNode['sent'] = new Map()
    const node = { index, peer: me.peer, events: [], poolEvents: [], lines, sent, dialled: [], knocked: 0, closed: [], kept: new Set<string>(), running: true } as unknown as PoolNode
    node.metric = (name, ...labels) => meter.snapshot().find((one) => one.name === name)?.samples.find((sample) => sample.labels.join() === labels.join())?.value ?? 0
    node.members = createPoolMembers(
      {
        clock, random: seededRandom(index + 1 + 1_000 * starts++), meter, logger,
        keep: (peer) => node.kept.has(peer),
        seal: sealOf(index),
        network: {
          send(peer, frame) {
            const to = indexOf(peer)
            if (!links.has(key(index, to))) return 'lost'
            const pool = poolOf(frame.subarray(LENGTH_BYTES)) ?? ''
            const count = sent.get(pool) ?? { frames: 0, bytes: 0 }
            sent.set(pool, { frames: count.frames + 1, bytes: count.bytes + frame.length })
            clock.after(WAY, () => deliver(index, to, frame))
            return 'sent'
          },
          async knock(addresses) {
            node.knocked++
            const at = [...nodes.values()].find((one) => addresses.includes(addressOf(one.index)))
            return at?.running === true ? 'open' : 'refused'
          },
          async dial(peer, _addresses, { signal }) {
            node.dialled.push(peer)
            await new Promise<void>((resolve) => clock.after(WAY, resolve))
            signal.throwIfAborted()
            connect(index, indexOf(peer))
          },
          close(peer) {
            node.closed.push(peer)
            breakLink(index, indexOf(peer), index)
          }
        }
      },
      { self: me.peer, federation: FEDERATION, profile: PROFILES.lan, ...options }
    )
    node.members.onEvent((event) => node.events.push(event))
    node.members.onPoolEvent((pool, event) => node.poolEvents.push(`${pool} ${event.type} ${indexOf(event.member.peer)}`))
    return node
  }

  const world: PoolsWorld = {
    clock, indexOf, sealOf,
    lose: () => false,
    node: (index) => nodes.get(index) as PoolNode,
    local(index, more = {}) {
      const credential = { authority: new Uint8Array(32), certificate: Uint8Array.of(1), credential: Uint8Array.of(2) }
      return { name: `n${index}`, version: '1', addresses: [addressOf(index)], credential, ...more }
    },
    start(index, { local, begin = true } = {}) {
      const node = create(index)
      nodes.set(index, node)
      if (begin) node.members.start(world.local(index, local), BOOT + Math.floor(clock.now()) + index)
      return node
    },
    link: connect,
    isLinked: (a, b) => links.has(key(a, b)),
    unlink: (a, b) => breakLink(a, b),
    kill(index) {
      const node = world.node(index)
      node.running = false
      node.members.stop()
      for (const link of Array.from(links)) {
        const [a, b] = link.split(' ').map(Number) as [number, number]
        if (a === index || b === index) breakLink(a, b)
      }
    },
    async pass(ms) {
      const end = clock.now() + ms
      while (clock.now() < end) {
        clock.advance(Math.min(10, end - clock.now()))
        // What the network answers comes between the steps.
        for (let turn = 0; turn < 12; turn++) await Promise.resolve()
      }
    }
  }
  return world
}

/** `<type> <index>` of what was told of others. */
export function storyOf(node: PoolNode, world: PoolsWorld): string[] {
  return node.events.map(({ type, member }) => `${type} ${world.indexOf(member.peer)}`)
}
