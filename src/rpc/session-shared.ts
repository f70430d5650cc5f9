import type { Clock } from '../base/clock.ts'
import type { SkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { RpcLimits } from './limits.ts'
import type { RpcMetrics } from './metrics.ts'
import type { Session } from './session.ts'
import type { ServerExchange } from './types.ts'

/** What all sessions of one node share. */
export interface SessionShared {
  clock: Clock
  wheel: TimerWheel
  logger: Logger
  metrics: RpcMetrics
  limits: RpcLimits
  schedule: (flush: () => void) => void
  handlers: Map<number, (exchange: ServerExchange) => void>
  federation: string
  boot: bigint
  /** Requests of others running here, over all sessions; `carried` of these are only passed on. */
  service: { running: number; carried: number; onIdle: () => void }
  randomBytes: (n: number) => Uint8Array
}

export interface SessionEvents {
  /** The peer's HELLO came: requests may go. */
  ready(session: Session): void
  /** The peer takes nothing new on this session. */
  goaway(session: Session): void
  /** It stalled, or goes on. */
  condition(session: Session): void
  closed(session: Session, error: SkeinError): void
}
