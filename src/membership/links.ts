import { backoffDelay, type BackoffOptions } from '../base/backoff.ts'
import type { Random } from '../base/random.ts'
import { createDialler } from './dialler.ts'
import { createLinkRecords, type LinkRecord } from './link-records.ts'
import { createNeighbourhood } from './neighbours.ts'
import { SETTLE } from './settling.ts'
import { isLiving } from './table.ts'
import type { MemberState, SwimEffect } from './types.ts'

export type LinkEffect = Extract<SwimEffect, { type: 'dial' | 'close' }>

/** The member with the higher peer id leaves the first dial to the other for so long, ms: one link, not two crossing ones. */
const TURN = 1_500
/** Dials of one new member by all others are spread over so much per neighbour, ms (20 handshakes a second at the newcomer) … */
const SPREAD_PER_NEIGHBOUR = 50
/** … and at least this, so that a storm of joins does not dial in the same order everywhere. */
const MIN_JOIN_SPREAD = 1_000
/** The same after a lost link, where time matters more, ms per other neighbour. */
const REDIAL_SPREAD = 10
/** After failed dials, and after links that were lost at once. */
const BACKOFF: BackoffOptions = { base: 1_000, cap: 60_000 }
/** A link that lived for less counts as a failed dial, ms: whoever throws us out is not dialled without pause. */
const STABLE = 10_000
/** Signs of life and new addresses put an end to a backoff this often at most, ms: or else a member could make all others dial any addresses without pause. */
const FORGIVE_EVERY = 10_000
/** A link with a member that has left is closed so much later, ms: its goodbye may still be passed on over it. */
const GOODBYE = 500
/** A dead one that was dialled and says nothing in this pool for so long, ms, lives in another one only: its link is closed. One that is only slow is dialled again. */
const MUTE = 15_000

/** With whom this node is linked, whom it dials when, and which links it closes. Pure: effects out, answers in. */
export interface Links {
  /** At every change of a member other than self. `recovered`: alive again after it was suspect or dead. */
  set(peer: string, m: { state: MemberState; addresses: readonly string[]; recovered: boolean }, now: number): void
  /** It is no member any more. A link with it stays. */
  forget(peer: string): void
  up(peer: string, at: { address: string; dialled: boolean }, now: number): void
  down(peer: string, now: number): void
  /** A `dial` ended; when it succeeded `up` has come before. */
  dialled(peer: string, ok: boolean, now: number): void
  /** A knock found somebody: dials again without the waits, within the pace. */
  redialNow(peer: string, now: number): void
  /** What is to be done now. @param slowdown health score + 1: divides the pace */
  due(now: number, slowdown: number): LinkEffect[]
  /** Clock ms; Infinity when only an answer or another event can bring something. */
  nextDue(): number
  isUp(peer: string): boolean
  /** Peers with a link, members or not; a new array at each change. */
  linked(): readonly string[]
  /** Whom this node keeps a link with, and probes; a new set at each change. */
  neighbours(): ReadonlySet<string>
  /** Advertised addresses at which the member surely listens itself: those of a host it was linked from or at, or that were dialled. Kept when the link is lost. */
  direct(peer: string): readonly string[]
  /** The event loop stood still for `ms`: all waits move. */
  postpone(ms: number): void
}

