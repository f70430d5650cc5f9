import type { Logger } from '../../base/logger.ts'
import { errorMessage, isSkeinError } from '../../base/errors.ts'
import type { Tier } from '../../wire/admission-documents.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { encodeLease } from '../../wire/tiers.ts'
import type { Lease } from '../../wire/tiers-types.ts'
import { decideLease, permitsLease, rankDelay, type LeaseAction, type LeaseCause } from './lease.ts'
import { createLeaseReader } from './lease-reader.ts'
import {
  DRIFT, IDLE_CHECK, ILL_AGAIN, LEASE_TTL, RANK_JITTER, READ_WITHIN, RENEW_EVERY, RENEW_WITHIN, RETRY_AFTER, STABLE_AFTER, TAKE_WITHIN
} from './limits.ts'
import type { TiersMetrics } from './metrics.ts'
import { isLiving, tierOf } from './order.ts'
import type { TierDecided, TierGroup, TierMember, TierMemberEvent, TiersDeps, TiersOptions } from './ports.ts'
import { createVoterKeeper } from './voter-keeper.ts'

const HUB_KEY = 'hub'

export interface KeeperContext {
  deps: Pick<TiersDeps, 'clock' | 'random' | 'members' | 'catalog' | 'disowned'> & { quorum: Pick<TiersDeps['quorum'], 'group'> }
  options: TiersOptions
  logger: Logger
  metrics: TiersMetrics
  signal: AbortSignal
  resigning(): boolean
  /** This node belongs to the pool no more, and stays as long as its vote is needed. */
  leaving(pool: string): boolean
  /** This node is hub of some pool other than this one. */
  hubElsewhere(pool: string): boolean
  /** What a lease says of the pool above. */
  above(pool: string): Pick<Lease, 'parent' | 'parentTier' | 'contacts'>
  /** Something changed: all is looked at soon. */
  kick(): void
}

/** The lease and the voters of one pool at one member of it. */
export interface PoolKeeper {
  readonly pool: string
  readonly tier: Tier
  readonly enteredAt: number
  /** Decides what is due and begins it; returns when it wants to be asked again, ms. */
  step(now: number): number
  lease(): Lease | undefined
  /** This node holds the lease, and it is valid on its own clock. */
  acting(): boolean
  voters(): readonly string[]
  isVoter(): boolean
  /** Nobody is hub although somebody should be: since when, ms. */
  vacantSince(): number | undefined
  /** … and nobody will be until voters come back: too few of them are here. */
  hopeless(): boolean
  /** Why, as a sentence. */
  problem(): string | undefined
  news(event: TierMemberEvent): void
  /** The lease should say something else: renew it now. */
  renewSoon(): void
  /** This node wants to leave the pool for another one: true if it has no vote there any more. Until then it gives it back; to be asked again. */
  retire(now: number): boolean
  /** Gives the lease back, if it holds one that a living standby can take, and waits until one has taken it or `within` ms are over. */
  resign(within: number): Promise<void>
  permits(current: Uint8Array | undefined, next: Uint8Array | undefined, age: number, proposer?: string): true | string
  close(): void
}

