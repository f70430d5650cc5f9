import { ERROR_CODES } from '../../base/error-codes.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { AdmissionRules } from '../../net/admission-protocol.ts'
import type { Rpc } from '../../rpc/types.ts'
import type { Admission } from '../../security/admission.ts'
import type { Forward } from '../../security/ports.ts'
import { decodeAdmissionAnswer } from '../../wire/admission.ts'
import { METHOD } from '../../wire/protocols.ts'

/** The issuer's own work is a signature and a disk write; the rest is the way there. */
const FORWARD_TIMEOUT_MS = 10_000

/** @param issuer peer id; without it that of the federation */
export type TowardIssuer = (issuer?: string) => string | undefined

export interface AdmissionRuleDeps {
  rpc: () => Rpc
  isBanned: (peer: string) => boolean
  /** The issuer itself, or who is nearer to it. @default only the issuer itself is asked */
  towardIssuer?: TowardIssuer
  /** A member took this node, or refused it as banned. @default nobody wants to know */
  met?: (peer: string, how: 'taken' | 'banned') => void
}

/** Joins the admission rules (security/) to the streams (net/); requests for other issuers travel over RPC. */
export function admissionRules(admission: Admission, { rpc, isBanned, met, towardIssuer }: AdmissionRuleDeps): AdmissionRules {
  const forward: Forward = async (issuer, request, { signal }) => {
    const { body } = await rpc().call(towardIssuer?.(issuer) ?? issuer, METHOD.ADMISSION_REDEEM, request, { timeout: FORWARD_TIMEOUT_MS, signal })
    return body
  }
  return {
    presentRequest: () => (admission.federation() === undefined ? undefined : admission.presentRequest()),
    isBanned,
    checkPresentAnswer(answer, peer) {
      if (isBanned(peer)) throw new SkeinError('SKEIN_NOT_ADMITTED', 'the federation has banned that node')
      try {
        const { expires } = admission.readPresentAnswer(answer, peer)
        met?.(peer, 'taken')
        return { expires }
      } catch (error) {
        if (isSkeinError(error, 'SKEIN_BANNED')) met?.(peer, 'banned')
        throw error
      }
    },
    async answer(request, peer) {
      const { bytes, admitted } = await admission.answer(request, peer, forward)
      const told = decodeAdmissionAnswer(bytes)
      // Asking again while an issuer is away is what we tell peers to do: only what can never succeed counts against them.
      const refused = !told.ok && ERROR_CODES[told.code].retry === 'never'
      return { answer: bytes, refused, ...(admitted === undefined ? {} : { admitted: { expires: admitted.expires } }) }
    }
  }
}

/**
 * The other side of a forwarded join or renewal: the issuer answers, a hub passes it on toward the issuer. Tiers rise on the way, and all of
 * it has one deadline, so it ends.
 */
export function serveForwardedAdmission(rpc: Rpc, admission: Admission, toward: TowardIssuer = () => undefined): void {
  rpc.handle(METHOD.ADMISSION_REDEEM, (exchange) => {
    const next = admission.federation()?.issuer === true ? undefined : toward()
    if (next === undefined || next === exchange.peer) return exchange.end(admission.answerForwarded(exchange.body, exchange.peer))
    const controller = new AbortController()
    exchange.onCancel((reason) => controller.abort(reason))
    rpc.call(next, METHOD.ADMISSION_REDEEM, exchange.body, { timeout: FORWARD_TIMEOUT_MS, signal: controller.signal }).then(
      ({ body }) => exchange.end(body),
      (error: unknown) => exchange.fail(toSkeinError(error))
    )
  })
}
