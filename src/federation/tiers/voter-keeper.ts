import { errorMessage } from '../../base/errors.ts'
import type { Tier } from '../../wire/admission-documents.ts'
import type { KeeperContext } from './keeper.ts'
import { ILL_AGAIN, REPLACE_AFTER, REPLACE_LEFT_AFTER, RETRY_AFTER, VOTERS_EVERY, VOTERS_WITHIN } from './limits.ts'
import type { TierGroup, TierMember } from './ports.ts'
import { isLiving, RELAYED } from './order.ts'
import { decideVoters, SMALL } from './voters.ts'

export interface VoterKeeperContext extends Pick<KeeperContext, 'deps' | 'options' | 'logger' | 'metrics' | 'kick'> {
  pool: string
  tier: Tier
  enteredAt: number
  group(): TierGroup | undefined
  /** It is for this node to change the voters now. */
  manages(): boolean
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
      .map((other) => ({ peer: other.peer, tier: context.tierOf(other.peer), since: other.since }))
    const next = decideVoters({
      tier: context.tier, voters: peers, settled, manager: self, candidates, gone: (peer) => damaged.has(peer) || isGone(peer, now), living: context.living, tierOf: context.tierOf
    })
    if (next !== undefined) void change(group, next)
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
      if (group === undefined || !peers.includes(self)) return true
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
      if (group === undefined || changing || !group.voters().peers.includes(self)) return Infinity
      if (now < nextAt) return nextAt
      nextAt = now + VOTERS_EVERY
      if (context.manages()) look(group, now)
      else if (isToHeal(group, now)) {
        healAt = now + ILL_AGAIN
        void change(group, group.voters().peers.filter((peer) => peer !== self))
      }
      return nextAt
    }
  }
}
