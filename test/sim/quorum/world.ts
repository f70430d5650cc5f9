import { randomInt } from '../../../src/base/random.ts'
import { ACCEPTOR } from '../../../src/federation/quorum/acceptor.ts'
import type { GroupEffect, GroupEvent } from '../../../src/federation/quorum/events.ts'
import { createGroupMachine } from '../../../src/federation/quorum/group.ts'
import { RULES } from '../../../src/federation/quorum/rules.ts'
import type { QuorumAnswer, QuorumRequest } from '../../../src/wire/quorum-types.ts'
import { decodeQuorumAnswer, decodeQuorumRequest, encodeQuorumAnswer, encodeQuorumRequest, quorumMethod } from '../../../src/wire/quorum.ts'
import { createEventHeap } from '../../support/swim-heap.ts'
import { createPaths } from '../../support/swim-paths.ts'
import { stream } from '../frame/chance.ts'
import { createDisk } from './disk.ts'
import { fakeSeal } from './fake-seal.ts'
import type { Host, Process, World, WorldOptions } from './world-types.ts'

/** Monotonic clocks of real machines differ by some parts in ten thousand; these by up to so much, either way. */
export const CLOCK_DRIFT = 0.03
/** A tick comes up to so much after it was asked for, ms. */
const TICK_LATE = 20

const DISK_FULL = 'the disk is full'

export const FEDERATION = 'f'
export const POOL = 'root'

export function peerOf(index: number): string {
  return `q${index}`
}

