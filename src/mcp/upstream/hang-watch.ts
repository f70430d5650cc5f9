import type { Clock } from '../../base/clock.ts'
import type { UpstreamConnection } from './connection-ports.ts'
import { sleep } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

/** A server that does anything at all finds a moment for this within it. */
const PROBE_TIMEOUT = 10_000

export interface HangWatch {
  /** A call that began at `since` (by the clock) got no answer in time. */
  expired(connection: UpstreamConnection, since: number): void
}

/**
 * Tells a server that hangs from one that is slow: when a call expired and nothing at all came from the server for its `timeout`, it is
 * asked for a sign of life; any answer will do, an error too. Without one the connection is given up. One question at a time for each
 * connection, and none that nobody waits for: an idle server is left alone.
 */
export function createHangWatch(deps: { clock: Clock; timeout(): number; giveUp(connection: UpstreamConnection, why: SkeinError): void }): HangWatch {
  const { clock } = deps
  const checking = new WeakSet<UpstreamConnection>()

  async function check(connection: UpstreamConnection, since: number): Promise<void> {
    const abort = new AbortController()
    const { signal } = abort
    void connection.closed.then(() => abort.abort())
    // A call that brought less time says nothing yet of a server that may take more.
    const rest = since + deps.timeout() - clock.now()
    if (rest > 0) await sleep(clock, rest, { signal }).catch(() => {})
    if (signal.aborted || connection.heardAt > since) return
    const asked = clock.now()
    const answered = await connection.request(connection.era === '2025' ? 'ping' : 'server/discover', {}, PROBE_TIMEOUT).then(
      () => true,
      () => connection.heardAt > asked
    )
    if (answered || signal.aborted) return
    const silent = Math.round((clock.now() - since) / 1_000)
    deps.giveUp(connection, new SkeinError('SKEIN_UPSTREAM_DOWN', `The server hangs: nothing came from it for ${silent} s, not even an answer to a sign-of-life request.`))
  }

  return {
    expired(connection, since) {
      if (checking.has(connection) || connection.heardAt > since) return
      checking.add(connection)
      void check(connection, since).finally(() => checking.delete(connection))
    }
  }
}
