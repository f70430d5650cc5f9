import { SkeinError } from '../../base/errors.ts'
import type { Outcome } from './events.ts'

/** What a caller is told of a proposal that was not decided. */
export function outcomeError(pool: string, key: string, outcome: Exclude<Outcome, { type: 'decided' }>): SkeinError {
  const what = `${key} in pool ${pool}`
  switch (outcome.type) {
    case 'conflict':
      return new SkeinError('SKEIN_CONFLICT', `${what} was not changed: ${outcome.why}`, { data: { why: outcome.why, ...(outcome.current && { current: outcome.current.version }) } })
    case 'no-quorum':
      return new SkeinError('SKEIN_NO_QUORUM', `${what}: no quorum of its voters (${outcome.why}); nothing was changed: see skein consensus ls for who is missing`)
    case 'expired':
      return new SkeinError('SKEIN_PROPOSAL_EXPIRED', `${what} was not changed, and will not be: ${outcome.why}; try again`)
    case 'unknown':
      return new SkeinError('SKEIN_OUTCOME_UNKNOWN', `${what}: ${outcome.why}`)
    case 'busy':
      return new SkeinError('SKEIN_BUSY', outcome.why)
  }
}
