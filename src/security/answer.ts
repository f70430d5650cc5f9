import { errorMessage, isSkeinError, SkeinError } from '../base/errors.ts'
import { openCredential, type CredentialBundle } from '../wire/admission-documents.ts'
import { decodeAdmissionAnswer, decodeAdmissionRequest, encodeAdmissionAnswer, encodeAdmissionRequest, type AdmissionAnswer, type AdmissionRequest } from '../wire/admission.ts'
import { shortPeerId } from '../wire/peer-id.ts'
import { issueCredential, verifyCredential, type IssuerKit, type VerifiedCredential } from './credential.ts'
import { FORWARD_TIMEOUT, MAX_FORWARDS } from './limits.ts'
import type { AdmissionKind, AdmissionMetrics } from './metrics.ts'
import type { AdmissionDeps, FederationState, Forward } from './ports.ts'
import { readOwnToken, redeemToken } from './redeem.ts'

/** What a banned node is told, whatever it asks for. */
export const BANNED = 'the federation has banned this node: its operators say why, and may take it back'

/** The answering side of the admission protocol. Nothing here throws: what goes wrong becomes a refusal. */
export interface AdmissionAnswerer {
  /**
   * Answers present, join and renew of a connected peer. A token of another issuer goes to it through `forward`.
   * @param remote peer id, proven by the transport
   * @returns `admitted`: the credential that `remote` has just shown; only then may it be served anything else
   */
  answer(request: Uint8Array, remote: string, forward: Forward): Promise<{ bytes: Uint8Array; admitted?: VerifiedCredential }>
  /** At the issuer: answers a request that a member (`from`) forwarded. */
  answerForwarded(request: Uint8Array, from: string): Uint8Array
}

export interface AnswererDeps extends Pick<AdmissionDeps, 'clock' | 'random' | 'logger' | 'signer' | 'tokens' | 'isBanned'> {
  metrics: AdmissionMetrics
  /** Our federation; throws SKEIN_NOT_ADMITTED if there is none. */
  member(): FederationState
  /** What we sign with if we are an issuer. */
  kit(): IssuerKit | undefined
}

