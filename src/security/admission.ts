import { SkeinError } from '../base/errors.ts'
import type { Credential, CredentialBundle } from '../wire/admission-documents.ts'
import { openCredential } from '../wire/admission-documents.ts'
import { decodeAdmissionAnswer, encodeAdmissionRequest } from '../wire/admission.ts'
import { createAnswerer, type AdmissionAnswerer } from './answer.ts'
import { createAuthority, issuerKit, renewCertificate, type Founding } from './authority.ts'
import { issueCredential, verifyCredential, type IssuerKit, type VerifiedCredential } from './credential.ts'
import { isDue } from './limits.ts'
import { createAdmissionMetrics } from './metrics.ts'
import type { AdmissionDeps, FederationState, StoredToken } from './ports.ts'
import { issueToken, trimToken, verifyToken, type TokenRequest } from './token.ts'

/** Who may be here: our federation, our credential, and both sides of the admission protocol, without any transport. */
export interface Admission extends AdmissionAnswerer {
  /** The federation this node belongs to; undefined before it founded or joined one. */
  federation(): { id: string; name: string; issuer: boolean } | undefined
  /** Founds a federation with this node as its issuer and first member. Throws SKEIN_ALREADY_JOINED. */
  found(founding: Founding): void
  /** Throws SKEIN_NOT_ADMITTED if this node has none. */
  myCredential(): { bundle: CredentialBundle; credential: Credential }
  presentRequest(): Uint8Array
  /** The credential of the peer that answered. Throws its refusal, or SKEIN_CREDENTIAL_*. */
  readPresentAnswer(answer: Uint8Array, remote: string): VerifiedCredential
  /** Throws SKEIN_TOKEN_INVALID, SKEIN_TOKEN_EXPIRED, or SKEIN_ALREADY_JOINED if this node is a member of another federation. */
  joinRequest(token: string, name: string): Uint8Array
  /** Checks and keeps our new credential: this node is a member now. Throws the refusal, or SKEIN_CREDENTIAL_*. */
  readJoinAnswer(answer: Uint8Array, token: string): VerifiedCredential
  renewRequest(): Uint8Array
  readRenewAnswer(answer: Uint8Array): VerifiedCredential
  /** An issuer needs nobody: renews its certificate (the founder) and its credential. False if this node is no issuer. */
  renewSelf(): boolean
  /** Two thirds of our credential's life are over. @param now unix ms */
  dueForRenewal(now: number): boolean
  /** Makes a token and remembers it for counting. Throws SKEIN_NOT_ISSUER, SKEIN_USAGE, SKEIN_LIMIT. */
  issueTokenText(request: TokenRequest): { text: string; token: StoredToken & { used: number } }
  /** The tokens made here, newest first. */
  tokens(): (StoredToken & { used: number })[]
}

export interface AdmissionOptions {
  /** Of the credentials this node issues, ms. @default 30 days */
  credentialLifetime?: number
}

