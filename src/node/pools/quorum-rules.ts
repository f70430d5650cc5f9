import type { QuorumGroup } from '../../federation/quorum/driver-types.ts'
import type { Permits } from '../../federation/quorum/ports.ts'
import { HUB_KEY, VOTERS_KEY } from '../../federation/quorum/types.ts'
import type { Tiers } from '../../federation/tiers/types.ts'
import { parseRegisterKey } from '../../wire/federation-registers.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { banProblem } from './ban-problem.ts'

/** Of a credential, not of what a node says about itself: whoever made its token meant it to be a hub. */
const HUB_TIERS: ReadonlySet<string> = new Set(['global', 'regional', 'local'])

export interface QuorumRuleFacts {
  /** Peer id of the federation's founder. */
  founder: string
  group(pool: string): Pick<QuorumGroup, 'voters'> | undefined
  isBanned(peer: string): boolean
  /** As its credential has it; undefined: no member of any pool of this node. */
  tierOf(peer: string): string | undefined
  tiers(): Pick<Tiers, 'permits'>
}

/** What this node votes for, and for whom it puts something to the vote; as QuorumDeps wants it. */
export interface QuorumNodeRules {
  permits: Permits
  mayPropose(pool: string, from: string): boolean
  isRegister(pool: string, key: string): boolean
}

export function createQuorumRules({ founder, group, isBanned, tierOf, tiers }: QuorumRuleFacts): QuorumNodeRules {
  const isRegister = (pool: string, key: string) => key === HUB_KEY || key === VOTERS_KEY || (pool === ROOT_POOL && parseRegisterKey(key) !== undefined)
  return {
    isRegister,
    mayPropose: (_pool, from) => from === founder || HUB_TIERS.has(tierOf(from) ?? ''),
    permits(pool, key, current, next, about) {
      if (!isRegister(pool, key)) return `this voter knows no register ${key} in this pool`
      const register = next.data === undefined ? undefined : parseRegisterKey(key)
      if (register?.kind !== 'ban') return tiers().permits(pool, key, current, next, about)
      return banProblem(register.peer, { founder, voters: group(pool)?.voters().peers ?? [], isBanned }) ?? true
    }
  }
}
