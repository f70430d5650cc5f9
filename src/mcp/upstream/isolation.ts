import type { ClientContext, LogLevel } from '../ports.ts'
import type { Era, UpstreamConnection } from './connection-ports.ts'
import type { Isolation } from './spec.ts'
import { isAskable } from '../askable.ts'
import { wantsLog } from './messages.ts'

/**
 * Whether a client gets a connection nobody else uses. A server of the 2025 era may ask its client, and cannot say whom it asks when
 * it has several: `auto` keeps those apart that can be asked. One of the 2026 era asks in its answers and needs none of this.
 */
export function wantsOwn(client: ClientContext, isolation: Isolation, era: Era): boolean {
  if (isolation === 'shared') return false
  if (era === '2026') return isolation === 'session' && client.session !== undefined
  return isolation === 'session' || isAskable(client)
}

/** Whether the answer depends on what the server speaks. */
export function mayWantOwn(client: ClientContext, isolation: Isolation): boolean {
  return wantsOwn(client, isolation, '2025')
}

/** Sets the log level of connections where a client asked for one. */
export interface LogLevels {
  /** `alone`: the connection serves this client only; otherwise the most verbose level that anybody wanted stays. */
  want(connection: UpstreamConnection, level: LogLevel | 'default' | undefined, alone: boolean): void
}

export function createLogLevels(): LogLevels {
  const set = new WeakMap<UpstreamConnection, LogLevel>()
  return {
    want(connection, level, alone) {
      if (level === undefined || level === 'default' || connection.era !== '2025') return
      const now = set.get(connection)
      if (now !== undefined && (alone ? level === now : wantsLog(now, level))) return
      set.set(connection, level)
      connection.setLogLevel(level)
    }
  }
}
