import type { UpstreamConnection } from './connection-ports.ts'
import { wantsLog } from './logs.ts'
import type { LogLevel } from '../../wire/mcp-spec.ts'

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
