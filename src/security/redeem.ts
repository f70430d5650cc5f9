import type { Random } from '../base/random.ts'
import { SkeinError } from '../base/errors.ts'
import type { CredentialBundle } from '../wire/admission-documents.ts'
import { issueCredential, isoTime, type IssuerKit } from './credential.ts'
import type { TokenStore } from './ports.ts'
import { verifyToken, type VerifiedToken } from './token.ts'

/** A token that is good and for this federation. Throws SKEIN_TOKEN_INVALID, SKEIN_TOKEN_EXPIRED or SKEIN_TOKEN_FOREIGN. */
export function readOwnToken(text: string, federation: { id: string; name: string }, now: number): VerifiedToken {
  const token = verifyToken(text, now)
  if (token.federation !== federation.id) {
    throw new SkeinError('SKEIN_TOKEN_FOREIGN', `the token is for federation "${token.name}" (${token.federation}); the node that was asked belongs to "${federation.name}" (${federation.id})`)
  }
  return token
}

/**
 * At the token's issuer: takes a use for `subject` and admits it. The same peer with the same token gets a credential again
 * without a second use, so that an answer lost on the way costs nothing. Throws SKEIN_TOKEN_EXPIRED, SKEIN_TOKEN_USED or SKEIN_TOKEN_INVALID.
 */
export function redeemToken(token: VerifiedToken, subject: string, issuer: IssuerKit, deps: { tokens: TokenStore; now: number; random: Random }): CredentialBundle {
  // The issuer's own clock set the time: the mercy that other clocks are given would only prolong the token.
  if (deps.now > token.expires) throw new SkeinError('SKEIN_TOKEN_EXPIRED', `the token expired on ${isoTime(token.expires)}: ask for a new one`)
  const outcome = deps.tokens.redeem(token.hex, subject, deps.now)
  if (outcome === 'used') {
    const times = token.uses === 1 ? 'by another node' : `${token.uses} times`
    throw new SkeinError('SKEIN_TOKEN_USED', `the token ${token.hex.slice(0, 8)} was used ${times} already (it would expire on ${isoTime(token.expires)}): ask for a new one`)
  }
  if (outcome === 'unknown') {
    throw new SkeinError('SKEIN_TOKEN_INVALID', `its issuer has no record of the token ${token.hex.slice(0, 8)}, so it cannot be counted: ask for a new one`)
  }
  return issueCredential(issuer, subject, token, deps)
}
