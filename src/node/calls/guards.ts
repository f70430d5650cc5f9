import type { Clock } from '../../base/clock.ts'
import type { Guards } from '../../base/guard.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { Config } from '../../config/types.ts'
import { createGuards } from '../../guard/create-guards.ts'
import type { PoolMembers } from '../../membership/pools.ts'

/** The breakers of this node: of its own servers, and of those of other nodes that it calls. */
export function createNodeGuards(deps: { clock: Clock; random: Random; meter: Meter; logger: Logger }, { failures, failureRate, window, openFor, openAtMost }: Config['breaker']): Guards {
  return createGuards(deps, { failures, failureRate, window, openFor, openAtMost })
}

/** Members that are gone are not called: what is remembered of their failures would meet them when they come back. */
export function forgetGone(guards: Guards, membership: Pick<PoolMembers, 'onEvent'>): void {
  membership.onEvent(({ type, member }) => {
    if (type === 'failed' || type === 'left') guards.dropPeer(member.peer)
  })
}
