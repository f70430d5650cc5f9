import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { FederationSettings } from './federation-settings.ts'
import { createBanMetrics } from './metrics.ts'

/**
 * From a ban until the connections of the banned one are closed, ms: the decision is on its way to it over them, and with that it can say itself why nobody
 * wants it any more. Nothing of it is taken that was not under way.
 */
export const BAN_GRACE = 500
/** Members that refuse this node, remembered; more say nothing new. */
const MAX_REFUSERS = 256

export interface BansDeps {
  clock: Clock
  logger: Logger
  meter: Meter
  settings: Pick<FederationSettings, 'isBanned' | 'banned' | 'onChange'>
  /** Dead for this node, in all its pools. */
  expel(peer: string): void
  /** Ends its connections at once. */
  abandon(peer: string): void
  /** '' where it is not known. */
  nameOf(peer: string): string
}

/** What bans do at this node: to others, and what it says when it is banned itself. */
export interface Bans {
  /** A member took this node, or refused it as banned. */
  met(peer: string, how: 'taken' | 'banned'): void
  /** A sentence for people, if this node is banned. */
  notice(): string | undefined
  stop(): void
}

export function createBans({ clock, logger, meter, settings, expel, abandon, nameOf }: BansDeps, { self }: { self: string }): Bans {
  const metrics = createBanMetrics(meter)
  const leaving = new Map<string, Timer>()
  /** They say that this node is banned, and it has not seen the decision: it may be one of them that lies. */
  const refusers = new Set<string>()
  const undo = `at a node that is a member, \`skein consensus ls\` shows the reason, and \`skein consensus propose ban/${self} none\` takes it back`

  function carryOut(peer: string): void {
    leaving.delete(peer)
    if (!settings.isBanned(peer)) return
    expel(peer)
    abandon(peer)
  }

  const unlisten = settings.onChange(({ banned, unbanned }) => {
    metrics.banned.set(settings.banned().length)
    if (banned === self) logger.error(`this node is banned from the federation: nobody takes anything of it any more; ${undo}`)
    else if (banned !== undefined) {
      logger.warn('a node is banned from the federation: its connections are closed and its tools are gone', { node: nameOf(banned), peer: banned })
      leaving.get(banned)?.cancel()
      leaving.set(banned, clock.after(BAN_GRACE, () => carryOut(banned)))
    }
    if (unbanned === undefined) return
    leaving.get(unbanned)?.cancel()
    leaving.delete(unbanned)
    logger.info(unbanned === self ? 'the ban of this node was taken back' : 'the ban of a node was taken back: it may come again', { node: nameOf(unbanned), peer: unbanned })
  })
  metrics.banned.set(settings.banned().length)
  // Known from before the start: they may have been faster than this.
  for (const peer of settings.banned()) if (peer !== self) abandon(peer)
  if (settings.isBanned(self)) logger.error(`this node was banned from the federation before it was started; ${undo}`)

  return {
    met(peer, how) {
      if (how === 'taken') return void refusers.delete(peer)
      metrics.refused.inc()
      if (refusers.size === 0 && !settings.isBanned(self)) logger.error(`a node refuses this one and says that the federation has banned it; if that is so, ${undo}`, { node: nameOf(peer), peer })
      if (refusers.size < MAX_REFUSERS) refusers.add(peer)
    },
    notice() {
      if (settings.isBanned(self)) return `this node is banned from the federation, and nobody takes anything of it: ${undo}`
      if (refusers.size === 0) return undefined
      return `${refusers.size === 1 ? 'a node refuses' : `${refusers.size} nodes refuse`} this one because the federation has banned it: ${undo}`
    },
    stop() {
      unlisten()
      for (const timer of leaving.values()) timer.cancel()
      leaving.clear()
    }
  }
}
