import { randomInt, seededRandom } from '../../src/base/random.ts'
import type { Random } from '../../src/base/random.ts'
import type { MembershipProfile } from '../../src/membership/profiles.ts'
import { createSwim } from '../../src/membership/swim.ts'
import type { Swim } from '../../src/membership/swim.ts'
import type { KnockResult, LocalMember, SwimEffect, SwimEvent } from '../../src/membership/types.ts'
import type { SwimMessage, SwimScope } from '../../src/wire/swim-types.ts'
import { createCarrier, newCable } from './swim-cable.ts'
import type { Cable } from './swim-cable.ts'
import { createEventHeap } from './swim-heap.ts'
import { createPaths } from './swim-paths.ts'
import type { Paths } from './swim-paths.ts'
import { CREDENTIAL, createRegistry } from './swim-seal.ts'
import type { Registry } from './swim-seal.ts'
import { sizeOf } from './swim-size.ts'

/** A machine in the rack. What it remembers outlives its processes. */
export interface Host {
  readonly index: number
  readonly peer: string
  /** False: powered off, nothing answers for it. */
  powered: boolean
  /** Its wall clock against the true time, ms. */
  wallOffset: number
  rememberedBoot: number
  process: Process | undefined
}

/** One life of a member. */
export interface Process {
  readonly id: number
  readonly host: Host
  readonly peer: string
  readonly swim: Swim
  readonly scope: SwimScope
  /** Its monotonic clock against the world's: only differences mean anything to it. */
  readonly offset: number
  readonly startedAt: number
  address: string
  local: LocalMember
  /** It no longer runs. */
  ended: boolean
  /** It said goodbye and closed its port. */
  left: boolean
  superseded: boolean
  paused: boolean
  /** Its event loop stands still until then. */
  blockedUntil: number
  readonly inbox: SwimEvent[]
  wakeAt: number
  wakeMissed: boolean
  /** By the other's peer id, as its host sees them. */
  readonly cables: Map<string, Cable[]>
  readonly sent: { messages: number; bytes: number }
  dialling: number
}

/** Sees every step. */
export interface Watcher {
  started?(process: Process): void
  stepped?(process: Process, event: SwimEvent, effects: readonly SwimEffect[]): void
  ended?(process: Process): void
}

export interface WorldOptions {
  seed: number
  /** Hosts, each with its own identity. */
  members: number
  profile: MembershipProfile
  fullMesh?: number
  /** See CableDeps. @default true */
  tcp?: boolean
  /** Further hosts, for second processes of an identity. @default 0 */
  spare?: number
  /** Whom a node dials by its configuration, by host index; kept by the mesh, not by membership. @default [0, 1] */
  bootstrap?: readonly number[]
  watcher?: Watcher
  /** Plants a bug. */
  plant?: (swim: Swim, peer: string) => Swim
  trace?: (line: string) => void
}

export interface World {
  readonly now: number
  readonly hosts: readonly Host[]
  readonly paths: Paths
  readonly registry: Registry
  readonly counts: Record<string, number>
  /** Running processes, the superseded and those that left not among them. */
  running(): Process[]
  start(host: number, options?: { withState?: boolean; address?: string; pool?: string; alone?: boolean }): Process
  /** A second process of `of`'s identity on a spare host. */
  startTwin(host: number, of: number): Process
  /** kill -9: the kernel resets its connections and refuses new ones. */
  crash(process: Process): void
  /** Power cut: nothing resets, nothing refuses. */
  vanish(process: Process): void
  powerOn(host: number): void
  leave(process: Process): void
  rejoin(process: Process): void
  pause(process: Process): void
  resume(process: Process): void
  block(process: Process, ms: number): void
  move(process: Process, options: { breakLinks: boolean }): void
  /** Breaks the connections between two without any death. */
  sever(a: Process, b: Process): void
  /** Hands a message to a machine as if `from` had sent it. */
  inject(to: Process, from: string, message: SwimMessage): void
  later(ms: number, run: () => void): void
  run(ms: number): void
}

