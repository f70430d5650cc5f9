import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { admit, assess, createAssessed, TIER, type Assessed } from './assess.ts'
import { choose, isNear, nearBest } from './choose.ts'
import { createFading, createSlowness, judge, noteSlowness, noteTime, usualTime } from './estimates.ts'
import { waitOf } from './expected-time.ts'
import { dampedFor, wentWell, wentWrong } from './flaps.ts'
import { createLanes } from './lanes.ts'
import type { Candidate, Choice, ChooseOptions, Figures, Router } from './types.ts'

const NO_OPTIONS: ChooseOptions = {}
/** In an explanation: is that what a call more likely gets? */
const LIKELY = 0.5

/**
 * Chooses the provider of each call by the time until its answer: the way there, the service, the queue; by how reliable it was lately; and
 * with care for those that recover. Machine without I/O: facts come with the candidates, what it learns from `started` and `ended`.
 */
export function createRouter({ random, clock }: { random: Random; clock: Clock }): Router {
  const lanes = createLanes()
  const scratch: Assessed[] = []
  const draw = (share: number) => random.float() < share

  /** The one judgement behind `choose` and `explain`, into `list`. */
  function assessAll(list: Assessed[], server: string, candidates: readonly Candidate[], { tool }: ChooseOptions, drawn: (share: number) => boolean): void {
    const state = lanes.servers.get(server)
    const usual = usualTime((tool === undefined ? undefined : state?.tools.get(tool)) ?? state?.usual)
    const now = clock.now()
    for (let index = 0; index < candidates.length; index++) {
      const candidate = candidates[index] as Candidate
      const lane = state?.lanes.get(candidate.peer)
      const into = (list[index] ??= createAssessed())
      assess(into, candidate, lane, lane?.peer ?? lanes.peers.get(candidate.peer), usual, now)
    }
    admit(list, candidates.length, (index) => state?.lanes.get((candidates[index] as Candidate).peer)?.inFlight ?? 0, drawn)
  }

  /** State of a session is worth more than time; only where a call would be refused at once it moves. */
  function stay(list: readonly Assessed[], count: number, sticky: string | undefined): Choice | undefined {
    if (sticky === undefined) return undefined
    for (let index = 0; index < count; index++) {
      const { peer, tier, expected } = list[index] as Assessed
      if (peer === sticky) return tier === TIER.OPEN ? undefined : { peer, why: 'sticky', expected }
    }
    return undefined
  }

  function figures({ tier: _tier, trial: _trial, ...rest }: Assessed, near: boolean): Figures {
    return { ...rest, near }
  }

  return {
    choose(server, candidates, options = NO_OPTIONS) {
      const count = candidates.length
      if (count === 0) return undefined
      assessAll(scratch, server, candidates, options, draw)
      const choice = stay(scratch, count, options.sticky) ?? choose(scratch, count, nearBest(scratch, count), random)
      for (let index = 0; index < count; index++) {
        const { peer, path, capacity, ahead } = scratch[index] as Assessed
        if (peer !== choice.peer) continue
        const lane = lanes.lane(server, peer)
        lane.path = path
        lane.capacity = capacity
        lane.ahead = ahead
        break
      }
      return choice
    },
    explain(server, candidates, options = NO_OPTIONS) {
      const list: Assessed[] = []
      const count = candidates.length
      if (count === 0) return { choice: undefined, candidates: [] }
      assessAll(list, server, candidates, options, (share) => share >= LIKELY)
      const near = nearBest(list, count)
      const choice = stay(list, count, options.sticky) ?? choose(list, count, near, undefined)
      return { choice, candidates: list.map((one) => figures(one, isNear(one, near))) }
    },
    started(server, peer) {
      const lane = lanes.lane(server, peer)
      lane.inFlight++
      lane.waits += waitOf(lane.ahead, lane.capacity)
    },
    ended(server, peer, how, ms, load, tool) {
      const lane = lanes.lane(server, peer)
      const now = clock.now()
      const waited = lane.inFlight > 0 ? lane.waits / lane.inFlight : 0
      lane.waits -= waited
      if (lane.inFlight > 0) lane.inFlight--
      if (load !== undefined) {
        lane.reported = true
        lane.others.value = Math.max(0, load.running + load.waiting - lane.inFlight)
        lane.others.at = now
      }
      if (how === 'cancelled') return
      judge(lane.unreliability, how !== 'answered', now)
      if (how === 'failed') wentWrong(lane.flaps, now)
      if (how !== 'answered') return
      wentWell(lane.flaps)
      wentWell(lane.peer.flaps)
      // What was expected counts calls on their way too; what is reported now may have come after this call.
      const wait = load === undefined ? 0 : Math.min(waited, waitOf(load.running + load.waiting, lane.capacity))
      const service = Math.max(0, ms - lane.path) / (1 + wait)
      const usual = lanes.timed(server, tool)
      const whole = lanes.timed(server, undefined)
      noteSlowness(lane.slowness, noteTime(usual, service, now), now)
      if (whole !== usual) noteTime(whole, service, now)
    },
    memberFailed(peer) {
      wentWrong(lanes.peer(peer).flaps, clock.now())
    },
    memberBack(peer) {
      const state = lanes.peer(peer)
      state.since = clock.now()
      wentWell(state.flaps)
      // Another process: what the old one took and had to do is history. How often it falls is not.
      for (const lane of state.lanes.values()) {
        lane.unreliability = createFading()
        lane.slowness = createSlowness()
        lane.others = createFading()
        lane.reported = false
      }
    },
    forget: (peer) => lanes.forget(peer),
    stats() {
      const now = clock.now()
      let damped = 0
      for (const { flaps, lanes: own } of lanes.peers.values()) {
        const whole = dampedFor(flaps, now) > 0
        for (const lane of own.values()) if (whole || dampedFor(lane.flaps, now) > 0) damped++
      }
      return { lanes: lanes.count(), damped }
    }
  }
}
