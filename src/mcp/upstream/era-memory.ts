import type { UpstreamConnection } from './connection-ports.ts'
import type { Protocol } from './spec.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { probeDied } from './connection.ts'

export interface EraMemory {
  /** What the server spoke last, or what the configuration says. */
  readonly known: Era | undefined
  /**
   * Opens a connection in the known era, or lets it find out. A server that died of being asked is taken for one of the 2025 era,
   * at once the first time. A failure in a remembered era forgets it: the server may have been replaced.
   */
  open(attempt: (era: Era | 'auto') => Promise<UpstreamConnection>, options: { signal: AbortSignal }): Promise<UpstreamConnection>
}

/** Remembers what one server speaks, so that only its first connection asks. */
export function createEraMemory(configured: Protocol): EraMemory {
  let remembered = configured
  // Once only: a server that always dies at its start would cost two processes each time.
  let mayRepeat = true
  return {
    get known() {
      return remembered === 'auto' ? undefined : remembered
    },
    async open(attempt, { signal }) {
      for (;;) {
        const tried = remembered
        try {
          const connection = await attempt(tried)
          if (configured === 'auto') remembered = connection.era
          return connection
        } catch (error) {
          if (configured !== 'auto' || signal.aborted) throw error
          const died = tried === 'auto' && probeDied(error)
          remembered = died ? '2025' : 'auto'
          if (!died || !mayRepeat) throw error
          mayRepeat = false
        }
      }
    }
  }
}
