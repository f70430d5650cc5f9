import { SkeinError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import {
  decodeTokenBundle,
  encodeTokenBundle,
  federationIdOf,
  MAX_TOKEN_ADDRESSES,
  MAX_USES,
  openIssuerCertificate,
  openToken,
  sealToken,
  SERIAL_BYTES,
  type JoinToken,
  type Standing
} from '../wire/admission-documents.ts'
import { MAX_TOKEN_TEXT } from '../wire/admission.ts'
import { isIssuer, isoTime, openOr, reason, type IssuerKit, type RefusalReason } from './credential.ts'
import { CLOCK_SKEW, MAX_TOKEN_LIFETIME, TOKEN_LIFETIME } from './limits.ts'

const PREFIX = 'skein_'
/** What people paste may be wrapped and indented; more than this is not a token. */
const MAX_PASTED = 4 * MAX_TOKEN_TEXT

export interface VerifiedToken extends JoinToken {
  /** The authority's raw public key. */
  authority: Uint8Array
  /** The id as stores and people see it. */
  hex: string
}

/**
 * Reads a pasted token: white space anywhere is ignored. Checks the form, the signatures from the authority down, and the time;
 * whether a use is left only its issuer knows. Throws SKEIN_TOKEN_INVALID or SKEIN_TOKEN_EXPIRED.
 * @param now unix ms
 */
export function verifyToken(text: string, now: number): VerifiedToken {
  const bundle = openOr(invalid, () => decodeTokenBundle(tokenBytes(text)))
  const { certificate, token } = openOr(damaged, () => ({ certificate: openIssuerCertificate(bundle.certificate), token: openToken(bundle.token) }))
  const { document } = token
  if (!isIssuer(certificate, bundle.authority, token.publicKey) || document.issuer !== token.signer) {
    throw invalid('issuer', 'the token is not signed by an issuer of its federation: ask for a new one')
  }
  if (document.federation !== federationIdOf(bundle.authority)) throw invalid('foreign', 'the token names another federation than its signature: ask for a new one')
  const expires = Math.min(document.expires, certificate.document.expires)
  if (now > expires + CLOCK_SKEW) {
    throw new SkeinError('SKEIN_TOKEN_EXPIRED', `the token expired on ${isoTime(expires)}: ask for a new one`, reason('expired'))
  }
  if (now < certificate.document.notBefore - CLOCK_SKEW) throw invalid('early', 'the issuer of the token is certified only from the future: check the clock of this machine')
  return { ...document, authority: bundle.authority, hex: Buffer.from(document.id).toString('hex') }
}

/** The token's text without what pasting added. */
export function trimToken(text: string): string {
  if (text.length > MAX_PASTED) throw invalid('malformed', `a token has at most ${MAX_TOKEN_TEXT} characters; this is something else`)
  const token = text.replaceAll(/\s+/g, '')
  if (!token.startsWith(PREFIX)) throw invalid('malformed', `a token starts with ${PREFIX}: paste all of it`)
  if (token.length > MAX_TOKEN_TEXT) throw invalid('malformed', `a token has at most ${MAX_TOKEN_TEXT} characters, this one has ${token.length}`)
  return token
}

function tokenBytes(text: string): Uint8Array {
  const body = trimToken(text).slice(PREFIX.length)
  const bytes = Buffer.from(body, 'base64url')
  // Buffer skips what is not base64; a token has one spelling.
  if (bytes.toString('base64url') !== body) throw new Error('the token is damaged or cut off: paste all of it')
  return bytes
}

export interface TokenRequest extends Standing {
  /** Unix ms. @default a day from now */
  expires?: number
  /** How many nodes may join with it. @default 1 */
  uses?: number
  /** Multiaddrs with /p2p of nodes to join through; the first ones that fit are used. */
  addresses: readonly string[]
}

/** A new token: its text for people and its content for the issuer's store. Throws SKEIN_USAGE. */
export function issueToken(issuer: IssuerKit, request: TokenRequest, { now, random }: { now: number; random: Random }): { text: string; token: JoinToken } {
  const { expires = now + TOKEN_LIFETIME, uses = 1 } = request
  if (!Number.isInteger(uses) || uses < 1 || uses > MAX_USES) throw new SkeinError('SKEIN_USAGE', `a token's uses must be from 1 to ${MAX_USES}`)
  if (!Number.isSafeInteger(expires) || expires <= now || expires > now + MAX_TOKEN_LIFETIME) {
    throw new SkeinError('SKEIN_USAGE', 'a token must expire in the future and within 365 days')
  }
  const token: JoinToken = {
    federation: issuer.federation.id,
    name: issuer.federation.name,
    id: random.bytes(SERIAL_BYTES),
    issuer: issuer.signer.peer,
    tier: request.tier,
    region: request.region,
    roles: request.roles,
    expires,
    uses,
    addresses: []
  }
  const render = (count: number) => {
    token.addresses = request.addresses.slice(0, count)
    const envelope = sealToken(token, issuer.signer)
    const bundle = encodeTokenBundle({ authority: issuer.authority, certificate: issuer.certificate, token: envelope })
    return { envelope, text: PREFIX + Buffer.from(bundle).toString('base64url') }
  }
  let count = Math.min(request.addresses.length, MAX_TOKEN_ADDRESSES)
  let rendered = render(count)
  while (rendered.text.length > MAX_TOKEN_TEXT && count > 0) rendered = render(--count)
  // Reading it back refuses here what every reader would refuse: a name or a role that is too long, or has control characters.
  try {
    openToken(rendered.envelope)
    trimToken(rendered.text)
  } catch (error) {
    throw new SkeinError('SKEIN_USAGE', `no token can be made: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  return { text: rendered.text, token }
}

function invalid(why: RefusalReason, message: string, cause?: unknown): SkeinError {
  return new SkeinError('SKEIN_TOKEN_INVALID', message, { ...reason(why), ...(cause === undefined ? {} : { cause }) })
}

function damaged(why: RefusalReason, message: string, cause?: unknown): SkeinError {
  return invalid(why, `the token was changed or damaged (${message}): paste it again or ask for a new one`, cause)
}