export function createAdmission(deps: AdmissionDeps, { credentialLifetime: lifetime }: AdmissionOptions = {}): Admission {
  const { clock, random, signer, tokens } = deps
  const logger = deps.logger.child({ area: 'admission' })
  let state = deps.federation.load()
  if (state !== undefined && openCredential(state.bundle.credential).document.subject !== signer.peer) {
    throw new SkeinError('SKEIN_KEY_FILE', `the stored credential belongs to another key than this node's (${signer.peer}): restore the key file, or join again with an empty data directory`)
  }

  function member(): FederationState {
    if (state === undefined) throw new SkeinError('SKEIN_NOT_ADMITTED', 'this node belongs to no federation yet: found one or join one with a token')
    return state
  }
  function keep(next: FederationState): void {
    deps.federation.save(next)
    state = next
  }
  function credentialOf({ bundle }: FederationState): Credential {
    return openCredential(bundle.credential).document
  }
  function kit(): IssuerKit | undefined {
    return issuerKit(member(), signer, lifetime)
  }

  const metrics = createAdmissionMetrics(deps.meter, () => (state === undefined ? 0 : (credentialOf(state).expires - clock.wall()) / 1000))

  /** Our own credential as somebody else's answer gave it: believed only if it is one. */
  function accept(answer: Uint8Array, federation: string): { bundle: CredentialBundle; credential: VerifiedCredential } {
    const bundle = bundleOf(answer)
    return { bundle, credential: verifyCredential(bundle, { federation, peer: signer.peer, now: clock.wall() }) }
  }

  return {
    ...createAnswerer({ ...deps, logger, metrics, member, kit }),
    federation: () => state && { id: state.id, name: state.name, issuer: state.certificate !== undefined },
    found(founding) {
      if (state !== undefined) throw alreadyJoined(state)
      keep(createAuthority(founding, { signer, random, now: clock.wall(), lifetime }))
      logger.info('federation founded', { federation: member().id, name: founding.name })
    },
    myCredential: () => ({ bundle: member().bundle, credential: credentialOf(member()) }),
    presentRequest: () => encodeAdmissionRequest({ kind: 'present', bundle: member().bundle }),
    readPresentAnswer(answer, remote) {
      return verifyCredential(bundleOf(answer), { federation: member().id, peer: remote, now: clock.wall() })
    },
    joinRequest(text, name) {
      const token = verifyToken(text, clock.wall())
      if (state !== undefined && state.id !== token.federation) throw alreadyJoined(state)
      return encodeAdmissionRequest({ kind: 'join', token: trimToken(text), name })
    },
    readJoinAnswer(answer, text) {
      const token = verifyToken(text, clock.wall())
      if (state !== undefined && state.id !== token.federation) throw alreadyJoined(state)
      const { bundle, credential } = accept(answer, token.federation)
      // Joining one's own federation again must not lose the keys of an issuer.
      keep({ ...state, id: token.federation, name: credential.name, authority: bundle.authority, bundle })
      logger.info('joined a federation', { federation: token.federation, name: credential.name, issuer: credential.issuer })
      return credential
    },
    renewRequest: () => encodeAdmissionRequest({ kind: 'renew', bundle: member().bundle }),
    readRenewAnswer(answer) {
      const { bundle, credential } = accept(answer, member().id)
      if (credential.expires < credentialOf(member()).expires) throw new SkeinError('SKEIN_CREDENTIAL_INVALID', 'the renewed credential ends before the present one; it is not kept')
      keep({ ...member(), bundle })
      logger.info('credential renewed', { expires: credential.expires, issuer: credential.issuer })
      return credential
    },
    renewSelf() {
      if (state?.certificate === undefined) return false
      const now = clock.wall()
      const renewed = renewCertificate(state, { signer, now })
      const issuer = issuerKit(renewed, signer, lifetime)
      if (issuer === undefined) return false
      keep({ ...renewed, bundle: issueCredential(issuer, signer.peer, credentialOf(renewed), { now, random }) })
      logger.info('own credential renewed', { expires: credentialOf(member()).expires })
      return true
    },
    dueForRenewal(now) {
      if (state === undefined) return false
      const { issued, expires } = credentialOf(state)
      return isDue(issued, expires, now)
    },
    issueTokenText(request) {
      const issuer = kit()
      if (issuer === undefined) throw new SkeinError('SKEIN_NOT_ISSUER', 'this node may not make tokens: run the command on the node that founded the federation')
      const created = clock.wall()
      const { text, token } = issueToken(issuer, request, { now: created, random })
      const { tier, region, roles, expires, uses } = token
      const stored: StoredToken = { id: Buffer.from(token.id).toString('hex'), created, expires, uses, tier, region, roles }
      tokens.create(stored)
      logger.info('join token made', { token: stored.id, expires, uses, tier, region, roles })
      return { text, token: { ...stored, used: 0 } }
    },
    tokens: () => tokens.list()
  }
}

/** The bundle in an answer; a refusal is thrown with the refusing node's code and sentence. */
function bundleOf(bytes: Uint8Array): CredentialBundle {
  const answer = decodeAdmissionAnswer(bytes)
  if (!answer.ok) throw new SkeinError(answer.code, answer.message)
  return answer.bundle
}

/** For a token of another federation than the one this node is in. */
export function alreadyJoined({ id, name }: Pick<FederationState, 'id' | 'name'>): SkeinError {
  return new SkeinError('SKEIN_ALREADY_JOINED', `this node belongs to federation "${name}" (${id}): use another data directory to join a second one`)
}