/** Hosts with disks and clocks of their own, a network that loses, doubles and delays, and a quorum machine in each process. */
export function createWorld(options: WorldOptions): World {
  const { seed, watcher, plant, trace } = options
  const random = stream(seed, 1)
  const heap = createEventHeap()
  const paths = createPaths(options.hosts, stream(seed, 2))
  const counts: Record<string, number> = {}
  let now = 0
  let nextId = 1
  const hosts = Array.from({ length: options.hosts }, (_, index): Host => ({
    index, peer: peerOf(index), disk: createDisk(), rate: 1 + (random.float() * 2 - 1) * CLOCK_DRIFT, full: false, process: undefined
  }))
  const byPeer = new Map(hosts.map((host) => [host.peer, host]))
  const rules = plant?.rules === undefined ? RULES : plant.rules(RULES)
  const acceptor = plant?.acceptor?.(ACCEPTOR)

  const count = (name: string) => void (counts[name] = (counts[name] ?? 0) + 1)
  const later = (ms: number, run: () => void) => heap.push(now + Math.max(0, ms), run)
  const localTime = (process: Process) => process.offset + (now - process.startedAt) * process.host.rate

  /** Now, or when the process goes on. What ended does nothing more. */
  function when(process: Process, run: () => void): void {
    if (process.ended) return
    if (process.paused || process.writing) process.queue.push(run)
    else run()
  }

  function drain(process: Process): void {
    while (!process.ended && !process.paused && !process.writing) {
      const run = process.queue.shift()
      if (run === undefined) return
      run()
    }
  }

  function handle(process: Process, event: GroupEvent): void {
    when(process, () => {
      const effects = process.machine.step(event, localTime(process))
      count('steps')
      if (trace !== undefined) trace(`${now.toFixed(1)} ${process.peer}#${process.id} <- ${inBrief(event)}`)
      watcher.stepped?.(process, event, effects)
      carryOut(process, plant?.saysFirst === true ? writesLast(effects) : effects, 0)
    })
  }

  function carryOut(process: Process, effects: readonly GroupEffect[], from: number): void {
    for (let at = from; at < effects.length && !process.ended; at++) {
      const effect = effects[at]!
      if (effect.type === 'persist' || effect.type === 'keep') {
        const rows = plant?.forget === undefined ? effect.rows : effect.rows.filter(({ key }) => !plant.forget!(key))
        const { full } = process.host
        if (full !== false && effect.type === 'keep') continue
        if (full !== false) {
          process.host.full = false
          count('disk-full')
          // Who is told that a write failed does not know that nothing of it is there.
          if (full === 'unsure' && random.float() < 0.5) {
            process.host.disk.write(rows)
            process.host.disk.sync()
            count('failed but written')
          }
          handle(process, { type: 'store-failed', why: DISK_FULL })
          for (const unsaid of effects.slice(at + 1)) retract(process, unsaid)
          return
        }
        process.host.disk.write(rows)
        process.writing = true
        count('writes')
        later(0.05 + random.float() ** 3 * world.slowDisk, () => {
          if (process.ended) return
          const goOn = () => {
            process.host.disk.sync()
            process.writing = false
            carryOut(process, effects, at + 1)
            drain(process)
          }
          // Stopped in the middle of a write: it is on disk when the process goes on, at the latest.
          if (process.paused) process.written = goOn
          else goOn()
        })
        return
      }
      if (trace !== undefined) trace(`${now.toFixed(1)} ${process.peer}#${process.id} -> ${inBrief(effect)}`)
      watcher.effect?.(process, effect)
      carry(process, effect)
    }
    schedule(process)
  }

  /** What was to follow a write that failed, as the driver does it: nobody hears it, and nobody waits for ever. */
  function retract(process: Process, effect: GroupEffect): void {
    if (effect.type === 'call') handle(process, { type: 'failed', call: effect.call, why: DISK_FULL })
    else if (effect.type === 'ended') carry(process, { ...effect, outcome: { type: 'unknown', why: DISK_FULL } })
    else if (effect.type === 'answer') {
      const unknown = effect.answer.kind === 'outcome'
      carry(process, { ...effect, answer: unknown ? { kind: 'outcome', outcome: 'unknown', why: DISK_FULL } : { kind: 'refused', reason: 'damaged' } })
    }
  }

  function carry(process: Process, effect: GroupEffect): void {
    switch (effect.type) {
      case 'call':
        return call(process, effect.call, effect.to, effect.request, effect.timeout)
      case 'forget':
        return void process.calls.delete(effect.call)
      case 'answer': {
        const reply = process.replies.get(effect.id)
        process.replies.delete(effect.id)
        return reply?.(effect.answer)
      }
      case 'ended': {
        const done = process.waiting.get(effect.id)
        process.waiting.delete(effect.id)
        count(`outcome ${effect.outcome.type}`)
        // Later, so that a new proposal of whoever waited is a step of its own.
        return later(0, () => done?.(effect.outcome))
      }
      case 'counted':
        return count(`counted ${effect.what}`)
      case 'refused':
        return count(`refused ${effect.reason}`)
      default:
    }
  }

  function call(process: Process, id: number, to: string, request: QuorumRequest, timeout: number): void {
    const target = byPeer.get(to)
    process.calls.add(id)
    const failed = (why: string) => {
      if (process.calls.delete(id)) handle(process, { type: 'failed', call: id, why })
    }
    later(timeout / process.host.rate, () => when(process, () => failed('no answer in time')))
    count('calls')
    if (target === undefined) return later(1, () => failed('nobody of that name'))
    const connected = target.process
    const asked = options.overWire ? decodeQuorumRequest(quorumMethod(request), encodeQuorumRequest(request)) : request
    transmit(process.host.index, target.index, () => {
      const there = target.process
      // A session ends with the process: what was sent in it does not reach the next life, where a change would be asked for anew.
      const reset = there === undefined || (request.kind === 'forward' && there !== connected)
      if (reset) return transmit(target.index, process.host.index, () => failed('it does not run any more'))
      const incoming = nextId++
      there.replies.set(incoming, (answer: QuorumAnswer) => {
        const heard = options.overWire ? decodeQuorumAnswer(encodeQuorumAnswer(answer)) : answer
        transmit(target.index, process.host.index, () => {
          if (!process.ended && process.calls.delete(id)) handle(process, { type: 'answer', call: id, answer: heard })
        })
      })
      handle(there, { type: 'request', id: incoming, from: process.peer, request: asked })
    })
  }

  function transmit(from: number, to: number, arrive: () => void): void {
    for (let copies = paths.duplicated() ? 2 : 1; copies > 0; copies--) {
      if (from !== to && (paths.isCut(from, to) || !paths.passes(from, to))) {
        count('lost')
        continue
      }
      later(from === to ? 0.01 : paths.delay(from, to), arrive)
    }
  }

  function schedule(process: Process): void {
    if (process.ended) return
    const wake = process.machine.nextWake()
    if (wake === undefined) return
    const at = Math.max(now, now + (wake - localTime(process)) / process.host.rate) + random.float() * TICK_LATE
    if (process.wakeAt <= at && process.wakeAt > now) return
    process.wakeAt = at
    heap.push(at, () => {
      if (process.ended || process.wakeAt !== at) return
      process.wakeAt = Infinity
      handle(process, { type: 'tick' })
    })
  }

  const world: World = {
    hosts, paths, random, counts, count, later, localTime, handle, slowDisk: options.slowDisk,
    get now() {
      return now
    },
    trueMs: (process, ms) => ms / process.host.rate,
    running: () => hosts.flatMap(({ process }) => (process === undefined ? [] : [process])),
    start(index) {
      const host = hosts[index]!
      const offset = randomInt(random, 1_000_000)
      const holder: { process?: Process } = {}
      const machine = createGroupMachine({
        federation: FEDERATION, pool: POOL, self: host.peer, genesis: options.genesis.map(peerOf), tier: options.tier, threshold: options.threshold,
        random: stream(seed, 1_000 + nextId), seal: fakeSeal(host.peer), permits: (...asked) => options.permits(holder.process!)(...asked),
        rows: host.disk.load(), now: offset, rules, ...(acceptor === undefined ? {} : { acceptor })
      })
      const process: Process = {
        id: nextId++, host, peer: host.peer, machine, startedAt: now, offset, ended: false, paused: false, writing: false, written: undefined, queue: [], calls: new Set(),
        replies: new Map(), waiting: new Map(), wakeAt: Infinity
      }
      holder.process = process
      host.process = process
      count('starts')
      schedule(process)
      return process
    },
    crash(process, mayTear) {
      process.ended = true
      process.host.process = undefined
      count(`crash ${process.host.disk.crash(random, mayTear)}`)
    },
    pause: (process) => void (process.paused = true),
    resume(process) {
      process.paused = false
      const { written } = process
      process.written = undefined
      if (written === undefined) drain(process)
      else written()
    },
    propose(process, wanted, within, done) {
      const id = nextId++
      process.waiting.set(id, done)
      handle(process, { type: 'propose', id, wanted, within })
      return id
    },
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

function writesLast(effects: readonly GroupEffect[]): GroupEffect[] {
  const isWrite = ({ type }: GroupEffect) => type === 'persist' || type === 'keep'
  return [...effects.filter((effect) => !isWrite(effect)), ...effects.filter(isWrite)]
}

/** An event or effect in one line; bytes as text. */
function inBrief(what: object): string {
  return JSON.stringify(what, (key, value: unknown) => (key === 'signature' || key === 'votes' ? '…' : value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value))
}