export function createLinks(options: { self: string; random: Random; fullMesh: number }): Links {
  const { self, random } = options
  const hood = createNeighbourhood(self, options)
  const records = createLinkRecords()
  const dialler = createDialler(random, (peer) => {
    const record = records.get(peer)
    return record === undefined || record.up !== undefined ? [] : record.addresses
  })
  /** Links to close, each in the order of their time: those of the dead at once, of those who left later, and new ones of the dead if nothing comes of them. */
  const closing = { dead: new Map<string, number>(), left: new Map<string, number>(), mute: new Map<string, number>() }
  let alive = 1
  let latest = 0

  const isNeighbour = (peer: string) => hood.current.has(peer)
  const turnOf = (peer: string) => (self < peer ? 0 : TURN)

  /** Only a living neighbour without link whose addresses are known is dialled. */
  function plan(peer: string, at: number): void {
    const record = records.get(peer)
    const wanted = record !== undefined && isNeighbour(peer) && record.up === undefined && record.addresses.length > 0
    if (wanted && !dialler.isFlying(peer)) dialler.plan(peer, at, record.again)
    else dialler.drop(peer)
  }

  /** The first dial of a new, recovered or newly chosen neighbour, or of one with new addresses. */
  function planFirst(peer: string, now: number): void {
    const spread = hood.current.size * SPREAD_PER_NEIGHBOUR
    const record = records.get(peer)
    if (record !== undefined && record.failures > 0) planRetry(peer, record, now)
    else if (record?.again === true) plan(peer, now + turnOf(peer) + random.float() * (hood.size > 1 ? spread : 0))
    else plan(peer, now + turnOf(peer) + (hood.size > 1 ? SETTLE + random.float() * Math.max(MIN_JOIN_SPREAD, spread) : 0))
  }

  function redialSpread(): number {
    return random.float() * Math.max(0, hood.current.size - 1) * REDIAL_SPREAD
  }

  function planRetry(peer: string, record: LinkRecord, now: number): void {
    plan(peer, now + backoffDelay(Math.max(0, record.failures - 1), BACKOFF, random))
  }

  function forgive(record: LinkRecord, now: number): void {
    if (now < record.forgivenAt + FORGIVE_EVERY) return
    record.forgivenAt = now
    record.failures = 0
  }

  /** Adds or removes a member and dials whoever thereby becomes a neighbour. */
  function rechoose(peer: string, living: boolean, now: number): void {
    const before = hood.current
    if (!(living ? hood.add(peer) : hood.remove(peer))) return
    for (const other of before) if (!isNeighbour(other)) dialler.drop(other)
    for (const other of hood.current) if (!before.has(other)) planFirst(other, now)
    dialler.setAlone(hood.size <= 1)
    // The first one was planned as the only one.
    if (living && hood.size === 2) for (const other of before) if (records.get(other)?.failures === 0) planFirst(other, now)
  }

  function enter(peer: string, record: LinkRecord, was: MemberState | undefined, recovered: boolean, now: number): void {
    if (isLiving(record.state)) {
      record.again = (record.again && isLiving(was)) || recovered || was === 'dead'
      if (!isLiving(was)) forgive(record, now)
      if (!isLiving(was) && record.again) dialler.noteRecovery(now)
      else if (!isLiving(was)) dialler.noteJoin(now)
    }
    if (record.state === 'dead') dialler.addDead(peer, now)
    else dialler.removeDead(peer)
    if (record.up === undefined) return
    if (record.state === 'dead') closing.dead.set(peer, now)
    else closing.dead.delete(peer)
    closing.left.delete(peer)
    closing.mute.delete(peer)
    if (record.state === 'left') closing.left.set(peer, now + GOODBYE)
  }

  function countAlive(by: number): void {
    alive += by
    dialler.setAlive(alive)
  }

  function closeDue(now: number): LinkEffect[] {
    const peers = [...closing.dead.keys()]
    closing.dead.clear()
    for (const later of [closing.left, closing.mute]) {
      for (const [peer, at] of later) {
        if (at > now) break
        later.delete(peer)
        peers.push(peer)
      }
    }
    return peers.map((peer) => ({ type: 'close', peer }))
  }

  const links: Links = {
    set(peer, { state, addresses, recovered }, now) {
      latest = now
      const record = records.open(peer)
      const was = record.state
      const moved = !sameAddresses(record.addresses, addresses)
      record.state = state
      record.addresses = addresses
      if (was !== state) {
        if (state === 'alive') countAlive(1)
        if (was === 'alive') countAlive(-1)
        enter(peer, record, was, recovered, now)
        if (!isLiving(state)) dialler.drop(peer)
        if (isLiving(was) !== isLiving(state)) return rechoose(peer, isLiving(state), now)
      }
      // New addresses, or a sign of life: reasons to try again before the backoff is over.
      if (!moved && !recovered) return
      forgive(record, now)
      planFirst(peer, now)
    },
    forget(peer) {
      const record = records.get(peer)
      if (record === undefined) return
      if (record.state === 'alive') countAlive(-1)
      dialler.removeDead(peer)
      dialler.drop(peer)
      closing.left.delete(peer)
      closing.mute.delete(peer)
      rechoose(peer, false, latest)
      records.forget(peer)
    },
    up(peer, at, now) {
      const only = dialler.onlyAddress(peer)
      dialler.drop(peer)
      records.up(peer, { ...at, only: at.dialled ? only : undefined }, now)
      if (records.get(peer)?.state === 'dead') closing.mute.set(peer, now + MUTE)
    },
    down(peer, now) {
      const record = records.get(peer)
      const lived = record?.up === undefined ? undefined : now - record.up
      closing.dead.delete(peer)
      closing.left.delete(peer)
      closing.mute.delete(peer)
      records.down(peer)
      if (record === undefined || lived === undefined) return
      record.again = true
      record.failures = lived < STABLE ? record.failures + 1 : 0
      const wait = record.failures === 0 ? redialSpread() : backoffDelay(record.failures - 1, BACKOFF, random)
      plan(peer, now + turnOf(peer) + wait)
    },
    dialled(peer, ok, now) {
      dialler.ended(peer)
      const record = records.get(peer)
      if (record === undefined || record.up !== undefined) return
      // Successful, yet the link is gone again already: not to be repeated at once either.
      record.failures = ok ? Math.max(1, record.failures) : record.failures + 1
      planRetry(peer, record, now)
    },
    redialNow(peer, now) {
      const record = records.get(peer)
      if (record === undefined) return
      record.failures = 0
      plan(peer, now + redialSpread())
    },
    due(now, slowdown) {
      latest = now
      const effects = closeDue(now)
      for (const peer of dialler.overdue(now)) links.dialled(peer, false, now)
      effects.push(...dialler.due(now, slowdown))
      return effects
    },
    nextDue: () => Math.min(firstOf(closing.dead), firstOf(closing.left), firstOf(closing.mute), dialler.nextDue()),
    isUp: (peer) => records.get(peer)?.up !== undefined,
    linked: () => records.linked(),
    neighbours: () => hood.current,
    direct: (peer) => records.direct(peer),
    postpone(ms) {
      dialler.postpone(ms)
      latest += ms
      for (const later of [closing.left, closing.mute]) for (const [peer, at] of later) later.set(peer, at + ms)
    }
  }
  return links
}

function firstOf(times: ReadonlyMap<string, number>): number {
  const first = times.values().next()
  return first.done === true ? Infinity : first.value
}

function sameAddresses(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((address, index) => address === b[index]))
}
