import type { Clock, Timer } from './clock.ts'

/**
 * One coarse timer for thousands of deadlines: adding and cancelling are O(1), and a cancelled entry is unlinked at once
 * (200 000 calls a second with 20 s deadlines would otherwise keep millions of dead entries).
 * A hashed wheel (Varghese and Lauck, 1987, scheme 6). Deadlines fire up to one tick late, never early.
 */
export interface TimerWheel {
  /** Calls `fn` once, `ms` from now or up to one tick later. */
  add(ms: number, fn: () => void): Timer
  /** Pending timers. */
  readonly size: number
  /** Drops every pending timer. */
  stop(): void
}

const SLOTS = 512

/** A node of a circular list; a slot's head is a node of its own whose `fn` is never called. */
class Entry implements Timer {
  prev: Entry = this
  next: Entry = this
  rounds = 0
  fn: (() => void) | undefined
  readonly wheel: { size: number }

  constructor(wheel: { size: number }, fn: (() => void) | undefined) {
    this.wheel = wheel
    this.fn = fn
  }

  cancel(): void {
    if (this.fn === undefined) return
    this.fn = undefined
    this.wheel.size--
    this.unlink()
  }

  unlink(): void {
    this.prev.next = this.next
    this.next.prev = this.prev
    // Cancelled entries must not hold each other in memory.
    this.prev = this
    this.next = this
  }

  /** Puts `entry` before this head, so that a slot keeps the order of adding. */
  append(entry: Entry): void {
    entry.prev = this.prev
    entry.next = this
    this.prev.next = entry
    this.prev = entry
  }
}

/** @param tick granularity, ms. @default 20 (deadlines are seconds; 20 ms of lateness does not show) */
export function createTimerWheel(clock: Clock, tick = 20): TimerWheel {
  const state = { size: 0 }
  const newSlots = () => Array.from({ length: SLOTS }, () => new Entry(state, undefined))
  let slots = newSlots()
  let cursor = 0
  let cursorTime = 0
  let running: Timer | undefined

  function fireSlot(head: Entry): void {
    // Gathered first: a handler may add to this slot or cancel its neighbours.
    const due: Entry[] = []
    for (let entry = head.next; entry !== head; entry = entry.next) {
      if (entry.rounds > 0) entry.rounds--
      else due.push(entry)
    }
    for (const entry of due) {
      const { fn } = entry
      entry.cancel()
      fn?.()
    }
  }

  function advance(): void {
    const steps = Math.floor((clock.now() - cursorTime) / tick)
    for (let step = 0; step < steps && state.size > 0; step++) {
      cursor = (cursor + 1) % SLOTS
      cursorTime += tick
      fireSlot(slots[cursor] as Entry)
    }
    // The wheel sleeps when empty.
    running = state.size > 0 ? clock.after(tick, advance) : undefined
  }

  return {
    add(ms, fn) {
      if (running === undefined) {
        cursorTime = clock.now()
        running = clock.after(tick, advance)
      }
      const ticks = Math.max(1, Math.ceil((clock.now() - cursorTime + ms) / tick))
      const entry = new Entry(state, fn)
      entry.rounds = Math.floor((ticks - 1) / SLOTS)
      ;(slots[(cursor + ticks) % SLOTS] as Entry).append(entry)
      state.size++
      return entry
    },
    get size() {
      return state.size
    },
    stop() {
      running?.cancel()
      running = undefined
      slots = newSlots()
      state.size = 0
    }
  }
}
