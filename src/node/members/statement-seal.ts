import type { Clock } from '../../base/clock.ts'
import type { StatementSeal } from '../../membership/ports.ts'
import { verifyCredential } from '../../security/credential.ts'
import type { Signer } from '../../wire/envelope.ts'
import { sealStatement, verifyStatement } from '../../wire/swim-statements.ts'
import type { AliveStatement } from '../../wire/swim-types.ts'

/** As many as a pool has members (membership/table.ts); the one that was looked up first goes first. */
const MAX_STANDINGS = 4_096
/** A credential that was good is looked at again after this time, ms: certificates above it end too. */
const TRUSTED_FOR = 10 * 60_000

export interface SealDeps {
  clock: Clock
  signer: Signer
  /** The federation has banned this peer: no credential helps. @default nobody is */
  isBanned?(peer: string): boolean
}

interface Known {
  tier: string
  region: string
  /** Unix ms. */
  until: number
}

/**
 * For a pool: signs with the node's key, and believes who shows a credential of the federation. What a credential says holds in all
 * pools, so it is looked at once.
 */
export function createStatementSeals({ clock, signer, isBanned = () => false }: SealDeps, { federation }: { federation: string }): (pool: string) => StatementSeal {
  /** By subject and credential: what one member may show, another may not. */
  const known = new Map<string, Known>()

  function check({ subject, credential: bundle }: AliveStatement, now: number): Known | undefined {
    try {
      const { tier, region, expires } = verifyCredential(bundle, { federation, peer: subject, now })
      return { tier, region, until: Math.min(expires, now + TRUSTED_FOR) }
    } catch {
      // Not remembered: clocks that differ come together again, and the next one may be another's.
      return undefined
    }
  }

  function standing(alive: AliveStatement): Known | undefined {
    if (isBanned(alive.subject)) return undefined
    const now = clock.wall()
    const { authority, certificate, credential } = alive.credential
    const key = [alive.subject, ...[authority, certificate, credential].map((bytes) => Buffer.from(bytes).toString('latin1'))].join(' ')
    const before = known.get(key)
    if (before !== undefined && before.until > now) return before
    known.delete(key)
    const found = check(alive, now)
    if (found === undefined) return undefined
    known.set(key, found)
    if (known.size > MAX_STANDINGS) known.delete(known.keys().next().value as string)
    return found
  }

  return (pool) => {
    const scope = { federation, pool }
    return { seal: (statement) => sealStatement(statement, scope, signer), verify: (sealed) => verifyStatement(sealed, scope), standing }
  }
}
