import { backoffDelay } from '../../base/backoff.ts'
import { errorMessage } from '../../base/errors.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import type { Acceptance, AttachAnswer, AttachRequest, Contact, HubInfo, Lease } from '../../wire/tiers-types.ts'
import { createAvoided } from './avoid.ts'
import { NO_ROOM } from './edges.ts'
import {
  ALONE_AFTER, BETTER_BY, BETTER_TIMES, COMPARE_EVERY, COMPARE_REST, FIRST_MOVE_EACH, FIRST_MOVE_SPREAD, HOME_WITHIN, HOPELESS_AFTER, NOTICE_EVERY, PREFER_AGAIN, PREFER_EVERY, SEEK_BACKOFF, SETTLED_AFTER
} from './limits.ts'
import { hearsay } from './memory.ts'
import { isPool } from './order.ts'
import type { Place, PlaceContext } from './place-types.ts'
import type { Home } from './ports.ts'
import { valueOf } from './score.ts'
import { seedsOf } from './seeds.ts'
import { askOne, isSound, reach, seek, type SeekDeps } from './seek.ts'
import { asKnown } from './view.ts'
import { createUnmet, type Here } from './unmet.ts'
import { createWish } from './wish.ts'

/** Half of what a hub takes: where nothing else is known of it. */
const UNKNOWN_SHARE = 0.5

/**
 * @param fixed it never looks for another pool: the own one, or that of the founder
 * @param tier of the node for its home, of the pool below otherwise
 */
