import type { Random } from '../base/random.ts'
import { createDeadRounds } from './dead-rounds.ts'
import { createDialQueue } from './dial-queue.ts'
import { createSettling } from './settling.ts'
import type { SwimEffect } from './types.ts'

/** ms between dials of members that have newly joined: 5 a second; each handshake costs both sides 15 ms of CPU. */
const JOINED_INTERVAL = 200
/** … and between all others, those of the dead included: 2 a second, so that a healed partition is no burst. */
const AGAIN_INTERVAL = 500
/** Dials in flight. Four handshakes keep a core busy for 0.1 s, which no probe minds. */
const MAX_DIALS = 4
/** Of these for the dead: with their time-out of 1 s two keep up the full pace, and the living always find a place. */
const MAX_DEAD_DIALS = 2
/** Of a dial, ms: TCP, TLS, muxer and the mutual admission over a slow link … */
const LIVING_TIMEOUT = 5_000
/** … and of one into a black hole: the kernel repeats its SYN after 1 s, then waits ever longer; a new dial is sooner. */
const DEAD_TIMEOUT = 1_000
/** A dial whose end was never reported gives its place back so long after its time-out, ms. */
const ANSWER_GRACE = 5_000
type DialEffect = Extract<SwimEffect, { type: 'dial' }>

/** The pace of this node's dials, and their places in flight. Whom to dial and why is for links.ts to know. */
export interface Dialler {
  /** To be dialled at `at` or later: a newly joined one, or one `again` at the slower pace. Instead of any earlier plan for it. */
  plan(peer: string, at: number, again: boolean): void
  drop(peer: string): void
  isFlying(peer: string): boolean
  /** The address of its dial in flight, if that has only one. */
  onlyAddress(peer: string): string | undefined
  /** The dial ended. */
  ended(peer: string): void
  /** Dials that were never answered and must be taken for failed. */
  overdue(now: number): string[]
  addDead(peer: string, now: number): void
  removeDead(peer: string): void
  /** Alive members, self included: they share the dials of the dead. */
  setAlive(members: number): void
  /** A member joined: newly joined ones wait until no more come. */
  noteJoin(now: number): void
  /** A dead one lives: after a healed partition the refutations of all must get round before the handshakes take the processors. */
  noteRecovery(now: number): void
  /** There is only one member, so nothing has to settle. */
  setAlone(alone: boolean): void
  due(now: number, slowdown: number): DialEffect[]
  nextDue(): number
  postpone(ms: number): void
}

/** @param addressesOf of a dead one only if it may be dialled, otherwise none */
export function createDialler(random: Random, addressesOf: (peer: string) => readonly string[]): Dialler {
  const joined = createDialQueue(JOINED_INTERVAL, random)
  const again = createDialQueue(AGAIN_INTERVAL, random)
  const dead = createDeadRounds(random)
  const flying = new Map<string, { addresses: readonly string[]; until: number; dead: boolean }>()
  const joins = createSettling()
  const recoveries = createSettling()
  let alone = true
  let deadTurn = false

  function deadFlying(): number {
    let count = 0
    for (const dial of flying.values()) if (dial.dead) count++
    return count
  }

  /** With a single other member there is nothing to settle. */
  function joinedHeldUntil(): number {
    return alone ? -Infinity : joins.heldUntil
  }

  function drop(peer: string): void {
    joined.drop(peer)
    again.drop(peer)
  }

  function dial(peer: string, now: number, timeout: number): DialEffect {
    const addresses = addressesOf(peer)
    flying.set(peer, { addresses, until: now + timeout + ANSWER_GRACE, dead: timeout === DEAD_TIMEOUT })
    return { type: 'dial', peer, addresses, timeout }
  }

  function dialJoined(now: number, slowdown: number): DialEffect | undefined {
    const peer = joinedHeldUntil() > now ? undefined : joined.take(now)
    if (peer === undefined) return undefined
    joined.spend(now, slowdown)
    return dial(peer, now, LIVING_TIMEOUT)
  }

  function dialLiving(now: number): DialEffect | undefined {
    const peer = recoveries.heldUntil > now ? undefined : again.take(now)
    return peer === undefined ? undefined : dial(peer, now, LIVING_TIMEOUT)
  }

  function dialDead(now: number): DialEffect | undefined {
    if (deadFlying() >= MAX_DEAD_DIALS) return undefined
    const peer = dead.take(now, (other) => !flying.has(other) && addressesOf(other).length > 0)
    return peer === undefined ? undefined : dial(peer, now, DEAD_TIMEOUT)
  }

  /** Lost and dead ones share a pace and take turns, so that neither makes the other wait for ever. */
  function dialAgain(now: number, slowdown: number): DialEffect | undefined {
    if (again.free > now) return undefined
    const effect = deadTurn ? (dialDead(now) ?? dialLiving(now)) : (dialLiving(now) ?? dialDead(now))
    if (effect === undefined) return undefined
    again.spend(now, slowdown)
    deadTurn = !deadTurn
    return effect
  }

  return {
    plan(peer, at, isAgain) {
      drop(peer)
      const queue = isAgain ? again : joined
      queue.put(peer, at)
    },
    drop,
    isFlying: (peer) => flying.has(peer),
    onlyAddress(peer) {
      const { addresses = [] } = flying.get(peer) ?? {}
      return addresses.length === 1 ? addresses[0] : undefined
    },
    ended: (peer) => void flying.delete(peer),
    overdue: (now) => (flying.size === 0 ? [] : [...flying].filter(([, { until }]) => until <= now).map(([peer]) => peer)),
    addDead: dead.add,
    removeDead: dead.remove,
    setAlive: dead.setAlive,
    noteJoin: joins.note,
    noteRecovery: recoveries.note,
    setAlone(only) {
      alone = only
    },
    due(now, slowdown) {
      const effects: DialEffect[] = []
      while (flying.size < MAX_DIALS) {
        const effect = dialJoined(now, slowdown) ?? dialAgain(now, slowdown)
        if (effect === undefined) break
        effects.push(effect)
      }
      return effects
    },
    nextDue() {
      let next = Infinity
      for (const { until } of flying.values()) next = Math.min(next, until)
      if (flying.size >= MAX_DIALS) return next
      next = Math.min(next, Math.max(joined.nextDue(), joinedHeldUntil()), Math.max(again.nextDue(), recoveries.heldUntil))
      return deadFlying() < MAX_DEAD_DIALS ? Math.min(next, Math.max(dead.nextDue(), again.free)) : next
    },
    postpone(ms) {
      joined.postpone(ms)
      again.postpone(ms)
      dead.postpone(ms)
      joins.postpone(ms)
      recoveries.postpone(ms)
      for (const dial of flying.values()) dial.until += ms
    }
  }
}
