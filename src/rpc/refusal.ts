import { SkeinError } from '../base/errors.ts'
import type { HelloFrame } from '../wire/rpc-frames.ts'
import type { Session } from './session.ts'

/** Why this session takes no new request of ours with such a body now; undefined if it does. */
export function refusalOf(session: Session, bodyBytes: number): SkeinError | undefined {
  const { peer, limits } = session
  if (session.state !== 'ready') return new SkeinError('SKEIN_UNDELIVERED', `the session with peer ${peer} is not ready: try again shortly`)
  if (session.goawayReceived || session.isExhausted) return new SkeinError('SKEIN_GOAWAY', `peer ${peer} is leaving and takes no new requests: use another provider`)
  if (bodyBytes > session.peerMaxBody) {
    return new SkeinError('SKEIN_LIMIT', `the request has ${bodyBytes} bytes, peer ${peer} takes ${session.peerMaxBody}: send less at once`)
  }
  if (session.clients.size + session.waiting.size >= (session.hello as HelloFrame).maxConcurrent) {
    return new SkeinError('SKEIN_BUSY', `${session.clients.size} requests already run at peer ${peer}: use another provider or try again later`)
  }
  if (session.outbox.queueBytes > limits.maxQueue) {
    return new SkeinError('SKEIN_BUSY', `${session.outbox.queueBytes} bytes wait for slow peer ${peer}: use another provider or try again later`)
  }
  return undefined
}

/** A request of which nothing has left when its session ended. */
export function undelivered(peer: string, cause: SkeinError): SkeinError {
  return new SkeinError('SKEIN_UNDELIVERED', `the session with peer ${peer} ended before the request left: use another provider or try again`, { cause })
}
