import type { Random } from '../base/random.ts'
import { SkeinError, errorMessage } from '../base/errors.ts'
import {
  federationIdOf,
  openCredential,
  openIssuerCertificate,
  sealCredential,
  SERIAL_BYTES,
  type Credential,
  type CredentialBundle,
  type IssuerCertificate,
  type Signed,
  type Standing
} from '../wire/admission-documents.ts'
import { peerIdOfKey } from '../wire/peer-id.ts'
import type { Signer } from '../wire/envelope.ts'
import { CLOCK_SKEW, CREDENTIAL_LIFETIME } from './limits.ts'

export interface VerifiedCredential extends Credential {
  /** Peer id of whoever issued it. */
  issuer: string
}

export interface CredentialExpectation {
  /** The federation it must belong to. */
  federation: string
  /** The peer that shows it, proven by the transport. */
  peer: string
  /** Unix ms. */
  now: number
}

/** Why a document was refused; in `error.data.reason`. */
export type RefusalReason = 'malformed' | 'foreign' | 'issuer' | 'subject' | 'early' | 'expired'

/**
 * The chain from the federation id to the peer: authority key, issuer certificate, credential.
 * Throws SKEIN_CREDENTIAL_INVALID or SKEIN_CREDENTIAL_EXPIRED, with a RefusalReason in `data.reason`.
 */
export function verifyCredential(bundle: CredentialBundle, { federation, peer, now }: CredentialExpectation): VerifiedCredential {
  const { certificate, credential } = openOr(invalid, () => ({ certificate: openCertificate(bundle.certificate), credential: openCredential(bundle.credential) }))
  const { document } = credential
  if (federationIdOf(bundle.authority) !== federation || document.federation !== federation) {
    throw invalid('foreign', `the credential of this peer is for federation ${document.federation}, not for ${federation}; it must join this one with a token`)
  }
  if (!isIssuer(certificate, bundle.authority, credential.publicKey)) throw invalid('issuer', 'the credential is not signed by an issuer of this federation')
  if (document.subject !== peer) throw invalid('subject', `the credential belongs to ${document.subject}, not to ${peer} who shows it`)
  checkCertificateTime(certificate.document, now)
  if (now < document.issued - CLOCK_SKEW) throw invalid('early', 'the credential is from the future: check the clocks of both machines')
  if (now > document.expires + CLOCK_SKEW) {
    throw new SkeinError('SKEIN_CREDENTIAL_EXPIRED', `the credential expired on ${isoTime(document.expires)}; join again with a new token`, reason('expired'))
  }
  return { ...document, issuer: credential.signer }
}

/** All credentials of a federation stand under a few certificates, so each is opened and its signature checked once; the oldest are forgotten. */
const openedCertificates = new Map<string, Signed<IssuerCertificate>>()
const MAX_OPENED = 32

function openCertificate(bytes: Uint8Array): Signed<IssuerCertificate> {
  const key = Buffer.from(bytes).toString('latin1')
  const known = openedCertificates.get(key)
  if (known !== undefined) return known
  const certificate = openIssuerCertificate(bytes)
  openedCertificates.set(key, certificate)
  if (openedCertificates.size > MAX_OPENED) openedCertificates.delete(openedCertificates.keys().next().value as string)
  return certificate
}

/** Whether the certificate is the authority's word that `key` is an issuer of the authority's federation. */
export function isIssuer(certificate: Signed<IssuerCertificate>, authority: Uint8Array, key: Uint8Array): boolean {
  return (
    Buffer.compare(certificate.publicKey, authority) === 0 &&
    certificate.document.federation === federationIdOf(authority) &&
    Buffer.compare(certificate.document.issuer, key) === 0
  )
}

function checkCertificateTime({ notBefore, expires, issuer }: IssuerCertificate, now: number): void {
  const who = `the certificate of issuer ${peerIdOfKey(issuer)}`
  if (now < notBefore - CLOCK_SKEW) throw invalid('early', `${who} is from the future: check the clocks of both machines`)
  if (now > expires + CLOCK_SKEW) throw new SkeinError('SKEIN_CREDENTIAL_EXPIRED', `${who} expired on ${isoTime(expires)}; the founder must renew it`, reason('expired'))
}

export interface IssuerKit {
  signer: Signer
  /** Envelope of our certificate. */
  certificate: Uint8Array
  authority: Uint8Array
  federation: { id: string; name: string }
  /** Of the credentials it issues, ms. @default CREDENTIAL_LIFETIME */
  lifetime?: number | undefined
}

/** A new credential for `subject`; never outlives the issuer's certificate. */
export function issueCredential(issuer: IssuerKit, subject: string, standing: Standing, { now, random }: { now: number; random: Random }): CredentialBundle {
  const { document } = openIssuerCertificate(issuer.certificate)
  const credential: Credential = {
    federation: issuer.federation.id,
    name: issuer.federation.name,
    subject,
    tier: standing.tier,
    region: standing.region,
    roles: standing.roles,
    issued: now,
    expires: Math.min(now + (issuer.lifetime ?? CREDENTIAL_LIFETIME), document.expires),
    serial: random.bytes(SERIAL_BYTES)
  }
  return { authority: issuer.authority, certificate: issuer.certificate, credential: sealCredential(credential, issuer.signer) }
}

/** Opens documents; what is not even well formed becomes the given error with reason 'malformed'. */
export function openOr<T>(refuse: (why: RefusalReason, message: string, cause?: unknown) => SkeinError, open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw refuse('malformed', errorMessage(error), error)
  }
}

export function isoTime(ms: number): string {
  // Times of documents may be past what Date can print.
  return ms > 8.64e15 ? `${ms} ms` : new Date(ms).toISOString()
}

function invalid(why: RefusalReason, message: string, cause?: unknown): SkeinError {
  return new SkeinError('SKEIN_CREDENTIAL_INVALID', message, { ...reason(why), ...(cause === undefined ? {} : { cause }) })
}

export function reason(why: RefusalReason): { data: { reason: RefusalReason } } {
  return { data: { reason: why } }
}
