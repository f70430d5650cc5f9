import { errorMessage } from '../../base/errors.ts'
import type { Tier } from '../../wire/admission-documents.ts'
import type { KeeperContext } from './keeper.ts'
import { createCandidates } from './candidates.ts'
import { ILL_AGAIN, PAIR_AFTER, REPLACE_AFTER, REPLACE_LEFT_AFTER, RETRY_AFTER, VOTERS_EVERY, VOTERS_WITHIN } from './limits.ts'
import type { TierGroup, TierMember } from './ports.ts'
import { isLiving, RELAYED } from './order.ts'
import { decideVoters, reservesOf, SMALL, type Candidate } from './voters.ts'

export interface VoterKeeperContext extends Pick<KeeperContext, 'deps' | 'options' | 'logger' | 'metrics' | 'kick'> {
  pool: string
  tier: Tier
  enteredAt: number
  group(): TierGroup | undefined
  /** It is for this node to change the voters now. */
  manages(): boolean
  /** Somebody else holds a lease that has not run out, as far as is known here. */
  ledByOther(now: number): boolean
  living(peer: string): boolean
  tierOf(peer: string): Tier
  draining(): ReadonlySet<string>
  /** Alive for a while. */
  steady(member: TierMember | undefined, now: number): boolean
}

export interface VoterKeeper {
  /** Returns when it wants to be asked again, ms. */
  step(now: number): number
  /** This node wants to leave the pool: true if it has no vote there. Otherwise it is taken off the list; to be asked again. */
  retire(now: number): boolean
}

/** Sees to the voters of one pool, while this node is the one to do so. */
export function createVoterKeeper(context: VoterKeeperContext): VoterKeeper {
  const { deps, options, logger, metrics, pool } = context
  const { clock, members } = deps
  const { self } = options
  let nextAt = context.enteredAt + VOTERS_EVERY
  let retireAt = -Infinity
  let healAt = -Infinity
  let changing = false
  let asking = false
  const asked = createCandidates(clock)
  /** The other one of two voters of which this node is the first. */
  let second: { peer: string; since: number } | undefined

  function isGone(peer: string, now: number): boolean {
    const member = members.member(peer, pool)
    if (peer === self || isLiving(member)) return false
    if (member === undefined) return now - context.enteredAt >= REPLACE_AFTER
    return now - member.since >= (member.state === 'left' ? REPLACE_LEFT_AFTER : REPLACE_AFTER)
  }

  function look(group: TierGroup, now: number): void {
    const { peers, settled } = group.voters()
    // Taken out and back, it starts from what the others decided.
    const damaged = new Set(group.status?.().damagedAt.map(({ peer }) => peer))
    const away = context.draining()
    const candidates = members
      .members(pool)
      .filter((other) => other.peer === self || (context.steady(other, now) && !away.has(other.peer) && other.addresses.some((address) => !address.includes(RELAYED))))
      .filter(({ peer }) => peers.includes(peer) || !asked.isBarred(peer))
      .map((other) => ({ peer: other.peer, tier: context.tierOf(other.peer), since: other.since }))
    const decide = (from: readonly Candidate[]) => decideVoters({
      tier: context.tier, voters: peers, settled, manager: self, candidates: from, gone: (peer) => damaged.has(peer) || isGone(peer, now), living: context.living, tierOf: context.tierOf
    })
    const next = decide(candidates)
    const sure = decide(candidates.filter(({ peer }) => peers.includes(peer) || asked.isSound(peer)))
    const unsure = reservesOf({ tier: context.tier, voters: peers, candidates }).find(({ peer }) => !asked.isSound(peer))
    // What is decided must not hang on somebody that would not vote; whoever fails stands in the way of nobody else.
    if (unsure !== undefined && next?.join() !== sure?.join()) void ask(group, unsure.peer)
    else if (sure !== undefined) void change(group, sure)
  }

  async function ask(group: TierGroup, peer: string): Promise<void> {
    asking = true
    await asked.ask(group, peer)
    asking = false
    if (!asked.isSound(peer)) logger.debug('a member of a pool would be no sound voter; it is asked again later', { pool, peer })
    nextAt = clock.now()
    context.kick()
  }

  function watchPair(peers: readonly string[], now: number): void {
    const [first, other] = peers
    if (peers.length !== 2 || first !== self || other === undefined) second = undefined
    else if (second?.peer !== other) second = { peer: other, since: now }
  }

  /** The other one does not vote, and nobody could lead the pool before it does: this node takes it off by itself, whether it leads or not. */
  function unpair(group: TierGroup, { peer, since }: { peer: string; since: number }, now: number): boolean {
    if (now < since + PAIR_AFTER || context.ledByOther(now)) return false
    // A dead one may be as sound as any when it is back.
    if (context.living(peer)) asked.didNotVote(peer)
    logger.warn('the second voter of a pool does not vote: it is taken off again', { pool, peer })
    void change(group, [self])
    return true
  }

  /** Only who asks this node hears that it has lost a row, and that need not be who sees to the voters: so it goes by itself, and is put back whole. */
  function isToHeal(group: TierGroup, now: number): boolean {
    const { peers, settled } = group.voters()
    return settled && now >= healAt && peers.length >= SMALL && (group.status?.().damaged.length ?? 0) > 0 && peers.every(context.living)
  }

  async function change(group: TierGroup, peers: readonly string[]): Promise<void> {
    changing = true
    try {
      await group.changeVoters(peers, { within: VOTERS_WITHIN })
      metrics.voterChanges('ok').inc()
      logger.debug('the voters of a pool have changed', { pool, voters: peers.length })
      // The next one may follow at once.
      nextAt = clock.now()
    } catch (error) {
      metrics.voterChanges('failed').inc()
      logger.debug('the voters of a pool could not be changed; it is tried again', { pool, error: errorMessage(error) })
    } finally {
      changing = false
      context.kick()
    }
  }

  return {
    retire(now) {
      const group = context.group()
      const { peers = [], settled = false } = group?.voters() ?? {}
      if (group === undefined) return true
      // Of two voters the first decides that by itself: the other one must hear of it before this node goes.
      if (!peers.includes(self)) return !changing
      const others = peers.filter((peer) => peer !== self)
      // Without it the rest might be too few to decide anything, ever again: first the dead are replaced.
      const enough = others.filter(context.living).length > others.length / 2
      if (changing || !settled || now < retireAt || !enough) return false
      retireAt = now + RETRY_AFTER
      void change(group, others)
      return false
    },
    step(now) {
      const group = context.group()
      const peers = group?.voters().peers ?? []
      watchPair(peers, now)
      if (group === undefined || changing || asking || !peers.includes(self)) return Infinity
      if (now < nextAt) return nextAt
      nextAt = now + VOTERS_EVERY
      if (second !== undefined && unpair(group, second, now)) return nextAt
      if (context.manages()) look(group, now)
      else if (isToHeal(group, now)) {
        healAt = now + ILL_AGAIN
        void change(group, group.voters().peers.filter((peer) => peer !== self))
      }
      return nextAt
    }
  }
}