const WALL = 1_700_000_000_000
/** How often a node looks whether its bootstrap peers are connected: the mesh of the real node. */
export const BOOTSTRAP_PERIOD = 10_000
/** Without any connection it looks more often. */
export const LONELY_PERIOD = 2_000
const BOOTSTRAP_TIMEOUT = 3_000
/** With a clock that went back the next boot is this far above the last one: that life has raised its incarnation with every refutation. */
const BOOT_GAP = 1_000
/** Time for the word of a leave to get out before the process closes its port. */
const LEAVE_TIME = 200
const KNOCK_TIMEOUT = 1_000
/** SYN is sent again after a second, data after 200 ms. */
const SYN_RETRY = 1_000
/** Events that wait for a stopped process; beyond, they are lost as when buffers are full. */
const INBOX = 4_000

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
  const listening = new Map<string, Process>()
  const owners = new Map<string, Host>()
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
  const carry = createCarrier({ paths, now: () => now, later, tcp: options.tcp ?? true, deliver, count: carried })

  // Processes

  function stalled(process: Process): boolean {
    return process.paused || process.blockedUntil > now
  }

  function handle(process: Process, event: SwimEvent): void {
    if (process.ended) return
    if (stalled(process) || process.inbox.length > 0) {
      if (process.inbox.length < INBOX || event.type !== 'message') process.inbox.push(event)
      else count('inbox-full')
    } else {
      step(process, event)
    }
  }

  function step(process: Process, event: SwimEvent): void {
    const effects = process.swim.step(event, now + process.offset)
    if (trace !== undefined && event.type !== 'tick') trace(`${at(now)} ${name(process)} < ${brief(event)}`)
    for (const effect of effects) {
      if (trace !== undefined) trace(`${at(now)} ${name(process)}   > ${brief(effect)}`)
      apply(process, effect)
    }
    watcher?.stepped?.(process, event, effects)
    schedule(process)
  }

  function schedule(process: Process): void {
    const due = process.swim.nextDue() - process.offset
    if (due === Infinity || process.ended) return
    // Timers of a real event loop are never early, and a little late.
    const wake = Math.max(due, now) + 0.5 + network.float()
    if (process.wakeAt <= wake) return
    process.wakeAt = wake
    heap.push(wake, () => {
      if (process.ended || process.wakeAt !== wake) return
      process.wakeAt = Infinity
      if (stalled(process)) process.wakeMissed = true
      else step(process, TICK)
    })
  }

  /** After a stall the timers and the sockets are served in this or that order. */
  function drain(process: Process): void {
    if (process.ended || stalled(process)) return
    const timersFirst = network.float() < 0.5
    if (process.wakeMissed && timersFirst) {
      process.wakeMissed = false
      step(process, TICK)
    }
    const waiting = process.inbox.splice(0)
    for (const event of waiting) if (!process.ended) step(process, event)
    if (process.wakeMissed && !process.ended) {
      process.wakeMissed = false
      step(process, TICK)
    }
  }

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
    listen(process, address)
    watcher?.started?.(process)
    step(process, { type: 'start', local: process.local, boot })
    if (!lonely) later(network.float() * 20, () => keepBootstrap(process))
    return process
  }

  function listen(process: Process, address: string): void {
    listening.set(address, process)
    owners.set(address, process.host)
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
        dial(process, other.peer, [other.address], BOOTSTRAP_TIMEOUT, () => {})
      }
    }
    later((linked ? BOOTSTRAP_PERIOD : LONELY_PERIOD) * (0.75 + network.float() / 2), () => keepBootstrap(process))
  }

  function end(process: Process): void {
    process.ended = true
    processes.delete(process)
    if (listening.get(process.address) === process) listening.delete(process.address)
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

  // Connections

  function side(cable: Cable, process: Process): 0 | 1 {
    return cable.ends[0] === process ? 0 : 1
  }

  function connect(dialler: Process, listener: Process, address: string): void {
    const cable = newCable(dialler, listener)
    count('link-up')
    const first = network.float() < 0.5
    if (first) attach(cable, dialler, listener, address, true)
    attach(cable, listener, dialler, `${hostAddress(dialler.host)}/tcp/${40_000 + randomInt(network, 20_000)}`, false)
    if (!first) attach(cable, dialler, listener, address, true)
  }

  function attach(cable: Cable, process: Process, other: Process, address: string, dialled: boolean): void {
    const known = process.cables.get(other.peer)
    if (known !== undefined) {
      known.push(cable)
      return
    }
    process.cables.set(other.peer, [cable])
    handle(process, { type: 'link-up', peer: other.peer, address, dialled })
  }

  /** One side sees its end of the connection go. */
  function lose(cable: Cable, process: Process, expected: boolean): void {
    const mine = side(cable, process)
    if (!cable.up[mine]) return
    cable.up[mine] = false
    const peer = cable.ends[1 - mine]!.peer
    const all = process.cables.get(peer)
    if (all === undefined) return
    all.splice(all.indexOf(cable), 1)
    if (all.length > 0) return
    process.cables.delete(peer)
    if (process.ended) return
    count(expected ? 'link-closed' : 'link-lost')
    handle(process, { type: 'link-down', peer, expected })
  }

  /** The news that one side is gone travels to the other, if it can. */
  function tellGone(cable: Cable, from: Process): void {
    const other = cable.ends[1 - side(cable, from)]!
    if (!from.host.powered || paths.isCut(from.host.index, other.host.index)) return
    later(paths.delay(), () => lose(cable, other, false))
  }

  function deliver(cable: Cable, to: 0 | 1, message: SwimMessage): void {
    const process = cable.ends[to]!
    if (cable.up[to] && !process.ended) handle(process, { type: 'message', from: cable.ends[1 - to]!.peer, message })
    // The kernel there knows no such connection any more.
    else tellGone(cable, process)
  }

  function closeAll(process: Process, peer: string, expected: boolean): void {
    for (const cable of process.cables.get(peer) ?? []) {
      tellGone(cable, process)
      later(0.2, () => lose(cable, process, expected))
    }
  }

  function crash(process: Process): void {
    const all = [...process.cables.values()].flat()
    end(process)
    for (const cable of all) {
      cable.up[side(cable, process)] = false
      tellGone(cable, process)
    }
    process.cables.clear()
  }

  // What the machines ask for

  function apply(process: Process, effect: SwimEffect): void {
    switch (effect.type) {
      case 'send': {
        const cables = process.cables.get(effect.to)
        const cable = cables?.[cables.length - 1]
        if (cable === undefined) {
          count('unlinked')
          return
        }
        process.sent.messages++
        process.sent.bytes += sizeOf(effect.message)
        carry(cable, side(cable, process), effect.message)
        return
      }
      case 'dial':
        process.dialling++
        count('dial')
        dial(process, effect.peer, effect.addresses, effect.timeout, (ok) => {
          process.dialling--
          count(ok ? 'dial-ok' : 'dial-failed')
          handle(process, { type: 'dialled', peer: effect.peer, ok })
        })
        return
      case 'knock':
        knock(process, effect.peer, effect.addresses)
        return
      case 'close':
        closeAll(process, effect.peer, true)
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

  /** What a TCP connect finds: a listener, a refusal, or nothing. */
  function probe(process: Process, address: string): Process | 'refused' | 'silent' {
    const host = owners.get(address)
    if (host === undefined || !host.powered) return 'silent'
    if (paths.isCut(process.host.index, host.index) || paths.isCut(host.index, process.host.index)) return 'silent'
    return listening.get(address) ?? 'refused'
  }

  /** Time of one way of a handshake, with what has to be sent again. */
  function leg(from: Host, to: Host, again: number): number {
    let ms = paths.delay()
    for (let wait = again; !paths.passes(from.index, to.index) && wait < 60_000; wait *= 2) ms += wait
    return ms
  }

  function knock(process: Process, peer: string, addresses: readonly string[]): void {
    count('knock')
    const results: KnockResult[] = []
    let waiting = addresses.length
    const finish = () => {
      const result = results.includes('open') ? 'open' : results.length > 0 && results.every((one) => one === 'refused') ? 'refused' : 'silent'
      count(`knock-${result}`)
      handle(process, { type: 'knocked', peer, result })
    }
    if (waiting === 0) later(0.1, finish)
    for (const address of addresses) {
      const there = owners.get(address)
      const first = there === undefined ? 0 : leg(process.host, there, SYN_RETRY)
      const back = there === undefined ? 0 : leg(there, process.host, SYN_RETRY)
      const done = (result: KnockResult) => {
        results.push(result)
        if (--waiting === 0) finish()
      }
      if (there === undefined || first + back > KNOCK_TIMEOUT) later(KNOCK_TIMEOUT, () => done('silent'))
      else {
        later(first, () => {
          const found = probe(process, address)
          if (found === 'silent') later(KNOCK_TIMEOUT - first, () => done('silent'))
          else later(back, () => done(found === 'refused' ? 'refused' : 'open'))
        })
      }
    }
  }

  function dial(process: Process, peer: string, addresses: readonly string[], timeout: number, done: (ok: boolean) => void): void {
    const deadline = now + timeout
    const fail = () => later(Math.max(0, deadline - now), () => done(false))
    const attempt = (index: number) => {
      const address = addresses[index]
      if (address === undefined) {
        later(0.1, () => done(false))
        return
      }
      const there = owners.get(address)
      const connect1 = there === undefined ? Infinity : leg(process.host, there, SYN_RETRY) + leg(there, process.host, SYN_RETRY)
      if (there === undefined || now + connect1 > deadline) {
        fail()
        return
      }
      later(connect1, () => {
        const found = probe(process, address)
        if (found === 'silent') fail()
        else if (found === 'refused') attempt(index + 1)
        else {
          const handshake = leg(process.host, there, 200) + leg(there, process.host, 200)
          if (now + handshake > deadline) fail()
          else later(handshake, () => admit(found, address, index))
        }
      })
    }
    const admit = (listener: Process, address: string, index: number) => {
      if (process.ended) return
      if (listener.ended) {
        attempt(index + 1)
      } else if (now > deadline) {
        done(false)
      } else if (stalled(listener) || stalled(process) || probe(process, address) === 'silent') {
        later(50, () => admit(listener, address, index))
      } else if (listener.peer !== peer || listener.scope.pool !== process.scope.pool || listener.left || process.left) {
        count('not-admitted')
        done(false)
      } else {
        connect(process, listener, address)
        done(true)
      }
    }
    attempt(0)
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
    powerOn: (index) => void (hosts[index]!.powered = true),
    leave(process) {
      if (process.left || stalled(process)) return
      handle(process, { type: 'leave' })
      process.left = true
      later(LEAVE_TIME, () => {
        if (process.ended || !process.left) return
        listening.delete(process.address)
        for (const peer of process.cables.keys()) closeAll(process, peer, true)
      })
    },
    rejoin(process) {
      if (process.ended || !process.left) return
      process.left = false
      listen(process, process.address)
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
      if (listening.get(process.address) === process) listening.delete(process.address)
      process.address = `${hostAddress(process.host)}/tcp/${port}`
      process.local = { ...process.local, addresses: [process.address] }
      if (!process.left) listen(process, process.address)
      if (breakLinks) for (const cable of [...process.cables.values()].flat()) sever(cable)
      handle(process, { type: 'local', local: process.local })
    },
    sever(a, b) {
      for (const cable of a.cables.get(b.peer) ?? []) sever(cable)
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

  function sever(cable: Cable): void {
    for (const process of cable.ends) later(paths.delay(), () => lose(cable, process, false))
  }

  return world
}

const TICK: SwimEvent = { type: 'tick' }

export function hostAddress(host: { index: number }): string {
  return `/ip4/10.0.${host.index >> 8}.${host.index & 255}`
}

/** A random source of its own for each purpose, so that switching one off leaves the others as they are. */
export function stream(seed: number, purpose: number): Random {
  return seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b))
}

function at(ms: number): string {
  return ms.toFixed(1).padStart(10)
}

function name(process: Process): string {
  return `${process.peer}#${process.id}`
}

function brief(thing: SwimEvent | SwimEffect): string {
  return JSON.stringify(thing, (key, value: unknown) => {
    if (key === 'credential' || key === 'bytes' || key === 'authority') return undefined
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex').slice(0, 8) : value
  })
}
