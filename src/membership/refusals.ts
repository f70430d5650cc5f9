import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { MembershipMetrics, Rejection } from './metrics.ts'

/** Senders of bad messages named in the log, once each; the oldest is forgotten. */
const MAX_WARNED = 256

/** Counts what is not believed, and names each sender once. */
export interface Refusals {
  /** @param otherwise the reason, if the error does not name a better one */
  refuse(from: string, error: unknown, otherwise: Rejection): void
  warnOnce(from: string | undefined, reason: string, message?: string): void
}

export function createRefusals({ logger, metrics, nameOf }: { logger: Logger; metrics: Pick<MembershipMetrics, 'rejected'>; nameOf(peer: string): string | undefined }): Refusals {
  const warned = new Set<string>()

  function warnOnce(from: string | undefined, reason: string, message?: string): void {
    if (from === undefined || warned.has(from)) return
    warned.add(from)
    if (warned.size > MAX_WARNED) warned.delete(warned.values().next().value as string)
    const error = message === undefined ? {} : { error: message }
    logger.warn('a node sent something about members that is not believed; more from there will only be counted', { node: nameOf(from), from, reason, ...error })
  }

  return {
    refuse(from, error, otherwise) {
      const said = (error as { data?: { reason?: unknown } } | undefined)?.data?.reason
      const reason = said === 'foreign' || said === 'forged' ? said : otherwise
      metrics.rejected(reason)
      warnOnce(from, reason, error === undefined ? undefined : errorMessage(error))
    },
    warnOnce
  }
}
