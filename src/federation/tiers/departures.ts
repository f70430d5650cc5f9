import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import type { PoolKeeper } from './keeper.ts'
import { BREAK_AFTER, CONTACTS, LINGER, LINGER_CHECK, REPLACE_LEFT_AFTER, RESIGN_WITHIN, VOTERS_EVERY } from './limits.ts'
import type { Place } from './place-types.ts'
import type { Home, KnownHub, TiersDeps } from './ports.ts'
import { reach, type ReachDeps } from './seek.ts'
import type { TiersView } from './view.ts'

export interface DepartureContext {
  deps: TiersDeps
  logger: Logger
  view: TiersView
  keepers: Map<string, PoolKeeper>
  places: ReadonlyMap<string, Place>
  reachDeps: ReachDeps
  signal: AbortSignal
  running(): boolean
  enter(home: Home, through: readonly string[]): void
  /** The pool is left: nothing is told about it any more. */
  left(pool: string): void
  kick(): void
}

interface Departure {
  /** ms */
  since: number
  /** The pool that came in its stead. */
  next: string | undefined
  gone: boolean
  /** Nobody is seen there: when somebody is dialled again, ms. */
  dialAt: number
}

/** Pools that this node is in and has no more place in: it leaves them when nothing is lost by it. */
export interface Departures {
  /** Returns when it wants to be asked again, ms. */
  step(now: number): number
  isLeaving(pool: string): boolean
  /** It has not gone away completely yet: it is entered again afterwards. */
  isDeparting(pool: string): boolean
  /** The pool is wanted again. */
  stay(pool: string): void
  /**
   * After a restart: somebody else may have taken this node's place in a pool, and still its vote there be needed. It goes there as a member like others, votes,
   * and leaves when it was relieved.
   */
  resumeVotes(now: number): void
}

export function createDepartures(context: DepartureContext): Departures {
  const { deps, logger, view, keepers, places } = context
  const leaving = new Map<string, Departure>()
  const departing = new Set<string>()

  const homes = () => [...places.values()].flatMap((place) => place.current() ?? [])

  /** The pool that a place has gone to, if it was in `pool` before. */
  function successorOf(pool: string): string | undefined {
    const keeper = keepers.get(pool)
    return homes().find((current) => (keepers.get(current.pool)?.enteredAt ?? 0) > (keeper?.enteredAt ?? 0))?.pool
  }

  /**
   * Never with a vote that is needed: three hubs that lose their places in one moment would leave a pool of five voters without a majority for ever. Where the node
   * has moved, make before break: the tools of others are listed here over the new pool, and those of this node elsewhere.
   */
  function mayLeave(pool: string, { since, next }: Departure, now: number): boolean {
    const made = next === undefined ? now >= since : now >= since + BREAK_AFTER || (now >= since + LINGER && view.others(next).length > 0 && deps.complete?.(next) !== false)
    return made && keepers.get(pool)?.retire(now) !== false
  }

  async function leave(pool: string): Promise<void> {
    const keeper = keepers.get(pool)
    await keeper?.resign(RESIGN_WITHIN)
    // It may be wanted again meanwhile.
    if (!leaving.has(pool)) return
    keeper?.close()
    keepers.delete(pool)
    leaving.delete(pool)
    context.left(pool)
    departing.add(pool)
    try {
      await deps.pools.leave(pool)
    } catch (error) {
      logger.error('a pool could not be left cleanly', { pool, error: errorMessage(error) })
    }
    departing.delete(pool)
    const again = context.running() ? homes().find((home) => home.pool === pool) : undefined
    if (again !== undefined) context.enter(again, [])
    context.kick()
  }

  const known = (pool: string): KnownHub[] => deps.hubs.list().filter((hub) => hub.pool === pool).slice(0, CONTACTS)

  /** Nobody else looks for the members of a pool that is no place of this node. */
  function dial(pool: string, departure: Departure, now: number): void {
    if (view.others(pool).length > 0 || now < departure.dialAt) return
    departure.dialAt = now + VOTERS_EVERY
    // The lease of a pool says who is in the one above.
    const above = [...keepers.values()].flatMap((keeper) => (keeper.lease()?.parent === pool ? (keeper.lease()?.contacts ?? []) : []))
    for (const { peer, addresses } of [...known(pool), ...above]) void reach(context.reachDeps, peer, addresses, context.signal)
  }

  return {
    step(now) {
      const wanted = new Set(homes().map(({ pool }) => pool))
      let due = Infinity
      for (const pool of keepers.keys()) {
        if (wanted.has(pool)) {
          leaving.delete(pool)
          continue
        }
        const departure = leaving.get(pool) ?? { since: now, next: successorOf(pool), gone: false, dialAt: now }
        leaving.set(pool, departure)
        if (departure.gone) continue
        if (!mayLeave(pool, departure, now)) {
          dial(pool, departure, now)
          due = Math.min(due, now + LINGER_CHECK)
          continue
        }
        departure.gone = true
        void leave(pool)
      }
      return due
    },
    isLeaving: (pool) => leaving.has(pool),
    isDeparting: (pool) => departing.has(pool),
    stay: (pool) => void leaving.delete(pool),
    resumeVotes(now) {
      for (const pool of deps.quorum.votesIn()) {
        const ways = known(pool)
        const tier = pool === ROOT_POOL ? 'global' : ways[0]?.tier
        if (keepers.has(pool) || tier === undefined) continue
        context.enter({ pool, tier }, ways.map(({ peer }) => peer))
        // A federation that is started again as a whole gives everyone the old places: then there is nothing to leave.
        leaving.set(pool, { since: now + REPLACE_LEFT_AFTER, next: undefined, gone: false, dialAt: now })
        logger.info('this node was a voter of a pool when it ended; it votes there until another one does', { pool })
      }
    }
  }
}
