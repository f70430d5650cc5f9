import type { Random } from '../base/random.ts'
import { SkeinError } from '../base/errors.ts'
import { federationIdOf, MAX_NAME, openIssuerCertificate, sealIssuerCertificate, type Standing } from '../wire/admission-documents.ts'
import { KEY_BYTES, signerFromSeed, type Signer } from '../wire/envelope.ts'
import { issueCredential, type IssuerKit } from './credential.ts'
import { CERTIFICATE_LIFETIME, isDue } from './limits.ts'
import type { FederationState } from './ports.ts'

export interface Founding extends Standing {
  /** The federation's name, for people. */
  name: string
}

/** A new federation: its authority key, this node certified as its first issuer and admitted as its first member. Throws SKEIN_USAGE. */
export function createAuthority(founding: Founding, deps: { signer: Signer; random: Random; now: number; lifetime?: number | undefined }): FederationState {
  if (founding.name === '' || founding.name.length > MAX_NAME || /\p{Cc}/u.test(founding.name)) {
    throw new SkeinError('SKEIN_USAGE', `a federation's name must be 1 to ${MAX_NAME} characters on one line`)
  }
  const authoritySeed = deps.random.bytes(KEY_BYTES)
  const authority = signerFromSeed(authoritySeed)
  const id = federationIdOf(authority.publicKey)
  const certificate = certify(id, authority, deps)
  const kit = { signer: deps.signer, certificate, authority: authority.publicKey, federation: { id, name: founding.name }, lifetime: deps.lifetime }
  const bundle = issueCredential(kit, deps.signer.peer, founding, deps)
  return { id, name: founding.name, authority: authority.publicKey, authoritySeed, certificate, bundle }
}

/** The founder's certificate, made anew when two thirds of its life are over. Returns the same state if there is nothing to do. */
export function renewCertificate(state: FederationState, deps: { signer: Signer; now: number }): FederationState {
  if (state.authoritySeed === undefined || state.certificate === undefined) return state
  const { notBefore, expires } = openIssuerCertificate(state.certificate).document
  if (!isDue(notBefore, expires, deps.now)) return state
  return { ...state, certificate: certify(state.id, signerFromSeed(state.authoritySeed), deps) }
}

/** What an issuer signs with; undefined if this node is none. */
export function issuerKit(state: FederationState, signer: Signer, lifetime?: number): IssuerKit | undefined {
  if (state.certificate === undefined) return undefined
  return { signer, certificate: state.certificate, authority: state.authority, federation: { id: state.id, name: state.name }, lifetime }
}

function certify(federation: string, authority: Signer, { signer, now }: { signer: Signer; now: number }): Uint8Array {
  return sealIssuerCertificate({ federation, issuer: signer.publicKey, notBefore: now, expires: now + CERTIFICATE_LIFETIME }, authority)
}
