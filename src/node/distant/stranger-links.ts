import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { SessionInfo } from '../../rpc/types.ts'

/** A question, or the next one of a search, comes sooner; so do members after a new pool was entered, ms. */
const IDLE = 30_000
/** How often links are looked through, ms. */
const SWEEP = 5_000

export interface StrangerLinkDeps {
  clock: Clock
  logger: Logger
  /** Connections, by peer. `dialled`: this node made it. */
  links: ReadonlyMap<string, { dialled: boolean }>
  session(peer: string): Pick<SessionInfo, 'inFlight' | 'inService'> | undefined
  /** In a pool of this node, or wanted otherwise. */
  isNeeded(peer: string): boolean
  /** This node has its place in a federation with hubs; before that every link may show the way to one. */
  isSettled(): boolean
  disconnect(peer: string): Promise<void>
}

/**
 * Closes links with nodes of other pools that nobody needs any more: those to hubs that were asked for a place, to bootstrap nodes, and to
 * members of pools that were left. Each side sees to the links that it made; otherwise the top hub would have one with every node that ever asked it.
 */
export function createStrangerLinks({ clock, logger, links, session, isNeeded, isSettled, disconnect }: StrangerLinkDeps): { start(): void; stop(): void } {
  /** Strangers, and since when they have been idle, ms. */
  const idle = new Map<string, number>()
  let timer: Timer | undefined

  function isIdle(peer: string, dialled: boolean): boolean {
    const exchanges = session(peer)
    const busy = exchanges !== undefined && exchanges.inFlight + exchanges.inService > 0
    return dialled && !busy && !isNeeded(peer)
  }

  function close(peer: string): void {
    idle.delete(peer)
    logger.debug('a connection with a node of another pool is not needed any more', { peer })
    disconnect(peer).catch((error: unknown) => logger.debug('an idle connection was not closed in order', { peer, error: errorMessage(error) }))
  }

  function sweep(): void {
    const now = clock.now()
    const settled = isSettled()
    for (const peer of idle.keys()) if (!settled || !links.has(peer)) idle.delete(peer)
    for (const [peer, { dialled }] of settled ? links : []) {
      const since = idle.get(peer)
      if (!isIdle(peer, dialled)) idle.delete(peer)
      else if (since === undefined) idle.set(peer, now)
      else if (now - since >= IDLE) close(peer)
    }
    timer = clock.after(SWEEP, sweep)
  }

  return {
    start() {
      timer ??= clock.after(SWEEP, sweep)
    },
    stop() {
      timer?.cancel()
      timer = undefined
    }
  }
}
