import { seededRandom } from '../../src/base/random.ts'
import { createRouter } from '../../src/routing/router.ts'
import type { Router } from '../../src/routing/types.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'

export interface Replica {
  peer: string
  /** There and back, ms. */
  rtt: number
  capacity: number
  /** Of one call, ms. */
  work: number
  /** This node itself. */
  local?: boolean
}

interface Served {
  /** Calls that were answered. */
  calls: number
  /** Time of all places together in which they worked, ms. */
  worked: number
  longestQueue: number
}

export interface RoutingWorld {
  router: Router
  clock: ManualClock
  /** Goes on for `ms` with this many calls in flight at all times. */
  run(inFlight: number, ms: number): Record<string, Served>
  /** Its calls fail, and it is no candidate any more. */
  kill(peer: string): void
  /** It is back, empty. */
  revive(peer: string): void
}

interface Live extends Replica {
  up: boolean
  epoch: number
  running: number
  queue: (() => void)[]
  served: Served
}

const nothing = (): Served => ({ calls: 0, worked: 0, longestQueue: 0 })

/** Replicas of one server in virtual time, seen from one edge whose clients call without a pause. */
export function createRoutingWorld(replicas: readonly Replica[], seed = 1): RoutingWorld {
  const clock = createManualClock(1_000_000)
  const random = seededRandom(seed)
  const router = createRouter({ clock, random })
  const live = new Map<string, Live>(replicas.map((replica) => [replica.peer, { ...replica, up: true, epoch: 0, running: 0, queue: [], served: nothing() }]))
  /** Ends of calls at a replica that dies. */
  const flying = new Map<string, Set<() => void>>(replicas.map(({ peer }) => [peer, new Set()]))
  let wanted = 0
  let inFlight = 0

  function work(at: Live, done: () => void): void {
    const { epoch } = at
    at.running++
    const ms = at.work * (0.9 + random.float() * 0.2)
    clock.after(ms, () => {
      if (at.epoch !== epoch) return
      at.running--
      at.served.worked += ms
      at.queue.shift()?.()
      done()
    })
  }

  function call(): void {
    const up = [...live.values()].filter((one) => one.up)
    const candidates = up.map(({ peer, rtt, capacity, local = false, running, queue }) => ({
      peer, local, capacity, ...(local ? { now: { running, waiting: queue.length } } : { rtt })
    }))
    const choice = router.choose('s', candidates)
    if (choice === undefined) throw new Error('nobody is there')
    const at = live.get(choice.peer) as Live
    const began = clock.now()
    const { epoch } = at
    inFlight++
    router.started('s', at.peer)
    const ends = flying.get(at.peer) as Set<() => void>
    const over = (how: 'answered' | 'failed', load?: { running: number; waiting: number }) => {
      if (!ends.delete(fail)) return
      inFlight--
      router.ended('s', at.peer, how, clock.now() - began, load)
      if (how === 'answered') at.served.calls++
      // Whoever waited for it calls again, not within the same moment.
      clock.after(0.01, fill)
    }
    const fail = () => over('failed')
    ends.add(fail)
    const answer = () => {
      const load = { running: at.running, waiting: at.queue.length }
      clock.after(at.rtt / 2, () => over('answered', load))
    }
    clock.after(at.rtt / 2, () => {
      if (at.epoch !== epoch) return
      if (at.running < at.capacity) return work(at, answer)
      at.queue.push(() => work(at, answer))
      at.served.longestQueue = Math.max(at.served.longestQueue, at.queue.length)
    })
  }

  function fill(): void {
    while (inFlight < wanted) call()
  }

  return {
    router,
    clock,
    run(count, ms) {
      wanted = count
      for (const one of live.values()) one.served = nothing()
      fill()
      clock.advance(ms)
      return Object.fromEntries([...live].map(([peer, { served }]) => [peer, served]))
    },
    kill(peer) {
      const at = live.get(peer) as Live
      Object.assign(at, { up: false, epoch: at.epoch + 1, running: 0, queue: [] })
      for (const fail of flying.get(peer) ?? []) fail()
      router.memberFailed(peer)
    },
    revive(peer) {
      ;(live.get(peer) as Live).up = true
      router.memberBack(peer)
    }
  }
}
