import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import type { CredentialBundle, Standing } from '../wire/admission-documents.ts'
import type { Signer } from '../wire/envelope.ts'

/** A token as its issuer remembers it. Times are unix ms. */
export interface StoredToken extends Standing {
  /** The 16 bytes in lower-case hexadecimal. */
  id: string
  created: number
  expires: number
  uses: number
}

/**
 * `admitted`: this peer took one use. `again`: it had one already, no second is taken. `used`: no use is left. `unknown`: no such token.
 */
export type Redemption = 'admitted' | 'again' | 'used' | 'unknown'

export interface TokenStore {
  /**
   * Tokens that expired over a week ago are forgotten. Throws SKEIN_LIMIT when too many are still good.
   * On disk when it returns.
   */
  create(token: StoredToken): void
  /** Newest first. */
  list(): (StoredToken & { used: number })[]
  /** One transaction, on disk when it returns: a crash afterwards cannot give the use away twice. */
  redeem(id: string, peer: string, now: number): Redemption
}

/** The federation this node belongs to. */
export interface FederationState {
  id: string
  name: string
  /** The authority's raw public key. */
  authority: Uint8Array
  /** Our credential, with the certificate of whoever issued it. */
  bundle: CredentialBundle
  /** If we are an issuer: our certificate's envelope. */
  certificate?: Uint8Array
  /** If we founded the federation: the authority's 32-byte Ed25519 seed. */
  authoritySeed?: Uint8Array
}

export interface FederationStore {
  load(): FederationState | undefined
  /** On disk when it returns. */
  save(state: FederationState): void
}

/** Hands a request to another member (an RPC call of ADMISSION_REDEEM) and gives back its answer. */
export type Forward = (issuer: string, request: Uint8Array, options: { signal: AbortSignal }) => Promise<Uint8Array>

export interface AdmissionDeps {
  clock: Clock
  random: Random
  logger: Logger
  meter: Meter
  /** This node's own key. */
  signer: Signer
  tokens: TokenStore
  federation: FederationStore
  /** The federation has banned this peer: no token and no credential helps it. @default nobody is */
  isBanned?(peer: string): boolean
}
