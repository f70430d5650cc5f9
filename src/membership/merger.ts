import type { Clock } from '../base/clock.ts'
import { isLiving } from './table.ts'
import type { Member, MemberEvent } from './types.ts'

/** What several pools say about one peer, as one. */
export interface Merger {
  /**
   * Something about this peer may have changed in one of the pools. Gives what that means for all of them together; undefined if nothing.
   * @param views one of each pool that knows the peer
   * @param cause what happened there: says who accused, if the whole says the same
   */
  changed(peer: string, views: readonly Member[], cause?: MemberEvent): MemberEvent | undefined
}

/**
 * One view of several: alive if any has it alive, suspect if any has it suspect, otherwise as it ended last. What it says of itself is
 * its newest word. Undefined for none.
 */
export function merged(views: readonly Member[]): Member | undefined {
  const [first] = views
  if (first === undefined || views.length === 1) return first
  const living = views.filter(({ state }) => isLiving(state))
  // Of some a pool has heard no more than the goodbye: that says less than how it ended where it was seen.
  if (living.length === 0) return views.reduce((a, b) => (isSeen(a) === isSeen(b) ? (b.since > a.since ? b : a) : isSeen(a) ? a : b))
  const best = living.find(({ state }) => state === 'alive') ?? (living[0] as Member)
  const newest = living.reduce((a, b) => (isNewer(b, a) ? b : a))
  return newest === best ? best : { ...newest, state: best.state, since: best.since }
}

function isSeen({ boot }: Member): boolean {
  return boot > 0
}

/** Each pool counts incarnations from the boot on, so they tell only roughly what is newer; the next word mends it. */
function isNewer(a: Member, b: Member): boolean {
  return a.boot > b.boot || (a.boot === b.boot && a.incarnation > b.incarnation)
}

/** @param isKnown whether any pool knows the peer; whoever is known to none is forgotten here too */
export function createMerger({ self, clock, isKnown }: { self: string; clock: Pick<Clock, 'now'>; isKnown(peer: string): boolean }): Merger {
  /** As last told. */
  const told = new Map<string, Member>()

  /** Tombstones go without an event. Rarely, so that a storm of events costs nothing. */
  function prune(): void {
    if (told.size % 256 === 0) for (const peer of told.keys()) if (!isKnown(peer)) told.delete(peer)
  }

  return {
    changed(peer, views, cause) {
      const before = told.get(peer)
      const now = merged(views)
      if (now === undefined) {
        told.delete(peer)
        if (before === undefined || peer === self || !isLiving(before.state)) return undefined
        return { type: 'left', member: { ...before, state: 'left', since: clock.now() }, was: before.state }
      }
      const event = peer === self ? ofSelf(before, now) : between(before, now)
      // An end that is not told of changes nothing for those who listen.
      if (event === undefined && !isLiving(now.state)) return undefined
      told.set(peer, now)
      if (before === undefined) prune()
      if (event === undefined || cause?.type !== event.type) return event
      return { ...event, ...(cause.by === undefined ? {} : { by: cause.by }), ...(cause.evidence === undefined ? {} : { evidence: cause.evidence }) }
    }
  }
}

function ofSelf(before: Member | undefined, now: Member): MemberEvent | undefined {
  return before === undefined || sameContent(before, now) ? undefined : { type: 'updated', member: now }
}

/** What happened to another member, by its state before and after. */
function between(before: Member | undefined, now: Member): MemberEvent | undefined {
  const was = before?.state
  if (!isLiving(now.state)) {
    // One that was never seen living here, or whose end is told already; but who was dead may say that it had left.
    if (was === undefined || was === now.state || (was === 'left' && now.state === 'dead')) return undefined
    return { type: now.state === 'dead' ? 'failed' : 'left', member: now, was }
  }
  if (before === undefined || was === undefined) return { type: 'joined', member: now }
  if (was === 'left') return { type: 'joined', member: now, was }
  if (was === now.state) return sameContent(before, now) ? undefined : { type: 'updated', member: now }
  return { type: now.state === 'suspect' && was === 'alive' ? 'suspected' : 'recovered', member: now, was }
}

function sameContent(a: Member, b: Member): boolean {
  return (
    a.boot === b.boot && a.name === b.name && a.version === b.version && a.tier === b.tier && a.region === b.region &&
    (a.addresses === b.addresses || a.addresses.join() === b.addresses.join())
  )
}
