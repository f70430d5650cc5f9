import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { UpstreamTransport } from '../mcp/ports.ts'
import type { ServerTarget } from '../mcp/upstream/spec.ts'
import { createHttpTransport } from './http-transport.ts'
import { createProcessGroups } from './process-groups.ts'
import { createProcessGuard } from './process-guard.ts'
import { createStdioTransport } from './stdio-transport.ts'

export interface UpstreamConnector {
  /** A transport to the server, not started yet. */
  connect(target: ServerTarget, name: string): UpstreamTransport
  /** Kills every child's process group at once, synchronously: for `process.on('exit')`. */
  killAllGroups(): void
}

/** Makes transports to MCP servers: child processes and streamable HTTP. */
export function createUpstreamConnector(deps: {
  clock: Clock
  logger: Logger
  /** Where proxies are looked up. @default process.env */
  env?: Readonly<Record<string, string | undefined>>
}): UpstreamConnector {
  const groups = createProcessGroups(createProcessGuard(deps))
  return {
    connect(target, name) {
      const logger = deps.logger.child({ server: name })
      if (target.kind === 'stdio') return createStdioTransport({ clock: deps.clock, logger, groups }, { name, target })
      return createHttpTransport(deps, { name, target })
    },
    killAllGroups: () => groups.killAll()
  }
}
