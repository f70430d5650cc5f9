import type { Logger } from '../../base/logger.ts'
import type { HubClaim } from '../hub-claims.ts'

const MAX_WARNED = 1_024

/** Warns of a node that says to be hub by a lease that cannot be: once of each. */
export function createWarning(logger: Logger): (pool: string, claim: HubClaim) => void {
  const warned = new Set<string>()
  return (pool, { peer, token }) => {
    const claim = `${pool} ${peer}`
    if (warned.has(claim)) return
    if (warned.size >= MAX_WARNED) warned.clear()
    warned.add(claim)
    logger.warn('a node says to be hub of a pool by a lease that cannot be; it is not believed. Look at that node, and shut it out if it lies: skein consensus propose ban/<peer id> "<reason>"', { peer, pool, token })
  }
}
