import type { Core } from './core.ts'
import type { Probes } from './probes.ts'
import type { Rules } from './rules.ts'
import { isLiving, type Entry } from './table.ts'
import type { KnockResult } from './types.ts'

/** What follows when a link breaks: a look whether somebody is still there, and then an accusation, a new dial, or a probe through others. */
export interface Losses {
  /** A link is gone that this node did not close. */
  lost(peer: string): void
  knocked(peer: string, result: KnockResult): void
  /** A dial failed. Right after a knock that found somebody it was perhaps a dying process that still listened. */
  dialFailed(peer: string): void
  /** There is a link again. */
  linked(peer: string): void
  forget(peer: string): void
}

export function createLosses(core: Core, { probes, rules }: { probes: Probes; rules: Rules }): Losses {
  const { evidence, links, table } = core
  /** Incarnations at the time of a knock: a refusal says nothing of a later one, which may listen elsewhere or have been started since. */
  const knockedAt = new Map<string, number>()
  /** Found open; whether it has been looked at once more since. Once for each loss, for some listeners take everybody and throw them out. */
  const found = new Map<string, 'once' | 'again'>()

  function knockOrProbe({ peer, incarnation }: Entry): void {
    const knocks = evidence.lost(peer, links.direct(peer), core.now)
    if (knocks.length === 0) return probes.probe(peer)
    knockedAt.set(peer, incarnation)
    core.effects.push(...knocks)
  }

  /** Still a member, and still without a link. */
  function missing(peer: string): Entry | undefined {
    const entry = table.get(peer)
    return entry !== undefined && isLiving(entry.state) && !links.isUp(peer) ? entry : undefined
  }

  return {
    lost(peer) {
      found.delete(peer)
      const entry = missing(peer)
      if (entry !== undefined) knockOrProbe(entry)
    },
    knocked(peer, result) {
      const { proven, open, silent } = evidence.knocked(peer, result, { members: table.up }, core.now)
      const entry = missing(peer)
      if (entry === undefined) return
      if (proven && knockedAt.get(peer) !== entry.incarnation) return knockOrProbe(entry)
      if (proven) {
        core.count('link-evidence', peer)
        return rules.accuse(entry, 'refused')
      }
      if (open) {
        if (!found.has(peer)) found.set(peer, 'once')
        links.redialNow(peer, core.now)
      } else if (silent) probes.probe(peer, true)
    },
    dialFailed(peer) {
      const entry = missing(peer)
      if (entry === undefined || found.get(peer) !== 'once') return
      found.set(peer, 'again')
      knockOrProbe(entry)
    },
    linked(peer) {
      evidence.forget(peer)
      found.delete(peer)
    },
    forget(peer) {
      knockedAt.delete(peer)
      found.delete(peer)
    }
  }
}
