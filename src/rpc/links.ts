import { backoffDelay } from '../base/backoff.ts'
import type { Timer } from '../base/clock.ts'
import { SkeinError, errorMessage } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { GOAWAY_REASON } from '../wire/rpc-frames.ts'
import { MAX_SESSIONS_PER_PEER } from './limits.ts'
import type { ByteStream, StreamOpener } from './ports.ts'
import { Session } from './session.ts'
import type { SessionEvents, SessionShared } from './session-shared.ts'
import type { SessionEvent } from './types.ts'
import { chooseSession } from './choose-session.ts'

/** A session that lived this long was a good one: the next opening does not wait. */
const GOOD_SESSION_MS = 10_000

/** Everything about one peer's sessions. */
interface Link {
  peer: string
  /** There is a connection. */
  up: boolean
  active: Session | undefined
  /** Greeting, active and draining ones, with the time they started. */
  sessions: Map<Session, number>
  opening: AbortController | undefined
  timer: Timer | undefined
  /** Openings since the last good session. */
  attempt: number
  /** Our next stream's nonce: each lower than the last, so that the newest of our streams wins. */
  nonce: bigint
}

export interface LinksDeps {
  shared: SessionShared
  opener: StreamOpener
  random: Random
  self: string
  emit: (event: SessionEvent) => void
  /** The active session of a peer is in another condition, or another one. */
  condition: (peer: string) => void
}

export interface Links {
  active(peer: string): Session | undefined
  all(): Iterable<Session>
  actives(): Session[]
  accept(peer: string, stream: ByteStream): void
  peerUp(peer: string): void
  peerDown(peer: string): void
  goaway(reason: string): void
  comeBack(): void
  renew(peer: string): void
  readonly welcoming: boolean
  close(): void
}