export function createKeeper(context: KeeperContext, pool: string, tier: Tier): PoolKeeper {
  const { deps, options, logger, metrics } = context
  const { clock, random, members, catalog } = deps
  const { self } = options
  const enteredAt = clock.now()
  let group: TierGroup | undefined
  let stopListening: (() => void) | undefined
  let known: { version: number; lease: Lease | undefined; seenAt: number } = { version: 0, lease: undefined, seenAt: enteredAt }
  /** The holder whose process is proved to be gone. */
  let goneHolder: string | undefined
  let validUntil = -Infinity
  let renewAt = -Infinity
  let takeAt: number | undefined
  let busy = false
  let underway: Promise<boolean> = Promise.resolve(true)
  let acted = false
  let closed = false
  let vacantAt: number | undefined
  /** Waits for a successor. */
  let onTaken: (() => void) | undefined
  /** When it gave its role to another one for a damaged row, on the clock, ms. */
  let handedOverIll = -Infinity
  /** It gives its lease back; whoever wants that too waits for the same. */
  let givingBack: Promise<void> | undefined
  const read = createLeaseReader(pool, logger)

  function opened(): TierGroup | undefined {
    if (group !== undefined || closed) return group
    group = deps.quorum.group(pool)
    if (group === undefined) return undefined
    stopListening = group.onDecided((decided) => {
      if (decided.key === HUB_KEY) note(decided)
      context.kick()
    })
    const decided = group.known(HUB_KEY)
    if (decided !== undefined) note(decided)
    return group
  }

  /** @param fresh it was renewed now; what is only read may have been renewed long ago */
  function note({ version, data }: TierDecided, fresh = true): void {
    if (version < known.version) return
    const lease = read(data)
    const same = lease?.holder === known.lease?.holder && lease?.token === known.lease?.token
    if (!same) goneHolder = undefined
    if (lease?.holder !== self) onTaken?.()
    if (version > known.version || known.lease === undefined) known = { version, lease, seenAt: same && !fresh ? known.seenAt : clock.now() }
  }

  /** What the voters hold now: members are not told of renewals that change nothing. False: nobody knows. */
  async function catchUp(voters: TierGroup): Promise<boolean> {
    try {
      const decided = await voters.read(HUB_KEY, { within: READ_WITHIN, signal: context.signal })
      if (decided !== undefined) note(decided, false)
      return true
    } catch (error) {
      logger.debug('the lease of a hub could not be read', { pool, error: errorMessage(error) })
      return false
    }
  }

  const member = (peer: string) => members.member(peer, pool)
  const living = (peer: string) => peer === self || isLiving(member(peer))
  const tierOfPeer = (peer: string): Tier => (peer === self ? options.tier : tierOf(member(peer)?.tier ?? ''))
  const holds = () => known.lease?.holder === self && known.lease.resigned !== true
  const acting = () => holds() && !closed && clock.now() < validUntil

  function holderGone(): boolean {
    const holder = known.lease?.holder
    if (holder === undefined || holder === self) return false
    return goneHolder === holder || member(holder)?.state === 'left'
  }

  /** Everywhere but in a flat federation. */
  function wanted(): boolean {
    if (pool !== ROOT_POOL || known.lease !== undefined || options.tier === 'global' || context.hubElsewhere(pool)) return true
    return members.members(pool).some((other) => other.tier === 'global' && isLiving(other)) || catalog.records(pool).some(({ hub }) => hub !== undefined)
  }

  function draining(): Set<string> {
    return new Set(catalog.records(pool).flatMap((record) => (record.draining ? [record.peer] : [])))
  }

  const steady = (other: TierMember | undefined, now: number) => other?.state === 'alive' && now - other.since >= STABLE_AFTER

  function manages(): boolean {
    const holder = known.lease?.resigned === true ? undefined : known.lease?.holder
    if (holder === self) return acting()
    if (holder !== undefined && living(holder)) return false
    return opened()?.voters().peers.find(living) === self
  }

  const ledByOther = (now: number) => known.lease !== undefined && known.lease.holder !== self && known.lease.resigned !== true && now < known.seenAt + LEASE_TTL * DRIFT

  const voterKeeper = createVoterKeeper({ ...context, pool, tier, enteredAt, group: opened, manages, ledByOther, living, tierOf: tierOfPeer, draining, steady })

  function decide(now: number): LeaseAction {
    const voters = opened()?.voters().peers ?? []
    return decideLease({
      self, tier, ownTier: options.tier, now, lease: known.lease, seenAt: known.seenAt, holderGone: holderGone(), resigning: context.resigning() || context.leaving(pool), voters, living, tierOf: tierOfPeer,
      wanted: voters.includes(self) && wanted(), ill: isIll() && now >= handedOverIll + ILL_AGAIN,
      stable: (peer) => steady(member(peer), now) && !draining().has(peer)
    })
  }

  function isIll(): boolean {
    return (opened()?.status?.().damaged.length ?? 0) > 0
  }

  function stepLease(now: number): number {
    const action = decide(now)
    // Else it would be the first to know that its lease is to be had.
    if (givingBack !== undefined && action.do === 'take') return Infinity
    if (action.do !== 'take') takeAt = undefined
    switch (action.do) {
      case 'hold':
        if (now >= renewAt) void renew()
        return acting() ? Math.min(renewAt, validUntil) : renewAt
      case 'hand-over':
        // Not before it holds what it gives away.
        if (now >= renewAt) void (acting() ? handOver(action.to) : renew())
        return renewAt
      case 'take':
        takeAt ??= now + rankDelay(Math.max(0, action.rank), random.float() * RANK_JITTER)
        if (now >= takeAt) void take(action.cause)
        return takeAt
      case 'wait':
        return action.until
      case 'none':
        return Infinity
    }
  }

  function mine(token: number, before: Lease | undefined): Lease {
    const { parent, parentTier, contacts } = context.above(pool)
    const proper = options.tier === tier || (before?.proper ?? false)
    const inherited = parent === undefined && before?.parent !== undefined
    return {
      holder: self, token, ttl: LEASE_TTL, tier: options.tier, region: options.region, proper,
      // A successor may need the way up before it has been there.
      ...(inherited ? pick(before) : { ...(parent && { parent }), ...(parentTier && { parentTier }), ...(contacts && { contacts }) })
    }
  }

  /** Puts `lease` to the vote; true if it is decided. Validity counts from before the proposal, for voters count from when they got it. */
  function propose(make: () => Lease | undefined, within: number, readFirst = false): Promise<boolean> {
    const voters = opened()
    if (voters === undefined || busy || closed) return Promise.resolve(false)
    busy = true
    underway = put(voters, make, within, readFirst)
    return underway
  }

  async function put(voters: TierGroup, make: () => Lease | undefined, within: number, readFirst: boolean): Promise<boolean> {
    const lease = readFirst && !(await catchUp(voters)) ? undefined : make()
    if (lease === undefined) {
      postpone()
      return false
    }
    const begun = clock.now()
    try {
      note(await voters.change(HUB_KEY, { expect: known.version, data: encodeLease(lease) }, { within, signal: context.signal }))
      if (lease.resigned !== true) validUntil = begun + lease.ttl
      renewAt = begun + RENEW_EVERY
      return true
    } catch (error) {
      logger.debug('the lease of a hub was not decided', { pool, error: errorMessage(error) })
      // Perhaps it has resigned, and another one leads by now.
      if (lease.resigned === true && isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN')) validUntil = begun
      // Somebody was faster, or this node has been away.
      if (isSkeinError(error, 'SKEIN_CONFLICT', 'SKEIN_OUTCOME_UNKNOWN')) await catchUp(voters)
      postpone()
      return false
    } finally {
      finish()
    }
  }

  function postpone(): void {
    renewAt = clock.now() + RETRY_AFTER * (1 + random.float())
    takeAt = renewAt
    finish()
  }

  function finish(): void {
    busy = false
    context.kick()
  }

  async function renew(): Promise<void> {
    if (busy || known.lease === undefined) return
    const { token } = known.lease
    metrics.renewals((await propose(() => mine(token, known.lease), RENEW_WITHIN)) ? 'ok' : 'failed').inc()
  }

  async function take(cause: LeaseCause): Promise<void> {
    if (busy) return
    const before = known.lease
    // Read first: should somebody else have it by now, this one does not want it any more.
    const make = () => (known.lease?.holder === before?.holder && known.lease?.token === before?.token ? mine((before?.token ?? 0) + 1, known.lease) : undefined)
    if (!(await propose(make, TAKE_WITHIN, true))) return
    metrics.takeover(cause).inc()
    if (cause !== 'first') logger.info('this node is now the hub of a pool', { pool, cause, before: before?.holder, token: known.lease?.token })
  }

  async function handOver(to: string | undefined, within = RENEW_WITHIN): Promise<void> {
    if (busy || known.lease === undefined) return
    const { token } = known.lease
    const done = await propose(() => ({ ...mine(token, known.lease), resigned: true, ...(to === undefined ? {} : { successor: to }) }), within)
    if (done && isIll()) handedOverIll = clock.now()
    if (done) logger.info('this node has given the role of hub back', { pool, ...(to === undefined ? {} : { successor: to }) })
  }

  async function giveBack(within: number): Promise<void> {
    const end = clock.now() + within
    // What was begun ends first, in its own time.
    await underway
    if (!acting() || !opened()?.voters().peers.some((peer) => peer !== self && living(peer))) return
    await handOver(undefined, within)
    // Until then calls go on over this node: it refuses nothing before somebody else can pass them on.
    if (known.lease?.holder === self && known.lease.resigned === true) await taken(Math.max(0, end - clock.now()))
  }

  async function taken(within: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = clock.after(within, resolve)
    onTaken = resolve
    await promise
    onTaken = undefined
    timer.cancel()
  }

  function isVoter(): boolean {
    return opened()?.voters().peers.includes(self) ?? false
  }

  /** Without a lease in a flat federation nothing is missing. */
  function hubMissing(): boolean {
    const { lease } = known
    if (lease === undefined) return pool !== ROOT_POOL
    if (lease.resigned === true) return true
    if (lease.holder === self) return !acting()
    // Alive is not enough: a hub without a majority leads nobody. Voters see that it is not renewed; others hear it from the hub.
    return !living(lease.holder) || (isVoter() ? clock.now() >= known.seenAt + lease.ttl * DRIFT : deps.disowned?.(pool) === true)
  }

  function watchActing(now: number): void {
    const acts = acting()
    if (acted && !acts && known.lease?.resigned !== true) {
      metrics.lost.inc()
      logger.warn('this node no longer acts as the hub of a pool', { pool, reason: holds() ? 'its lease has run out: no majority of the voters answers' : 'another one holds the lease' })
    }
    acted = acts
    vacantAt = hubMissing() ? (vacantAt ?? now) : undefined
  }

  function count(): { there: number; all: number; needed: number } {
    const voters = opened()?.voters().peers ?? []
    return { there: voters.filter(living).length, all: voters.length, needed: Math.floor(voters.length / 2) + 1 }
  }

  return {
    pool,
    tier,
    enteredAt,
    step(now) {
      if (opened() === undefined) return now + RETRY_AFTER
      const due = busy ? Infinity : stepLease(now)
      const next = Math.min(due, context.resigning() ? Infinity : voterKeeper.step(now), now + IDLE_CHECK)
      watchActing(now)
      return next
    },
    lease: () => known.lease,
    acting,
    voters: () => opened()?.voters().peers ?? [],
    isVoter,
    vacantSince: () => vacantAt,
    hopeless() {
      const { there, needed } = count()
      return vacantAt !== undefined && there < needed
    },
    problem() {
      if (vacantAt === undefined) return undefined
      const { there, all, needed } = count()
      if (there < needed) return `no hub: no quorum, ${there} of ${all} voters are here and ${needed} are needed`
      return known.lease === undefined ? 'no hub yet' : 'no hub: a standby takes over when the lease has run out'
    },
    news({ type, member: other, evidence }) {
      const holder = known.lease?.holder
      if (other.peer !== holder) return
      if (type === 'failed') goneHolder = evidence === 'refused' ? holder : goneHolder
      else if (other.state === 'alive') goneHolder = undefined
    },
    renewSoon() {
      renewAt = Math.min(renewAt, clock.now())
    },
    retire: voterKeeper.retire,
    resign(within) {
      return (givingBack ??= giveBack(within).finally(() => {
        givingBack = undefined
        context.kick()
      }))
    },
    permits(current, next, age, proposer) {
      const now = clock.now()
      const lease = read(current)
      const gone = lease !== undefined && lease.holder === known.lease?.holder && holderGone()
      const wanted = read(next)
      const verdict = permitsLease({ lease, seenAt: now - age, now, holderGone: gone, proposer }, wanted)
      // A renewal goes by; whether it is decided is known to its holder alone, and voters wait in any case.
      if (verdict === true && wanted?.holder === known.lease?.holder && wanted?.token === known.lease?.token) known.seenAt = now
      return verdict
    },
    close() {
      closed = true
      stopListening?.()
    }
  }
}

function pick({ parent, parentTier, contacts }: Lease): Pick<Lease, 'parent' | 'parentTier' | 'contacts'> {
  return { ...(parent && { parent }), ...(parentTier && { parentTier }), ...(contacts && { contacts }) }
}