export function createAnswerer(deps: AnswererDeps): AdmissionAnswerer {
  const { clock, random, logger, signer, tokens, metrics, member, kit, isBanned = () => false } = deps
  let forwarding = 0

  function refuseBanned(peer: string): void {
    if (isBanned(peer)) throw new SkeinError('SKEIN_BANNED', BANNED)
  }

  function admit(subject: string, request: { token: string; name: string }, issuer: IssuerKit): CredentialBundle {
    refuseBanned(subject)
    const now = clock.wall()
    return redeemToken(readOwnToken(request.token, member(), now), subject, issuer, { tokens, now, random })
  }

  function renew(credential: VerifiedCredential, issuer: IssuerKit): CredentialBundle {
    refuseBanned(credential.subject)
    return issueCredential(issuer, credential.subject, credential, { now: clock.wall(), random })
  }

  /** Another issuer's answer, if it comes in time. */
  async function ask(issuer: string, request: AdmissionRequest, forward: Forward): Promise<AdmissionAnswer> {
    if (forwarding >= MAX_FORWARDS) throw new SkeinError('SKEIN_BUSY', `this node is asking issuers for ${MAX_FORWARDS} others already: try again soon, or through another node`)
    const controller = new AbortController()
    let timer
    forwarding++
    try {
      const late = new Promise<never>((_, reject) => {
        timer = clock.after(FORWARD_TIMEOUT, () => {
          const error = new SkeinError('SKEIN_DEADLINE', `no answer within ${FORWARD_TIMEOUT / 1000} s`)
          controller.abort(error)
          reject(error)
        })
      })
      return decodeAdmissionAnswer(await Promise.race([forward(issuer, encodeAdmissionRequest(request), { signal: controller.signal }), late]))
    } catch (error) {
      logger.warn('an issuer could not be asked', { issuer, error: errorMessage(error) })
      throw new SkeinError('SKEIN_ISSUER_UNREACHABLE', `the issuer ${issuer} (${shortPeerId(issuer)}) could not be reached: start that node or try again when it is back`, { cause: error })
    } finally {
      forwarding--
      ;(timer as { cancel(): void } | undefined)?.cancel()
    }
  }

  /** The issuer's bundle, or its own refusal in its own words. */
  async function bundleFrom(issuer: string, request: AdmissionRequest, forward: Forward): Promise<CredentialBundle> {
    const answer = await ask(issuer, request, forward)
    if (!answer.ok) throw new SkeinError(answer.code, answer.message)
    return answer.bundle
  }

  async function handle(request: AdmissionRequest, remote: string, forward: Forward): Promise<{ bundle: CredentialBundle; admitted?: VerifiedCredential }> {
    const { id, bundle } = member()
    refuseBanned(remote)
    const check = (shown: CredentialBundle) => verifyCredential(shown, { federation: id, peer: remote, now: clock.wall() })
    switch (request.kind) {
      case 'present':
        return { admitted: check(request.bundle), bundle }
      case 'renew': {
        const credential = check(request.bundle)
        const issuer = kit()
        return { bundle: issuer === undefined ? await bundleFrom(credential.issuer, request, forward) : renew(credential, issuer) }
      }
      case 'join': {
        const token = readOwnToken(request.token, member(), clock.wall())
        const issuer = kit()
        if (token.issuer === signer.peer && issuer !== undefined) return { bundle: admit(remote, request, issuer) }
        return { bundle: await bundleFrom(token.issuer, { ...request, kind: 'redeem', subject: remote }, forward) }
      }
      case 'redeem':
        throw new SkeinError('SKEIN_NOT_ADMITTED', 'only members may forward a join: send it as "join"')
    }
  }

  function handleForwarded(request: AdmissionRequest): CredentialBundle {
    const issuer = kit()
    if (issuer === undefined) throw new SkeinError('SKEIN_NOT_ISSUER', 'this node is no issuer and a request is forwarded only once: ask the issuer itself')
    if (request.kind === 'redeem') return admit(request.subject, request, issuer)
    if (request.kind !== 'renew') throw new SkeinError('SKEIN_PROTOCOL', `a request of kind ${request.kind} is not forwarded`)
    // The forwarding member has checked whose connection it came from; the credential can only ever serve its subject.
    const { subject } = openCredential(request.bundle.credential).document
    return renew(verifyCredential(request.bundle, { federation: member().id, peer: subject, now: clock.wall() }), issuer)
  }

  /** The audit trail: one line and one count for every answer. */
  function record(kind: AdmissionKind, fields: Record<string, unknown>, error?: SkeinError): void {
    metrics.request(kind, error?.code ?? 'ok')
    if (error === undefined) logger.info('admission granted', { kind, ...fields })
    else logger.warn('admission refused', { kind, ...fields, code: error.code, reason: error.message })
  }

  function refuse(kind: AdmissionKind, fields: Record<string, unknown>, error: unknown): Uint8Array {
    if (!isSkeinError(error)) logger.error('answering an admission request failed', { error: errorMessage(error) })
    // What broke inside is for our log; a stranger only hears that it did.
    const told = isSkeinError(error) ? error : new SkeinError('SKEIN_INTERNAL', 'this node could not answer; its log says why')
    record(kind, fields, told)
    return encodeAdmissionAnswer({ ok: false, code: told.code, message: told.message })
  }

  return {
    async answer(bytes, remote, forward) {
      let kind: AdmissionKind = 'unreadable'
      const fields: Record<string, unknown> = { peer: remote }
      try {
        const request = decodeAdmissionRequest(bytes)
        kind = request.kind
        Object.assign(fields, nameOf(request))
        const { bundle, admitted } = await handle(request, remote, forward)
        record(kind, fields)
        return { bytes: encodeAdmissionAnswer({ ok: true, bundle }), ...(admitted === undefined ? {} : { admitted }) }
      } catch (error) {
        return { bytes: refuse(kind, fields, error) }
      }
    },
    answerForwarded(bytes, from) {
      let kind: AdmissionKind = 'unreadable'
      const fields: Record<string, unknown> = { from }
      try {
        const request = decodeAdmissionRequest(bytes)
        kind = request.kind
        Object.assign(fields, nameOf(request))
        const bundle = handleForwarded(request)
        record(kind, fields)
        return encodeAdmissionAnswer({ ok: true, bundle })
      } catch (error) {
        return refuse(kind, fields, error)
      }
    }
  }
}

function nameOf(request: AdmissionRequest): Record<string, unknown> {
  if (request.kind === 'redeem') return { name: request.name, subject: request.subject }
  return request.kind === 'join' ? { name: request.name } : {}
}
