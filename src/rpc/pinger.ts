import { FRAME } from '../wire/rpc-frames.ts'
import { encodePing } from '../wire/rpc-encode.ts'
import type { Session } from './session.ts'

export interface Pinger {
  /** Round trip of the way itself, ms: waits of a busy moment are left out as far as they can be. Undefined until the first PONG. */
  readonly rtt: number | undefined
  /** When the PING left that is not answered yet; undefined: there is none. */
  readonly waitingSince: number | undefined
  ping(): void
  /** Pings when the last one is `pingInterval` old; the first ones follow each other at once. */
  tick(now: number): void
  answer(token: Uint8Array): void
  answered(token: Uint8Array): void
}

/** RFC 6298, section 2: SRTT <- 7/8 SRTT + 1/8 R. */
const ALPHA = 1 / 8
const TOKEN_BYTES = 8
/**
 * One a tick: the first one often meets a peer that is just starting or has a backlog, and by its round trip alone nobody would call there
 * until the mean has come down, minutes later.
 */
const FIRST_PINGS = 5

/** Measures the round trip of one session; one PING is on its way at a time. */
export function createPinger(session: Session): Pinger {
  let rtt: number | undefined
  let pending: Buffer | undefined
  let sentAt = 0
  let answers = 0

  function ping(): void {
    pending = Buffer.from(session.shared.randomBytes(TOKEN_BYTES))
    sentAt = session.clock.now()
    session.outbox.sendControl(encodePing(FRAME.PING, pending))
  }

  return {
    get rtt() {
      return rtt
    },
    get waitingSince() {
      return pending === undefined ? undefined : sentAt
    },
    ping,
    tick(now) {
      const due = now - sentAt >= session.limits.pingInterval || (answers < FIRST_PINGS && pending === undefined)
      if (due && !session.outbox.blocked) ping()
    },
    answer(token) {
      session.outbox.sendPong(encodePing(FRAME.PONG, token))
    },
    answered(token) {
      // Late or made up: no measure.
      if (pending === undefined || !pending.equals(token)) return
      pending = undefined
      const measured = session.clock.now() - sentAt
      answers++
      // Queues only ever add to it: a lower one is nearer to the truth and counts at once.
      rtt = rtt === undefined ? measured : Math.min(measured, rtt + ALPHA * (measured - rtt))
    }
  }
}
