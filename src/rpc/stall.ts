import type { Timer } from '../base/clock.ts'
import type { Session } from './session.ts'

/** Requests wait and nothing at all came for so long, ms, or three round trips: a PING asks whether the way still leads there. */
export const QUIET = 300
/**
 * While PONGs are all that comes (a call of minutes, a listen) the next PING waits longer each time, up to this, ms: a hundred sessions
 * with listens must not ping ten times a second each, and a new request begins at QUIET again.
 */
const LONGEST_QUIET = 2_000
/** Nothing for so long after the PING, ms, or four round trips: the session is stalled. A garbage collection takes less. */
export const NO_SIGN = 500
/** How often a session with waiting requests is looked at, ms: fine against QUIET, and nothing against the cost of a call. */
const LOOK_EVERY = 50
/** A look that is so much late means that this process stood still: what came meanwhile has not been read yet, ms. */
const LATE = 200
/** What was sent before the PING must leave first: a line of 1 Mbit/s takes this many bytes in a ms … */
const SLOW_LINE = 125
/** … but no queue puts the verdict off longer, ms. */
const LONGEST_SLACK = 2_000
/** Others that wait for a sign of life at the same time; beyond it they are told that there was none. */
const MAX_WAITERS = 256
const QUIET_RTTS = 3
const NO_SIGN_RTTS = 4

/** Notices that a session gives no sign of life although requests wait for answers. An idle one is not judged. */
export interface StallWatch {
  /** Nothing came when it should have. Whatever comes ends it. */
  readonly stalled: boolean
  /** `heard` wants to be called. */
  readonly listening: boolean
  /** Bytes came. */
  heard(): void
  /** A request began to wait. */
  asked(): void
  /** Something says that the way may be broken: it is tried and judged although nothing waits. */
  doubt(): void
  /** True with the next sign of life, false if there is none `within` ms. Asks for one. */
  sign(within: number, done: (alive: boolean) => void): void
  stop(): void
}

export function createStallWatch(session: Session, onChange: () => void): StallWatch {
  let stalled = false
  let listening = false
  let timer: Timer | undefined
  /** When the next look is due. */
  let due = 0
  /** Silence before this does not count: nothing waited, or this process stood still. */
  let base = 0
  let quiet = QUIET
  /** When the question was asked that nothing has answered yet. */
  let askedAt: number | undefined
  let doubted = false
  let waiters: ((alive: boolean) => void)[] = []

  function look(after: number): void {
    due = session.clock.now() + after
    timer = session.wheel.add(after, check)
  }

  function ask(): void {
    if (session.pinger.waitingSince === undefined) session.pinger.ping()
  }

  function check(): void {
    timer = undefined
    if (session.state !== 'ready') return
    if (!doubted && session.clients.size + session.waiting.size === 0) {
      askedAt = undefined
      return
    }
    const now = session.clock.now()
    const rtt = session.pinger.rtt ?? 0
    if (now - due > LATE || session.isPaused) {
      base = now
      if (askedAt !== undefined) askedAt = now
    }
    if (askedAt !== undefined && session.lastSeen >= askedAt) {
      askedAt = undefined
      doubted = false
      quiet = Math.min(LONGEST_QUIET, quiet * 2)
    }
    if (askedAt === undefined) {
      if (now - Math.max(session.lastSeen, base) >= Math.max(quiet, QUIET_RTTS * rtt)) {
        askedAt = now
        ask()
      }
    } else if (now - askedAt >= Math.max(NO_SIGN, NO_SIGN_RTTS * rtt) + slack(session)) return stall()
    look(LOOK_EVERY)
  }

  function stall(): void {
    askedAt = undefined
    doubted = false
    stalled = listening = true
    session.metrics.stalls.inc()
    session.logger.info('nothing comes from a peer although requests wait there', { peer: session.peer, waiting: session.clients.size })
    onChange()
  }

  function begin(): void {
    if (timer !== undefined || stalled || session.state !== 'ready') return
    base = session.clock.now()
    look(LOOK_EVERY)
  }

  function asked(): void {
    quiet = QUIET
    if (timer === undefined) begin()
  }

  return {
    get stalled() {
      return stalled
    },
    get listening() {
      return listening
    },
    heard() {
      listening = false
      const waiting = waiters
      waiters = []
      for (const done of waiting) done(true)
      if (!stalled) return
      stalled = false
      // In place of the one that waited: its round trip would count the stall.
      session.pinger.ping()
      session.logger.info('a peer answers again', { peer: session.peer })
      onChange()
      asked()
    },
    asked,
    doubt() {
      if (stalled || session.state !== 'ready' || session.clock.now() - session.lastSeen < QUIET) return
      doubted = true
      askedAt ??= session.clock.now()
      ask()
      begin()
    },
    sign(within, done) {
      if (waiters.length >= MAX_WAITERS || session.state !== 'ready') return done(false)
      const once = (alive: boolean) => {
        limit.cancel()
        done(alive)
      }
      const since = session.clock.now()
      const limit = session.wheel.add(within, () => {
        waiters = waiters.filter((other) => other !== once)
        done(false)
        // Asked and silent for longer than a waiting request would bear.
        const late = session.clock.now() - since - within > LATE
        if (!stalled && !late && !session.isPaused && within >= Math.max(NO_SIGN, NO_SIGN_RTTS * (session.pinger.rtt ?? 0)) + slack(session)) stall()
      })
      waiters.push(once)
      listening = true
      ask()
    },
    stop() {
      timer?.cancel()
      timer = undefined
      stalled = false
      const waiting = waiters
      waiters = []
      for (const done of waiting) done(false)
    }
  }
}

/** How long what is on its way may keep the PONG back, ms: what the peer has not given back as credit may still be in a queue. */
function slack({ clients, servers, peerWindow }: Session): number {
  let bytes = 0
  for (const exchange of [...clients.list(), ...servers.list()]) bytes += Math.max(0, peerWindow - exchange.credit)
  return Math.min(LONGEST_SLACK, bytes / SLOW_LINE)
}
