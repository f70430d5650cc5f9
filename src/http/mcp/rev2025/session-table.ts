import type { Clock, Timer } from '../../../base/clock.ts'
import { KEEP_ALIVE_EVERY } from '../sse.ts'
import type { HttpSession } from './http-session.ts'

/** A client that has just used its session is not idle: it keeps it even when others wait. */
const MIN_IDLE = 5_000

export interface SessionTable {
  get(id: string): HttpSession | undefined
  /** False: full of sessions in use. Ends the one idle for longest where that makes room (most clients never say goodbye). */
  makeRoom(): boolean
  add(session: HttpSession): void
  end(session: HttpSession, reason: string): void
  readonly size: number
  /** Characters kept for clients that come back, all sessions together. */
  kept(): number
  close(reason: string): void
}

/** HTTP sessions by id, with one timer for keep-alives and expiry that runs only while there are sessions. */
export function createSessionTable(
  deps: { clock: Clock; onEvict: () => void },
  options: { maxSessions: number; idleTimeout: number }
): SessionTable {
  const sessions = new Map<string, HttpSession>()
  let timer: Timer | undefined

  function end(session: HttpSession, reason: string): void {
    if (sessions.delete(session.id)) session.close(reason)
  }

  function tick(): void {
    const now = deps.clock.now()
    for (const session of sessions.values()) {
      session.tick(now)
      if (session.busy) session.used = now
      else if (now - session.used >= options.idleTimeout) end(session, 'idle for too long')
    }
    timer = sessions.size > 0 ? deps.clock.after(KEEP_ALIVE_EVERY, tick) : undefined
  }

  return {
    get: (id) => sessions.get(id),
    makeRoom() {
      if (sessions.size < options.maxSessions) return true
      const now = deps.clock.now()
      let idlest: HttpSession | undefined
      for (const session of sessions.values()) {
        if (!session.busy && now - session.used >= MIN_IDLE && (idlest === undefined || session.used < idlest.used)) idlest = session
      }
      if (idlest === undefined) return false
      deps.onEvict()
      end(idlest, 'made room for a new client')
      return true
    },
    add(session) {
      sessions.set(session.id, session)
      timer ??= deps.clock.after(KEEP_ALIVE_EVERY, tick)
    },
    end,
    get size() {
      return sessions.size
    },
    kept() {
      let sum = 0
      for (const session of sessions.values()) sum += session.kept
      return sum
    },
    close(reason) {
      timer?.cancel()
      timer = undefined
      for (const session of sessions.values()) end(session, reason)
    }
  }
}
