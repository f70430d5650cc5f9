import type { Random } from '../../src/base/random.ts'
import type { SwimEffect, SwimEvent } from '../../src/membership/types.ts'
import type { EventHeap } from './swim-heap.ts'
import { traced } from './swim-trace.ts'
import type { Process, Watcher } from './swim-world-types.ts'

export interface LoopDeps {
  now(): number
  heap: Pick<EventHeap, 'push'>
  network: Random
  count(what: string): void
  /** Carries out what a machine asks for. */
  apply(process: Process, effect: SwimEffect): void
  watcher: Watcher | undefined
  trace: ((line: string) => void) | undefined
}

/** The event loops of all processes: events, timers, and what happens to both while one stands still. */
export interface EventLoops {
  stalled(process: Process): boolean
  /** Now, or when its loop goes on. */
  handle(process: Process, event: SwimEvent): void
  step(process: Process, event: SwimEvent): void
  /** Its loop goes on: what waited is served. */
  drain(process: Process): void
}

/** Events that wait for a stopped process; beyond, they are lost as when buffers are full. */
const INBOX = 4_000
const TICK: SwimEvent = { type: 'tick' }

export function createEventLoops({ now, heap, network, count, apply, watcher, trace }: LoopDeps): EventLoops {
  function stalled(process: Process): boolean {
    return process.paused || process.blockedUntil > now()
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
    const effects = process.swim.step(event, now() + process.offset)
    if (trace !== undefined && event.type !== 'tick') trace(traced(now(), process, '<', event))
    for (const effect of effects) {
      if (trace !== undefined) trace(traced(now(), process, '  >', effect))
      apply(process, effect)
    }
    watcher?.stepped?.(process, event, effects)
    schedule(process)
  }

  function schedule(process: Process): void {
    const due = process.swim.nextDue() - process.offset
    if (due === Infinity || process.ended) return
    // Timers of a real event loop are never early, and a little late.
    const wake = Math.max(due, now()) + 0.5 + network.float()
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

  return { stalled, handle, step, drain }
}
