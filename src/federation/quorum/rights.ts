import type { ForwardRequest, QuorumRequest, Refused } from '../../wire/quorum-types.ts'
import { HUB_KEY, VOTERS_KEY } from './types.ts'

/** Where settings and bans are proposed, for whoever was refused. */
export const WHO_MAY =
  'this node may not propose it: settings and bans are proposed at the voters of root, at the founder of the federation, and at nodes whose credential is of a hub tier (a token made with --tier global, regional or local); skein consensus ls names the voters'

export interface RightsFacts {
  /** In the pool, below it, or one of its voters. */
  isKnown(peer: string): boolean
  isVoter(peer: string): boolean
  /** There is such a register in this pool. */
  isRegister(key: string): boolean
  /** Settings and bans. */
  mayPropose(peer: string): boolean
}

/** What nobody may ask of this node: undefined, or the refusal. Whoever proposes to voters must be one; that is seen when the voters it knows are. */
export function refusalOf(request: QuorumRequest, from: string, facts: RightsFacts): Refused | undefined {
  if (!facts.isKnown(from)) return { kind: 'refused', reason: 'closed', why: 'this node does not know who asks as a member of that pool: ask again in a moment' }
  return request.kind === 'forward' ? forwardProblem(request, from, facts) : undefined
}

function forwardProblem({ what, key }: ForwardRequest, from: string, facts: RightsFacts): Refused | undefined {
  const no = (why: string): Refused => ({ kind: 'refused', reason: 'not-permitted', why })
  if (what === 'voters') return facts.isVoter(from) ? undefined : no('only a voter changes who votes')
  if (!facts.isRegister(key)) return no(`there is no register ${key} in this pool`)
  if (what === 'read' || facts.isVoter(from)) return undefined
  // Whoever leads is one of the voters.
  if (key === HUB_KEY || key === VOTERS_KEY) return no('only a voter takes the lease of a hub')
  return facts.mayPropose(from) ? undefined : no(WHO_MAY)
}
