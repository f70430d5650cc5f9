import type { SwimMessage } from '../../src/wire/swim-types.ts'
import type { Paths } from './swim-paths.ts'
import type { Process } from './swim-world-types.ts'

/** One connection between two processes. Each side knows for itself whether it is up: after a black hole one may not know that the other has closed. */
export interface Cable {
  readonly ends: readonly [Process, Process]
  readonly up: [boolean, boolean]
  /** In TCP manner, per direction: what waits behind a lost packet, and when the last one arrived. */
  readonly waiting: [SwimMessage[] | undefined, SwimMessage[] | undefined]
  readonly arrived: [number, number]
}

export interface CableDeps {
  paths: Paths
  now(): number
  later(ms: number, run: () => void): void
  /** Loss shows as delay, and order is kept, as TCP does. Otherwise messages are really lost and overtake each other: harsher than any real link. */
  tcp: boolean
  deliver(cable: Cable, to: 0 | 1, message: SwimMessage): void
  count: { sent: number; lost: number; duplicated: number; delayed: number; dropped: number }
}

/** The kernel's first retransmission, then twice as long each time … */
const FIRST_RETRY = 200
/** … up to this. (Linux goes on to 120 s; the protocol must not depend on it, as it closes connections that are of no use.) */
export const LONGEST_RETRY = 20_000
/** What a socket buffer holds, roughly: 200 messages of 1 KiB. */
const BUFFER = 200

export function newCable(a: Process, b: Process): Cable {
  return { ends: [a, b], up: [true, true], waiting: [undefined, undefined], arrived: [0, 0] }
}

export function createCarrier({ paths, now, later, tcp, deliver, count }: CableDeps): (cable: Cable, from: 0 | 1, message: SwimMessage) => void {
  function passes(cable: Cable, from: 0 | 1): boolean {
    const here = cable.ends[from].host.index
    const there = cable.ends[from === 0 ? 1 : 0].host.index
    return !paths.isCut(here, there) && paths.passes(here, there)
  }

  function arrive(cable: Cable, from: 0 | 1, message: SwimMessage): void {
    const to = from === 0 ? 1 : 0
    let at = now() + paths.delay(cable.ends[from].host.index, cable.ends[to].host.index)
    if (tcp) {
      at = Math.max(at, cable.arrived[to])
      cable.arrived[to] = at
    }
    later(at - now(), () => deliver(cable, to, message))
  }

  function retry(cable: Cable, from: 0 | 1, wait: number): void {
    later(wait, () => {
      const waiting = cable.waiting[from]
      if (waiting === undefined) return
      if (!cable.up[from]) {
        cable.waiting[from] = undefined
      } else if (passes(cable, from)) {
        cable.waiting[from] = undefined
        for (const message of waiting) arrive(cable, from, message)
      } else {
        retry(cable, from, Math.min(2 * wait, LONGEST_RETRY))
      }
    })
  }

  return (cable, from, message) => {
    count.sent++
    const waiting = cable.waiting[from]
    if (waiting !== undefined) {
      // The stream does not drain: the newest frame takes the last place.
      if (waiting.length >= BUFFER) {
        waiting[BUFFER - 1] = message
        count.dropped++
      } else {
        waiting.push(message)
      }
      return
    }
    if (passes(cable, from)) {
      arrive(cable, from, message)
      if (paths.duplicated()) {
        count.duplicated++
        arrive(cable, from, message)
      }
    } else if (tcp) {
      count.delayed++
      cable.waiting[from] = [message]
      retry(cable, from, FIRST_RETRY)
    } else {
      count.lost++
    }
  }
}
