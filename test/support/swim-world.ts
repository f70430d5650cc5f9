import { randomInt, seededRandom } from '../../src/base/random.ts'
import { createSwim } from '../../src/membership/swim.ts'
import type { SwimEffect } from '../../src/membership/types.ts'
import { createConnections } from './swim-connections.ts'
import { createEventLoops } from './swim-event-loops.ts'
import { createEventHeap } from './swim-heap.ts'
import { createPaths } from './swim-paths.ts'
import { createPorts, hostAddress } from './swim-ports.ts'
import { CREDENTIAL, createRegistry } from './swim-seal.ts'
import { sizeOf } from './swim-size.ts'
import type { Host, Process, World, WorldOptions } from './swim-world-types.ts'

const WALL = 1_700_000_000_000
/** How often a node looks whether its bootstrap peers are connected: the mesh of the real node. */
export const BOOTSTRAP_PERIOD = 10_000
/** Without any connection it looks more often. */
const LONELY_PERIOD = 2_000
const BOOTSTRAP_TIMEOUT = 3_000
/** With a clock that went back the next boot is this far above the last one: that life has raised its incarnation with every refutation. */
const BOOT_GAP = 1_000
/** Time for the word of a leave to get out before the process closes its port. */
const LEAVE_TIME = 200

/** A rack of machines with membership processes on them, in virtual time: what happens is a function of the options. */
export function createWorld(options: WorldOptions): World {
  const { seed, members, profile, watcher, trace } = options
  const spare = options.spare ?? 0
  const bootstrap = options.bootstrap ?? [0, 1]
  const heap = createEventHeap()
  const network = seededRandom(seed * 31 + 7)
  const random = seededRandom(seed * 31 + 11)
  const paths = createPaths(members + spare, network)
  const registry = createRegistry()
  const carried = { sent: 0, lost: 0, duplicated: 0, delayed: 0, dropped: 0 }
  const counts: Record<string, number> = {}
  const hosts: Host[] = []
  const processes = new Set<Process>()
  let now = 0
  let ids = 0

  for (let index = 0; index < members + spare; index++) {
    hosts.push({ index, peer: `p${index}`, powered: true, wallOffset: 0, rememberedBoot: 0, process: undefined })
  }

  function count(what: string): void {
    counts[what] = (counts[what] ?? 0) + 1
  }
  function later(ms: number, run: () => void): void {
    heap.push(now + ms, run)
  }
  const loops = createEventLoops({ now: () => now, heap, network, count, apply, watcher, trace })
  const connections = createConnections({ paths, now: () => now, later, tcp: options.tcp ?? true, network, carried, count, handle: loops.handle })
  const ports = createPorts({ paths, now: () => now, later, count, stalled: loops.stalled, connect: connections.connect })
  const { stalled, handle, step, drain } = loops

  function spawn(host: Host, peer: string, boot: number, address: string, pool: string, lonely: boolean): Process {
    const offset = 1_000 + randomInt(random, 1_000_000)
    const id = ids++
    const scope = { federation: 'f', pool }
    const made = createSwim({
      self: peer, scope, profile, random: seededRandom(seed * 31 + 1_009 * (id + 1)), seal: registry.sealFor(peer),
      ...(options.fullMesh === undefined ? {} : { fullMesh: options.fullMesh })
    })
    const process: Process = {
      id, host, peer, scope, offset, address, startedAt: now,
      swim: options.plant === undefined ? made : options.plant(made, peer),
      local: { name: `node-${peer}`, version: '1', addresses: [address], credential: CREDENTIAL },
      ended: false, left: false, superseded: false, paused: false, blockedUntil: 0, inbox: [], wakeAt: Infinity, wakeMissed: false,
      cables: new Map(), sent: { messages: 0, bytes: 0 }, dialling: 0
    }
    host.process = process
    processes.add(process)
    ports.listen(process, address)
    watcher?.started?.(process)
    step(process, { type: 'start', local: process.local, boot })
    if (!lonely) later(network.float() * 20, () => keepBootstrap(process))
    return process
  }

  function bootOf(host: Host, withState: boolean): number {
    const wall = Math.floor(WALL + now + host.wallOffset)
    const boot = withState ? Math.max(wall, host.rememberedBoot + BOOT_GAP) : wall
    host.rememberedBoot = boot
    return boot
  }

  function keepBootstrap(process: Process): void {
    if (process.ended) return
    const linked = process.cables.size > 0
    if (!stalled(process) && !process.left && !process.superseded) {
      for (const index of bootstrap) {
        const other = hosts[index]?.process
        if (other === undefined || other.left || other.peer === process.peer || process.cables.has(other.peer)) continue
        ports.dial(process, other.peer, [other.address], BOOTSTRAP_TIMEOUT, () => {})
      }
    }
    later((linked ? BOOTSTRAP_PERIOD : LONELY_PERIOD) * (0.75 + network.float() / 2), () => keepBootstrap(process))
  }

  function end(process: Process): void {
    process.ended = true
    processes.delete(process)
    ports.close(process)
    if (process.host.process === process) process.host.process = undefined
    watcher?.ended?.(process)
  }

  function superseded(process: Process): void {
    process.superseded = true
    count('superseded')
    // The node goes down in order: its sockets are closed.
    later(500, () => {
      if (!process.ended) crash(process)
    })
  }

  function crash(process: Process): void {
    end(process)
    connections.reset(process)
  }

  /** Whatever a machine asks for. */
  function apply(process: Process, effect: SwimEffect): void {
    switch (effect.type) {
      case 'send':
        if (!connections.send(process, effect.to, effect.message)) {
          count('unlinked')
          return
        }
        process.sent.messages++
        process.sent.bytes += sizeOf(effect.message)
        return
      case 'dial':
        process.dialling++
        count('dial')
        ports.dial(process, effect.peer, effect.addresses, effect.timeout, (ok) => {
          process.dialling--
          count(ok ? 'dial-ok' : 'dial-failed')
          handle(process, { type: 'dialled', peer: effect.peer, ok })
        })
        return
      case 'knock':
        count('knock')
        ports.knock(process, effect.addresses, (result) => {
          count(`knock-${result}`)
          handle(process, { type: 'knocked', peer: effect.peer, result })
        })
        return
      case 'close':
        connections.closeAll(process, effect.peer, true)
        return
      case 'counted':
        count(effect.what)
        return
      case 'event':
        count(effect.event.type)
        return
      case 'superseded':
        superseded(process)
    }
  }

  const world: World = {
    get now() {
      return now
    },
    hosts, paths, registry,
    get counts() {
      return { ...counts, messages: carried.sent, lost: carried.lost, duplicated: carried.duplicated, delayed: carried.delayed, replaced: carried.dropped }
    },
    running: () => [...processes].filter((process) => !process.left && !process.superseded),
    start(index, { withState = true, address, pool = 'default', alone = false } = {}) {
      const host = hosts[index]!
      return spawn(host, host.peer, bootOf(host, withState), address ?? `${hostAddress(host)}/tcp/4001`, pool, alone)
    },
    startTwin(index, of) {
      const host = hosts[index]!
      return spawn(host, hosts[of]!.peer, bootOf(host, false), `${hostAddress(host)}/tcp/4001`, 'default', false)
    },
    crash,
    vanish(process) {
      process.host.powered = false
      crash(process)
    },
    leave(process) {
      if (process.left || stalled(process)) return
      handle(process, { type: 'leave' })
      process.left = true
      later(LEAVE_TIME, () => {
        if (process.ended || !process.left) return
        ports.close(process)
        for (const peer of process.cables.keys()) connections.closeAll(process, peer, true)
      })
    },
    rejoin(process) {
      if (process.ended || !process.left) return
      process.left = false
      ports.listen(process, process.address)
      handle(process, { type: 'start', local: process.local, boot: bootOf(process.host, true) })
    },
    pause: (process) => void (process.paused = true),
    resume(process) {
      process.paused = false
      drain(process)
    },
    block(process, ms) {
      process.blockedUntil = Math.max(process.blockedUntil, now + ms)
      later(process.blockedUntil - now + 0.01, () => drain(process))
    },
    move(process, { breakLinks }) {
      const port = 4_002 + randomInt(random, 1_000)
      ports.close(process)
      process.address = `${hostAddress(process.host)}/tcp/${port}`
      process.local = { ...process.local, addresses: [process.address] }
      if (!process.left) ports.listen(process, process.address)
      if (breakLinks) for (const cable of [...process.cables.values()].flat()) connections.sever(cable)
      handle(process, { type: 'local', local: process.local })
    },
    sever(a, b) {
      for (const cable of a.cables.get(b.peer) ?? []) connections.sever(cable)
    },
    inject: (to, from, message) => handle(to, { type: 'message', from, message }),
    later,
    run(ms) {
      const until = now + ms
      heap.runTo(until, (time) => {
        now = time
      })
      now = until
    }
  }
  return world
}
