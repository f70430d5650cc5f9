/** Sessions whose providers are remembered, so that they can be told of its end; the oldest is forgotten first. */
export const MAX_TRACKED_SESSIONS = 4_096
/** Servers of one session that keep its calls at one provider; a client of more than this loses the oldest home. */
export const MAX_HOMES = 256

interface Tracked {
  /** Other nodes that served it. */
  peers: Set<string>
  /** By server: where its own process is. */
  homes: Map<string, string>
}

/** Which providers served a client's session, and where servers may keep something for it. */
export interface SessionHomes {
  /** The session was served at another node. */
  served(session: string, peer: string): void
  /** The calls of the session to this server stay there. */
  settle(session: string, server: string, peer: string): void
  home(session: string, server: string): string | undefined
  /** Forgets the session. @returns the other nodes that served it */
  end(session: string): Iterable<string>
}

export function createSessionHomes(): SessionHomes {
  const sessions = new Map<string, Tracked>()

  function tracked(session: string): Tracked {
    const known = sessions.get(session)
    if (known !== undefined) return known
    const made: Tracked = { peers: new Set(), homes: new Map() }
    sessions.set(session, made)
    const oldest = sessions.keys().next().value
    if (sessions.size > MAX_TRACKED_SESSIONS && oldest !== undefined) sessions.delete(oldest)
    return made
  }

  return {
    served: (session, peer) => void tracked(session).peers.add(peer),
    settle(session, server, peer) {
      const { homes } = tracked(session)
      if (homes.get(server) === peer) return
      homes.set(server, peer)
      const oldest = homes.keys().next().value
      if (homes.size > MAX_HOMES && oldest !== undefined) homes.delete(oldest)
    },
    home: (session, server) => sessions.get(session)?.homes.get(server),
    end(session) {
      const peers = sessions.get(session)?.peers ?? []
      sessions.delete(session)
      return peers
    }
  }
}
