import type { Logger } from '../../base/logger.ts'
import type { AttachAnswer, AttachRequest, HubInfo } from '../../wire/tiers-types.ts'
import { roomFor } from './admit.ts'
import { PREFER_EVERY } from './limits.ts'
import { isAbove } from './order.ts'
import type { TiersOptions } from './ports.ts'
import type { Wish } from './wish.ts'

/** Why a node is not below the hub that it wishes for: the end of a sentence. */
const WHY = {
  unknown: 'no such hub is known here',
  silent: 'it does not answer',
  full: 'it is full',
  hubless: 'it leads no pool of a higher tier than this node',
  own: 'it is this node itself',
  votes: 'this node votes in the pool that it is in, and stays as long as it does',
  useless: 'nothing is above a global hub, so it has no effect'
} as const
type Why = keyof typeof WHY

/** What the wished one said when it was asked for a place; unknown: nobody is known to be it; silent: no answer. */
export type Said = AttachAnswer | 'unknown' | 'silent'

export interface Here {
  pool: string
  hub: HubInfo | undefined
}

/** That `federation.parent` cannot be had, which nobody would notice: this node is below another hub, and all works. */
export interface Unmet {
  /** The wished one was looked for, and this node is where it was. @param known hubs that were named meanwhile @param stays it votes here, and may not go */
  missed(said: Said, known: readonly HubInfo[], stays: boolean): void
  /** This node has moved. */
  clear(): void
  /** A sentence; undefined: nothing is wished for, or it is there, or was not looked for yet. */
  problem(): string | undefined
}

export interface UnmetContext {
  logger: Logger
  options: Pick<TiersOptions, 'self' | 'tier' | 'parent'>
  wish: Wish
  asker: Pick<AttachRequest, 'as' | 'tier'>
  /** Undefined: nowhere yet. */
  here(): Here | undefined
}

export function createUnmet({ logger, options: { self, tier, parent }, wish, asker, here }: UnmetContext): Unmet {
  let why: Why | undefined
  let times = 0

  /** Its pool stands in for the wished one while that is no hub, and so does this node itself. */
  function isThere(): boolean {
    const { pool, hub } = here() ?? {}
    return hub !== undefined && (hub.peer === self || wish.isFor(hub) || pool === wish.peer()?.peer)
  }

  function reason(said: Said, known: readonly HubInfo[], stays: boolean): Why | undefined {
    if (wish.peer()?.peer === self) return 'own'
    if (said === 'silent') return said
    const named = said === 'unknown' ? known : [...(said.accept?.hub === undefined ? [] : [said.accept.hub]), ...said.hubs, ...known]
    const found = named.filter(wish.isFor)
    const above = found.filter((hub) => isAbove(hub.tier, asker.tier))
    if (above.length > 0 && above.every((hub) => roomFor(asker, hub) === 0)) return 'full'
    // With room it is gone to at once.
    if (above.length > 0) return stays ? 'votes' : undefined
    return said === 'unknown' && found.length === 0 ? said : 'hubless'
  }

  function sentence(): string | undefined {
    if (parent === undefined) return undefined
    const now = tier === 'global' ? 'useless' : why
    if (now === undefined) return undefined
    return `federation.parent "${parent}" is not the hub above this node: ${WHY[now]}${now === 'useless' ? '' : `; it is looked for every ${PREFER_EVERY / 1_000} s`}`
  }

  return {
    missed(said, known, stays) {
      why = isThere() ? undefined : reason(said, known, stays)
      const wrong = sentence()
      // Not the first time: of hubs that start together some come later.
      if (wrong !== undefined && ++times === 2) logger.warn(wrong)
    },
    clear() {
      why = undefined
      times = 0
    },
    problem: () => (isThere() && tier !== 'global' ? undefined : sentence())
  }
}
