import type { QuorumGroup } from '../../federation/quorum/driver-types.ts'
import type { Permits } from '../../federation/quorum/ports.ts'
import { HUB_KEY, VOTERS_KEY } from '../../federation/quorum/types.ts'
import type { Tiers } from '../../federation/tiers/types.ts'
import { parseRegisterKey } from '../../wire/federation-registers.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'

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

/** What speaks against a ban, as a sentence; undefined: nothing. A ban that stops the federation from deciding could never be taken back. */
export function banProblem(peer: string, facts: {
  /** It signs the credentials of all others, or those of whoever signs them. */
  founder: string
  /** Of root. */
  voters: readonly string[]
  isBanned(peer: string): boolean
}): string | undefined {
  const { founder, voters, isBanned } = facts
  if (peer === founder) return 'The founder of the federation cannot be banned: it signs the credentials of all, and without it they end.'
  if (!voters.includes(peer)) return undefined
  const left = voters.filter((voter) => voter !== peer && !isBanned(voter)).length
  // Leases and voters need a majority of the configured ones: with less, no other voter could be put in its place.
  if (left > voters.length / 2) return undefined
  return `${peer} is one of ${voters.length} voters of root: without it nothing could be decided any more, not even to take the ban back. Wait until there are more voters (\`skein consensus ls\`), or until those banned before were replaced.`
}
