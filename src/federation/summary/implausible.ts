import type { Logger } from '../../base/logger.ts'
import type { HubClaim } from '../hub-claims.ts'

const MAX_WARNED = 1_024

/** True the first time for each. */
export function createOnce(): (what: string) => boolean {
  const warned = new Set<string>()
  return (what) => {
    if (warned.has(what)) return false
    if (warned.size >= MAX_WARNED) warned.clear()
    warned.add(what)
    return true
  }
}

/** Warns of a node that says to be hub by a lease that cannot be: once of each. */
export function createWarning(logger: Logger): (pool: string, claim: HubClaim) => void {
  const once = createOnce()
  return (pool, { peer, token }) => {
    if (!once(`${pool} ${peer}`)) return
    logger.warn('a node says to be hub of a pool by a lease that cannot be; it is not believed. Look at that node, and shut it out if it lies: skein consensus propose ban/<peer id> "<reason>"', { peer, pool, token })
  }
}
