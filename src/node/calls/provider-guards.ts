import type { Guarded, GuardedStart, Guards, RunOptions } from '../../base/guard.ts'
import type { Candidate } from '../../routing/types.ts'

/** As many as there are guards of providers; the oldest is forgotten, and found again with its next failure. */
const MAX_TROUBLED = 1_024

export interface ProviderGuards {
  run<T>(server: string, peer: string, start: GuardedStart<T>, options?: RunOptions): Guarded<T>
  /** A call was not answered: its breaker may have opened. */
  failed(server: string, peer: string): void
  /** Asked for every candidate of every choice. */
  breaker(server: string, peer: string): NonNullable<Candidate['breaker']>
}

/** The breakers around other nodes' servers. Only of those that failed the state is asked: of nearly all there is nothing to know. */
export function createProviderGuards(guards: Pick<Guards, 'guard'>): ProviderGuards {
  const troubled = new Map<string, Set<string>>()
  let count = 0

  const guardOf = (server: string, peer: string) => guards.guard(`provider:${server}@${peer}`)

  function forget(server: string, peer: string): void {
    const peers = troubled.get(server)
    if (peers?.delete(peer) !== true) return
    count--
    if (peers.size === 0) troubled.delete(server)
  }

  return {
    run: (server, peer, start, options) => guardOf(server, peer).run(start, options),
    failed(server, peer) {
      if (guardOf(server, peer).state === 'closed') return
      let peers = troubled.get(server)
      if (peers === undefined) troubled.set(server, (peers = new Set()))
      if (!peers.has(peer)) count++
      peers.add(peer)
      if (count <= MAX_TROUBLED) return
      const [oldest, its] = troubled.entries().next().value as [string, Set<string>]
      forget(oldest, its.keys().next().value as string)
    },
    breaker(server, peer) {
      if (troubled.get(server)?.has(peer) !== true) return 'closed'
      // Asked for by name each time: after the node fell or was forgotten it is another.
      const { state, refusing } = guardOf(server, peer)
      if (state === 'closed') forget(server, peer)
      // While its one call is under way it refuses all others.
      return state === 'half-open' && refusing ? 'open' : state
    }
  }
}