export function createPlace(context: PlaceContext, { below, tier, fixed }: { below: string | undefined; tier: AttachRequest['tier']; fixed: boolean }): Place {
  const { deps, options, logger, metrics, view } = context
  const { clock, random } = deps
  const { self } = options
  const abort = new AbortController()
  const begun = clock.now()
  const wished = createWish(options.parent, deps.hubs, clock)
  const asker = { as: below === undefined ? 'leaf' : 'hub', tier } as const
  // Where it leads the pool of another hub for a while, nobody has wished for anything.
  const unmet = below === undefined || below === self ? createUnmet({ logger, options, wish: wished, asker, here: whereabouts }) : undefined
  const avoided = createAvoided(clock)
  let current: Home | undefined
  /** Somebody took this node in, and since then nobody has been seen in that pool. */
  let unseen = false
  /** The current pool counts as lost. */
  let missed = false
  let since = begun
  /** Somebody who must know has taken this node in, or it was there before. */
  let confirmed = false
  /** Taken in where there was no hub: the first hub may be followed at once. */
  let flat = false
  let busy = false
  let attempt = 0
  let nextAt = begun
  let compareAt = Infinity
  let wishAt = Infinity
  let noticeAt = Infinity
  let moveAt: number | undefined
  let better = { pool: '', times: 0 }
  /** Comparisons in a row that found nothing better. */
  let content = 0
  let aloneSince: number | undefined
  let seekingSince: number | undefined
  let refused = false
  /** In the top pool only because every hub was full: it goes where there is room. */
  let surplus = false
  let cards: Contact[] = []

  function request(look: boolean): AttachRequest {
    const prefer = wished.text()
    return {
      ...asker, region: options.region, look,
      ...(below === undefined ? {} : { pool: below }),
      ...(options.coordinates === undefined ? {} : { coordinates: options.coordinates }),
      ...(prefer === undefined ? {} : { prefer }),
      ...(current === undefined ? {} : { current: current.pool })
    }
  }

  const seekDeps = (): SeekDeps => ({ ...context.seekDeps, limits: view.limits(), avoids })
  const nextCompare = () => clock.now() + Math.min(COMPARE_REST, COMPARE_EVERY * 2 ** content) * (0.75 + random.float() / 2)

  /** Not the one that is wished for: it is known by its key. */
  function avoids(pool: string): boolean {
    return avoided.has(pool) && pool !== wished.peer()?.peer
  }

  async function run(work: () => Promise<void>): Promise<void> {
    if (busy) return
    busy = true
    try {
      await work()
    } catch (error) {
      if (!abort.signal.aborted) logger.warn('looking for a hub failed; it is tried again', { error: errorMessage(error) })
    } finally {
      busy = false
      if (!abort.signal.aborted) context.kick()
    }
  }

  async function search(from: readonly Contact[]): Promise<void> {
    seekingSince ??= clock.now()
    const found = await seek(seekDeps(), request(false), from, abort.signal)
    remember(found.hubs)
    if (found.best !== undefined && !isSurplus(found.best.acceptance)) return adopt(found.best.acceptance)
    refused = found.answered
    metrics.attach(found.answered ? 'refused' : 'unanswered').inc()
    nextAt = clock.now() + backoffDelay(attempt++, SEEK_BACKOFF, random)
  }

  /** Members are never sent away; but this one was not asked in. */
  function isSurplus({ pool, hub }: Acceptance): boolean {
    return surplus && pool === current?.pool && hub?.leafRoom === 0
  }

  async function adopt(acceptance: Acceptance): Promise<void> {
    const { pool, tier: poolTier, hub, contacts } = acceptance
    // The acceptor is connected; the others are ways in should it go away, so nobody waits for them long.
    await Promise.all(contacts.filter(({ peer }) => peer !== self).map(({ peer, addresses }) => connect(peer, addresses)))
    abort.signal.throwIfAborted()
    metrics.attach('accepted').inc()
    if (hub !== undefined) deps.hubs.save(asKnown(hub, clock.wall()))
    settle({ pool, tier: poolTier }, hub === undefined, contacts)
    unseen = hub !== undefined && view.others(pool).length === 0
  }

  function settle(home: Home, withoutHub: boolean, contacts: readonly Contact[]): void {
    const from = current?.pool
    confirmed = true
    flat = withoutHub
    attempt = 0
    seekingSince = undefined
    refused = false
    surplus = false
    better = { pool: '', times: 0 }
    moveAt = undefined
    aloneSince = undefined
    missed = false
    content = 0
    compareAt = nextCompare()
    noticeAt = clock.now() + NOTICE_EVERY * (0.5 + random.float())
    // The one that is wished for may have been unknown until now.
    if (options.parent !== undefined) wishAt = clock.now() + PREFER_AGAIN
    if (from === home.pool) return
    current = home
    unmet?.clear()
    since = clock.now()
    context.enter(home, contacts.map(({ peer }) => peer).filter((peer) => peer !== self))
    context.moved(place, from)
  }

  const connect = (peer: string, addresses: readonly string[]) => reach(context.seekDeps, peer, addresses, abort.signal)

  function remember(hubs: readonly HubInfo[]): void {
    const sound = hubs.filter((info) => isPool(info.pool, info.tier))
    if (sound.length > 0) deps.hubs.save(...hearsay(sound, deps.hubs.list(), clock.wall()))
  }

  /** The pool that all are in when there are no hubs; whether that is so is asked on. */
  function fallBack(): void {
    const known = attempt
    const full = refused
    if (full) logger.warn(NO_ROOM)
    settle({ pool: ROOT_POOL, tier: 'global' }, true, [])
    confirmed = false
    refused = surplus = full
    attempt = known
    seekingSince = clock.now()
    nextAt = Math.max(nextAt, clock.now())
  }

  function whereabouts(): Here | undefined {
    const keeper = current === undefined ? undefined : context.keeper(current.pool)
    return current === undefined ? undefined : { pool: current.pool, hub: keeper === undefined ? undefined : view.hubOf(keeper) }
  }

  function valueHere(accepted?: HubInfo): number {
    const keeper = current === undefined ? undefined : context.keeper(current.pool)
    const hub = accepted ?? (keeper === undefined ? undefined : view.hubOf(keeper))
    return (hub === undefined ? undefined : valueOf(request(true), hub, view.limits(), deps.rtt(hub.peer))) ?? -1
  }

  function bestOf(hubs: readonly HubInfo[]): { info: HubInfo; value: number } | undefined {
    const wanted = request(true)
    const limits = view.limits()
    let best: { info: HubInfo; value: number } | undefined
    for (const info of hubs) {
      if (info.pool === current?.pool || info.pool === below || info.peer === self) continue
      if ((below === undefined ? info.leafRoom : info.hubRoom) === 0 || !isPool(info.pool, info.tier) || avoids(info.pool)) continue
      const value = valueOf(wanted, info, limits, deps.rtt(info.peer))
      if (value !== undefined && (best === undefined || value > best.value)) best = { info, value }
    }
    return best
  }

  /**
   * Asks the own hub whom it knows; goes elsewhere if that is better time after time.
   * @param wish only `federation.parent` is looked for; also where this node has to stay, so that it can be said why it is not there
   */
  async function compare(wish: boolean): Promise<void> {
    if (!wish) compareAt = nextCompare()
    if (options.parent !== undefined) wishAt = clock.now() + PREFER_EVERY * (0.75 + random.float() / 2)
    const hub = whereabouts()?.hub
    if (hub === undefined && view.hubs().length === 0) unmet?.missed('unknown', [], false)
    if (hub === undefined || hub.peer === self || (wish && wished.isFor(hub))) return
    const answer = await askOne(seekDeps(), hub, request(true), abort.signal)
    if (answer === undefined || abort.signal.aborted) return
    remember(answer.hubs)
    const preferred = wished.peer()
    let said: AttachAnswer | undefined
    if (preferred !== undefined && !wished.isFor(hub)) {
      said = await askOne(seekDeps(), preferred, request(!movable()), abort.signal)
      if (said?.accept?.hub !== undefined && isSound(said.accept, preferred.peer, request(false)) && movable()) return adopt(said.accept)
      if (abort.signal.aborted) return
    }
    unmet?.missed(preferred === undefined ? 'unknown' : (said ?? 'silent'), [...answer.hubs, ...view.hubs()], !movable())
    if (!movable()) return
    const here = valueHere(answer.accept?.hub?.peer === hub.peer ? answer.accept.hub : hub)
    const best = bestOf([...answer.hubs, ...view.hubs()])
    const wins = best !== undefined && wished.isFor(best.info)
    if (wish && !wins) return
    if (best === undefined || best.value <= here + BETTER_BY) {
      better = { pool: '', times: 0 }
      if (!wish) content += 1
      return
    }
    content = 0
    compareAt = Math.min(compareAt, nextCompare())
    better = { pool: best.info.pool, times: best.info.pool === better.pool ? better.times + 1 : 1 }
    if (!wins && (better.times < BETTER_TIMES || clock.now() - since < SETTLED_AFTER)) return
    await moveTo([best.info], here)
  }

  async function moveTo(hubs: readonly HubInfo[], here: number): Promise<void> {
    const found = await seek(seekDeps(), request(false), hubs, abort.signal)
    remember(found.hubs)
    better = { pool: '', times: 0 }
    if (found.best !== undefined && found.best.value > here + BETTER_BY && movable()) await adopt(found.best.acceptance)
  }

  /** Voters stay until others are chosen: a pool must not lose its majority because its members go to better places. */
  function movable(): boolean {
    const keeper = current === undefined ? undefined : context.keeper(current.pool)
    if (fixed || keeper?.lease()?.holder === self) return false
    if (keeper === undefined || !keeper.isVoter()) return true
    const voters = keeper.voters()
    return below !== undefined && voters.length >= 3 && voters.every((peer) => peer === self || view.others(keeper.pool).some((other) => other.peer === peer))
  }

  /** In a flat federation: the first hubs are followed soon, but not by all at once. */
  function notice(now: number): void {
    noticeAt = now + NOTICE_EVERY
    if (!flat || current?.pool !== ROOT_POOL || !movable()) return
    const best = bestOf(view.hubs())
    if (best === undefined || best.value <= valueOfRoot() + BETTER_BY) moveAt = undefined
    else moveAt ??= now + random.float() * (FIRST_MOVE_SPREAD + FIRST_MOVE_EACH * view.others(ROOT_POOL).length)
  }

  /** The top hub's rooms are not known well from here: half. */
  function valueOfRoot(): number {
    const root = context.keeper(ROOT_POOL)
    const hub = root === undefined ? undefined : view.hubOf(root)
    const limits = view.limits()
    return hub === undefined ? -1 : valueHere({ ...hub, hubRoom: limits.maxRegionalHubs * UNKNOWN_SHARE, leafRoom: limits.maxClusters * UNKNOWN_SHARE })
  }

  /** Nobody else is here although somebody should be, or nobody who could choose a hub. */
  function lost(now: number): boolean {
    const keeper = current === undefined ? undefined : context.keeper(current.pool)
    if (current === undefined || fixed || keeper?.acting() === true) return false
    const others = view.others(current.pool).length
    if (others > 0) unseen = false
    if (keeper?.hopeless() === true && !keeper.isVoter() && now >= (keeper.vacantSince() ?? now) + HOPELESS_AFTER) return true
    if (current.pool === self || (current.pool === ROOT_POOL && options.founder === self)) return false
    if (others > 0) aloneSince = undefined
    else aloneSince ??= now
    return aloneSince !== undefined && now - aloneSince >= ALONE_AFTER
  }

  /** The top pool is never avoided: where else should one go. */
  function miss(): void {
    missed = true
    if (current !== undefined && current.pool !== ROOT_POOL) avoided.lost(current.pool, { empty: unseen })
  }

  const place: Place = {
    below,
    current: () => current,
    seeking: () => seekingSince,
    refused: () => refused,
    unmet: () => unmet?.problem(),
    contacts() {
      if (current === undefined) return []
      cards = view.contacts(current.pool, cards).filter(({ peer }) => peer !== self)
      return cards
    },
    step(now) {
      if (abort.signal.aborted || (fixed && current !== undefined)) return Infinity
      if (current === undefined && now >= begun + HOME_WITHIN && (below === undefined || !refused)) fallBack()
      if (busy) return current === undefined ? Math.max(now + 1, begun + HOME_WITHIN) : Infinity
      const gone = lost(now)
      if (gone && !missed) miss()
      // A hub that has appeared, or has room again, need not wait until it is asked.
      if (surplus && now >= noticeAt) {
        noticeAt = now + NOTICE_EVERY
        if (bestOf(view.hubs()) !== undefined) nextAt = now
      }
      if (current === undefined || !confirmed || gone) {
        if (now < nextAt) return current === undefined && !refused ? Math.min(nextAt, begun + HOME_WITHIN) : surplus ? Math.min(nextAt, noticeAt) : nextAt
        void run(() => search(seedsOf(context, wished, below, current)))
        return current === undefined ? begun + HOME_WITHIN : Infinity
      }
      // It was alone only for a while.
      seekingSince = undefined
      refused = false
      if (flat && now >= noticeAt) notice(now)
      if (moveAt !== undefined && now >= moveAt) {
        moveAt = undefined
        const best = bestOf(view.hubs())
        if (best !== undefined) void run(() => moveTo([best.info], valueOfRoot()))
        return best === undefined ? noticeAt : Infinity
      }
      if (now >= Math.min(compareAt, wishAt)) {
        const wish = now < compareAt
        if (wish || movable()) void run(() => compare(wish))
        else compareAt = now + COMPARE_EVERY
      }
      const alone = aloneSince === undefined ? Infinity : aloneSince + ALONE_AFTER
      const vacant = current === undefined ? undefined : context.keeper(current.pool)?.vacantSince()
      const hopeless = vacant === undefined || vacant + HOPELESS_AFTER <= now ? Infinity : vacant + HOPELESS_AFTER
      return Math.min(compareAt, wishAt, hopeless, flat ? noticeAt : Infinity, moveAt ?? Infinity, alone)
    },
    peerUp() {
      if (current !== undefined && confirmed && aloneSince === undefined) return
      nextAt = clock.now()
      context.kick()
    },
    resume(home, contacts) {
      // Who is there is asked by the membership; that nobody answers is noticed as being alone.
      settle(home, home.pool === ROOT_POOL, contacts)
      void run(async () => void (await Promise.all(contacts.map(({ peer, addresses }) => connect(peer, addresses)))))
    },
    close: () => abort.abort(new Error('this place is given up'))
  }
  return place
}

/** What the lease of a pool says of the one above. */
export function parentOf(lease: Lease | undefined): Home | undefined {
  return lease?.parent === undefined ? undefined : { pool: lease.parent, tier: lease.parentTier ?? 'global' }
}
