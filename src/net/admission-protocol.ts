import type { Connection, Stream } from '@libp2p/interface'
import type { Clock } from '../base/clock.ts'
import { SkeinError, errorMessage, isSkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { ADMISSION_PROTOCOL } from '../wire/protocols.ts'
import type { AdmittedConnections } from './admitted.ts'
import { readFramed, writeFramed } from './framed.ts'
import type { Gater } from './gater.ts'
import type { NetMetrics } from './metrics.ts'
import type { SkeinLibp2p } from './create-libp2p.ts'

/** What the network needs of the admission rules; the bytes are its own business. */
export interface AdmissionRules {
  /** Not to be dialled: nothing that it shows could help. @default nobody is */
  isBanned?(peer: string): boolean
  /** The request that shows our credential, or undefined while we have none. */
  presentRequest(): Uint8Array | undefined
  /** Checks the other side's answer to our `present`. Throws when it refused us or is not a member itself. */
  checkPresentAnswer(answer: Uint8Array, peer: string): { expires: number }
  /** Answers any admission request; `admitted` when the peer has just shown a credential, valid until `expires` (unix ms); `refused` when asking again cannot help. */
  answer(request: Uint8Array, peer: string): Promise<{ answer: Uint8Array; admitted?: { expires: number }; refused: boolean }>
}

/** One request and its answer, dial included elsewhere: generous for a loaded node, short enough to try the next address. */
export const EXCHANGE_TIMEOUT_MS = 10_000
/** A stranger has this long to present or join before its connection is closed: a join may wait for a distant issuer. */
export const STRANGER_TIMEOUT_MS = 20_000

export interface AdmissionProtocol {
  start(): Promise<void>
  /** One request to a connected peer. */
  request(connection: Connection, request: Uint8Array, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /** Shows our credential on a connection; resolves when both sides are admitted. */
  present(connection: Connection, options?: { signal?: AbortSignal }): Promise<void>
  opened(connection: Connection): void
}

export function createAdmissionProtocol(deps: {
  libp2p: SkeinLibp2p
  admitted: AdmittedConnections
  gater: Gater
  rules: AdmissionRules
  clock: Clock
  logger: Logger
  metrics: NetMetrics
}, { maxStrangers }: { maxStrangers: number }): AdmissionProtocol {
  const { libp2p, admitted, gater, rules, clock, logger, metrics } = deps

  async function withDeadline<T>(work: (signal: AbortSignal) => Promise<T>, outer?: AbortSignal): Promise<T> {
    outer?.throwIfAborted()
    const controller = new AbortController()
    const onOuter = () => controller.abort(outer?.reason)
    outer?.addEventListener('abort', onOuter, { once: true })
    const timer = clock.after(EXCHANGE_TIMEOUT_MS, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'the peer did not answer on the admission protocol in time')))
    try {
      return await work(controller.signal)
    } finally {
      timer.cancel()
      outer?.removeEventListener('abort', onOuter)
    }
  }

  async function serve(stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString()
    try {
      const request = await withDeadline((signal) => readFramed(stream, { signal }))
      const { answer, admitted: member, refused } = await rules.answer(request, peer)
      if (refused) gater.refused(peer)
      // Admitted before the answer leaves: the other side may use what it is allowed to the moment it reads it.
      if (member !== undefined) admitted.admit(connection, member.expires)
      writeFramed(stream, answer)
      await stream.close()
    } catch (error) {
      logger.debug('admission stream failed', { peer, error: errorMessage(error) })
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async function request(connection: Connection, bytes: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
    return withDeadline(async (signal) => {
      const stream = await connection.newStream(ADMISSION_PROTOCOL, { signal })
      try {
        const answer = readFramed(stream, { signal })
        // When sending throws, nobody waits for the answer any more, and a rejection without a listener ends the process.
        answer.catch(() => {})
        writeFramed(stream, bytes)
        return await answer
      } finally {
        stream.close().catch(() => {})
      }
    }, options.signal)
  }

  async function present(connection: Connection, options: { signal?: AbortSignal } = {}): Promise<void> {
    const credential = rules.presentRequest()
    if (credential === undefined) throw new SkeinError('SKEIN_NOT_ADMITTED', 'this node has no credential yet: join a federation first')
    try {
      const { expires } = rules.checkPresentAnswer(await request(connection, credential, options), connection.remotePeer.toString())
      admitted.admit(connection, expires)
      metrics.presents.with('accepted').inc()
    } catch (error) {
      metrics.presents.with(isSkeinError(error) ? 'refused' : 'failed').inc()
      throw error
    }
  }

  return {
    request,
    present,
    // Two streams at a time are enough for one request each way; a stranger gets no more.
    start: () => libp2p.handle(ADMISSION_PROTOCOL, serve, { maxInboundStreams: 2, maxOutboundStreams: 4 }),
    opened(connection) {
      const strangers = libp2p.getConnections().filter((other) => other.direction === 'inbound' && !admitted.has(other))
      if (strangers.length > maxStrangers) {
        // The oldest has had the most time to show what it came for.
        const oldest = strangers.reduce((a, b) => (b.timeline.open < a.timeline.open ? b : a))
        logger.debug('closing the connection of a stranger: there are too many', { peer: oldest.remotePeer.toString(), most: maxStrangers })
        oldest.abort(new Error('too many connections without a credential'))
      }
      clock.after(STRANGER_TIMEOUT_MS, () => {
        if (connection.status !== 'open' || admitted.has(connection)) return
        logger.debug('closing the connection of a peer that showed no credential', { peer: connection.remotePeer.toString() })
        connection.close().catch((error: unknown) => connection.abort(new Error(errorMessage(error))))
      })
    }
  }
}