/** One session per peer, whatever number of connections and streams there are. */
export function createLinks(deps: LinksDeps): Links {
  const { shared, self } = deps
  const links = new Map<string, Link>()
  let leaving: string | undefined
  let closed = false

  function linkOf(peer: string): Link {
    let link = links.get(peer)
    if (link === undefined) {
      // 62 random bits: room below for every later stream.
      const nonce = Buffer.from(deps.random.bytes(8)).readBigUInt64BE() >> 2n | (1n << 62n)
      link = { peer, up: false, active: undefined, sessions: new Map(), opening: undefined, timer: undefined, attempt: 0, nonce }
      links.set(peer, link)
    }
    return link
  }

  function begin(link: Link, stream: ByteStream, opener: boolean): void {
    const nonce = opener ? link.nonce-- : Buffer.from(deps.random.bytes(8)).readBigUInt64BE()
    const session = new Session(shared, events, link.peer, stream, opener, nonce)
    link.sessions.set(session, shared.clock.now())
    session.start()
  }

  function setActive(link: Link, session: Session): void {
    link.active = session
    link.timer?.cancel()
    link.timer = undefined
  }

  const events: SessionEvents = {
    ready(session) {
      const link = links.get(session.peer)
      if (link === undefined) return session.abort(new SkeinError('SKEIN_SESSION_CLOSED', 'the peer is gone'))
      const boot = session.hello?.boot ?? 0n
      // A newer process at the other side: what ran in the older one is lost.
      if (link.active?.hello !== undefined && link.active.hello.boot < boot) {
        const older = link.active
        link.active = undefined
        deps.emit({ type: 'down', peer: link.peer })
        shared.logger.info('a peer has restarted', { peer: link.peer, boot: String(older.hello?.boot) })
      }
      for (const other of link.sessions.keys()) {
        if (other === session || other.hello === undefined || other.hello.boot >= boot) continue
        shared.metrics.sessionsReplaced.inc()
        other.abort(new SkeinError('SKEIN_SESSION_CLOSED', `peer ${link.peer} has restarted`))
      }
      if (leaving !== undefined) session.goaway(GOAWAY_REASON.LEAVING, leaving, false)
      const { active } = link
      if (active === undefined) {
        setActive(link, session)
        return deps.emit({ type: 'up', peer: link.peer })
      }
      shared.metrics.sessionsReplaced.inc()
      if (active.hello !== undefined && boot < active.hello.boot) {
        return session.abort(new SkeinError('SKEIN_SESSION_CLOSED', `a newer process of peer ${link.peer} has taken over`))
      }
      // A stalled one may be a connection that is dead without knowing: the other side opens a new one because it has lost it.
      const isBetter = (active.draining && !session.draining) || (active.stall.stalled && !session.draining)
      const winner = isBetter ? session : chooseSession(self, active, session)
      setActive(link, winner)
      if (winner === session) deps.condition(link.peer)
      const loser = winner === active ? session : active
      loser.goaway(GOAWAY_REASON.REPLACED, 'another session to this peer took over', true)
    },
    goaway(session) {
      const link = links.get(session.peer)
      if (link === undefined) return
      link.attempt = 0
      ensure(link)
      if (link.active === session) deps.condition(link.peer)
    },
    condition(session) {
      if (links.get(session.peer)?.active === session) deps.condition(session.peer)
    },
    closed(session, error) {
      const link = links.get(session.peer)
      if (link === undefined) return
      const started = link.sessions.get(session) ?? shared.clock.now()
      link.sessions.delete(session)
      shared.logger.debug('an RPC session ended', { peer: session.peer, reason: error.message })
      if (session.hello !== undefined && shared.clock.now() - started >= GOOD_SESSION_MS) link.attempt = 0
      if (link.active === session) {
        link.active = [...link.sessions.keys()].find((other) => other.state === 'ready')
        if (link.active === undefined) deps.emit({ type: 'down', peer: link.peer })
        else deps.condition(link.peer)
      }
      if (link.up) ensure(link)
      else if (link.sessions.size === 0 && links.get(link.peer) === link) links.delete(link.peer)
    }
  }

  /** There is, or soon will be, a session that takes requests; a leaving peer gets none. */
  function provided(link: Link): boolean {
    if (link.opening !== undefined || link.timer !== undefined) return true
    for (const session of link.sessions.keys()) {
      if (session.state === 'greeting' || session.leaving || (session.state === 'ready' && (!session.draining || leaving !== undefined))) return true
    }
    return false
  }

  /** Opens a stream when there is need: the lower peer id at once, the other after a grace time. */
  function ensure(link: Link): void {
    if (closed || !link.up || provided(link)) return
    const { openGrace, backoffBase, backoffCap } = shared.limits
    const backoff = link.attempt === 0 ? 0 : backoffDelay(link.attempt - 1, { base: backoffBase, cap: backoffCap }, deps.random)
    const delay = backoff + (self < link.peer ? 0 : openGrace)
    if (delay === 0) return open(link)
    link.timer = shared.clock.after(delay, () => {
      link.timer = undefined
      if (link.up && !provided(link)) open(link)
    })
  }

  function open(link: Link): void {
    const controller = new AbortController()
    link.opening = controller
    link.attempt++
    const timer = shared.clock.after(shared.limits.openTimeout, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'opening the session stream took too long')))
    deps.opener.open(link.peer, { signal: controller.signal }).then(
      (stream) => {
        timer.cancel()
        if (link.opening === controller) link.opening = undefined
        // Too late: nobody waits for it any more.
        if (closed || !link.up || controller.signal.aborted) return stream.abort(new SkeinError('SKEIN_SESSION_CLOSED', 'the session is not wanted any more'))
        begin(link, stream, true)
      },
      (error: unknown) => {
        timer.cancel()
        if (link.opening === controller) link.opening = undefined
        shared.logger.debug('opening an RPC session failed', { peer: link.peer, error: errorMessage(error) })
        ensure(link)
      }
    )
  }

  function closeLink(link: Link, error: SkeinError): void {
    link.up = false
    link.timer?.cancel()
    link.timer = undefined
    link.opening?.abort(error)
    for (const session of link.sessions.keys()) session.end(error)
    links.delete(link.peer)
  }

  return {
    active: (peer) => links.get(peer)?.active,
    *all() {
      for (const link of links.values()) yield* link.sessions.keys()
    },
    actives: () => [...links.values()].flatMap((link) => (link.active === undefined ? [] : [link.active])),
    accept(peer, stream) {
      const link = closed ? undefined : linkOf(peer)
      if (link === undefined || link.sessions.size >= MAX_SESSIONS_PER_PEER) {
        return stream.abort(new SkeinError('SKEIN_LIMIT', `peer ${peer} has too many session streams: close one first`))
      }
      begin(link, stream, false)
    },
    peerUp(peer) {
      if (closed) return
      const link = linkOf(peer)
      if (link.up) return
      link.up = true
      link.attempt = 0
      ensure(link)
    },
    peerDown(peer) {
      const link = links.get(peer)
      if (link !== undefined) closeLink(link, new SkeinError('SKEIN_SESSION_CLOSED', `the connection to peer ${peer} is gone`))
    },
    goaway(reason) {
      leaving = reason
      for (const link of links.values()) {
        for (const session of link.sessions.keys()) if (session.state === 'ready') session.goaway(GOAWAY_REASON.LEAVING, reason, false)
      }
    },
    renew(peer) {
      const link = links.get(peer)
      // The newest stream of the lower id wins at both ends; the session before it ends when its exchanges have.
      if (link?.up === true && link.opening === undefined && self < peer && !closed && leaving === undefined) open(link)
    },
    comeBack() {
      if (leaving === undefined) return
      leaving = undefined
      for (const link of links.values()) {
        link.attempt = 0
        const fresh = [...link.sessions.keys()].some(({ state, goawaySent }) => state === 'greeting' || (state === 'ready' && !goawaySent))
        // At once, whoever has the lower id, and also if the other side leaves: it opens none, for it was told that this node does.
        if (link.up && link.opening === undefined && link.timer === undefined && !fresh) open(link)
      }
    },
    get welcoming() {
      if (leaving !== undefined) return false
      for (const { up, active } of links.values()) if (up && active?.goawaySent === true) return false
      return true
    },
    close() {
      closed = true
      for (const link of links.values()) closeLink(link, new SkeinError('SKEIN_SESSION_CLOSED', 'this node is stopping'))
    }
  }
}
