import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { verifyCredential } from '../../security/credential.ts'
import type { CredentialBundle } from '../../wire/admission-documents.ts'
import { MAX_ORIGIN, decodeOrigin, encodeOrigin } from '../../wire/relay.ts'

/** Credentials of nodes of other pools that were found good: those that call here within an hour. The oldest goes and is checked again. */
const MAX_CHECKED = 1_024
/** … and is believed for so long, ms, though it may last for a month: the certificate above it may end before. */
const CHECKED_FOR = 3_600_000

/** The own credential is read anew so often, ms: to take it out checks its signature, and a renewed one replaces it long before its end. */
const OWN_FOR = 10_000

export interface OriginDeps {
  clock: Clock
  /** This node's own credential as it is now. */
  credential(): CredentialBundle
  /** The federation banned this node; asked for each exchange. @default nobody is */
  banned?(peer: string): boolean
}

/** What nodes of different pools show each other (protocols/rpc.md, "From another pool"); as RelayDeps and ReachDeps want it. */
export interface Origins {
  /** Undefined: it is too large for an OPEN, and this node is served within its pools only. */
  origin(): Uint8Array | undefined
  standing(origin: string, bundle: Uint8Array): boolean
}

export function createOrigins({ clock, credential, banned }: OriginDeps, { federation }: { federation: string }): Origins {
  /** Until when, unix ms; by peer and hash. Bad ones are not kept: to check one costs no more than to check a ticket. */
  const checked = new Map<string, number>()
  let own: { bytes: Uint8Array; at: number } | undefined

  function check(origin: string, bytes: Uint8Array, now: number): number | undefined {
    try {
      const { expires } = verifyCredential(decodeOrigin(bytes), { federation, peer: origin, now })
      return Math.min(expires, now + CHECKED_FOR)
    } catch {
      return undefined
    }
  }

  return {
    origin() {
      const now = clock.now()
      if (own === undefined || now - own.at > OWN_FOR) own = { bytes: encodeOrigin(credential()), at: now }
      return own.bytes.length > MAX_ORIGIN ? undefined : own.bytes
    },
    standing(origin, bundle) {
      if (banned?.(origin) === true) return false
      const key = `${origin} ${createHash('sha256').update(bundle).digest('base64')}`
      const now = clock.wall()
      if (now < (checked.get(key) ?? -Infinity)) return true
      checked.delete(key)
      const until = check(origin, bundle, now)
      if (until === undefined) return false
      checked.set(key, until)
      if (checked.size > MAX_CHECKED) checked.delete(checked.keys().next().value as string)
      return true
    }
  }
}
