import type { CallSink, ClientContext } from '../ports.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { warning, type Listeners } from './listeners.ts'

/** Sessions that are told when their server loses its state; of more the oldest are forgotten. */
const MAX_REMEMBERED = 4_096

export interface LostStateDeps {
  name: string
  listeners: Pick<Listeners, 'warn'>
  /** Nothing that a client could miss is kept between its calls. */
  stateless(): boolean
}

/**
 * Which sessions have state in a server, and their warning when it is gone: at once for those that listen, with its next call for
 * any other. A server of the 2026 era has nothing to lose.
 */
export interface LostState {
  /** A call of this client begins, on the shared connection or (`alone`) on one of its own. */
  begins(client: ClientContext, sink: CallSink, alone: boolean): void
  /** The shared connection is another one now. */
  sharedIsNew(era: Era): void
  /** These sessions have lost their state. */
  lost(sessions: Iterable<string>, era: Era): void
  /** Sessions with state in the shared connection. */
  users(): Iterable<string>
  /** Sessions that get their warning with their next call. */
  untold(): Iterable<string>
  end(session: string): void
}

/** @param before sessions that are still to be told */
export function createLostState({ name, listeners, stateless }: LostStateDeps, before: Iterable<string> = []): LostState {
  /** Oldest first, both. */
  const users = new Set<string>()
  const untold = new Set(before)
  const text = `The server ${name} was restarted; its state is gone.`

  function remember(set: Set<string>, session: string): void {
    if (set.has(session)) return
    if (set.size >= MAX_REMEMBERED) set.delete(set.values().next().value as string)
    set.add(session)
  }
  function lost(sessions: Iterable<string>, era: Era): void {
    if (stateless() || era === '2026') return
    for (const session of sessions) if (!listeners.warn(session, text)) remember(untold, session)
  }

  return {
    begins({ session, logLevel }, sink, alone) {
      if (session === undefined) return
      if (!alone) remember(users, session)
      if (untold.size === 0 || !untold.delete(session)) return
      const message = warning(text, logLevel)
      if (message !== undefined) sink.notification(message)
    },
    sharedIsNew(era) {
      const all = [...users]
      users.clear()
      lost(all, era)
    },
    lost,
    users: () => users,
    untold: () => untold,
    end(session) {
      users.delete(session)
      untold.delete(session)
    }
  }
}
