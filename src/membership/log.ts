import type { LogFields, Logger } from '../base/logger.ts'
import type { Member, MemberEvent, SwimEffect } from './types.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Tells people what happened to whom; ids and names, and how long something lasted. */
export interface MemberLog {
  event(event: MemberEvent): void
  superseded(by: Extract<SwimEffect, { type: 'superseded' }>['by']): void
}

/** @param member what is known of a peer now; those it does not know are forgotten here too */
export function createMemberLog(logger: Logger, member: (peer: string) => Member | undefined): MemberLog {
  /** As last heard of, for how long it was in its state. */
  const before = new Map<string, Member>()

  function remember(now: Member): Member | undefined {
    const last = before.get(now.peer)
    before.set(now.peer, now)
    // Tombstones go without an event. Rarely, so that a storm of events costs nothing.
    if (before.size % 256 === 0) for (const peer of before.keys()) if (member(peer) === undefined) before.delete(peer)
    return last
  }

  return {
    event({ type, member: now, was, by, evidence }) {
      const { peer, name, addresses } = now
      const last = remember(now)
      const lasted: LogFields = last === undefined || last.state === now.state ? {} : { was: was ?? last.state, for: span(now.since - last.since) }
      const accuser: LogFields = by === undefined ? {} : { by: member(by)?.name ?? by }
      const why: LogFields = evidence === undefined ? {} : { evidence }
      switch (type) {
        case 'joined':
          return logger.info('a node joined', { node: name, peer, addresses })
        case 'left':
          return logger.info('a node left', { node: name, peer, ...lasted })
        case 'failed':
          return logger.warn('a node failed: nobody reaches it any more; its tools are gone until it is back', { node: name, peer, ...lasted, ...accuser, ...why })
        case 'recovered':
          // A suspicion that was wrong is nothing to be told of.
          return was === 'dead' ? logger.info('a node is back', { node: name, peer, ...lasted }) : logger.debug('a suspected node is well', { node: name, peer, ...lasted })
        case 'suspected':
          return logger.debug('a node does not answer and is suspected', { node: name, peer, ...accuser, ...why })
        case 'updated':
          return logger.debug('a node describes itself anew', { node: name, peer, addresses })
      }
    },
    superseded({ name, addresses }) {
      logger.error(
        'another process runs with the identity of this node and was started later: this one stops taking part. If that was a copied data directory, give the copy one of its own (node.data_dir) and join with a new token',
        { node: name, addresses }
      )
    }
  }
}

/** A time as people say it. */
export function span(ms: number): string {
  if (ms < 10 * SECOND_MS) return `${(Math.max(0, ms) / SECOND_MS).toFixed(1)} s`
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`
  if (ms < 2 * HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`
  return ms < 2 * DAY_MS ? `${Math.round(ms / HOUR_MS)} h` : `${Math.round(ms / DAY_MS)} days`
}
