import { SkeinError } from '../../base/errors.ts'

/** Three quarters of what one server runs at once (256, mcp/upstream): a node that floods it leaves room for the others. */
export const MAX_CALLS = 192
/** Half of what one session serves at once (1 024, rpc): clients that only listen never keep calls out. */
export const MAX_LISTENS = 512
/** Half of the resources that all listeners of one server together may watch (10 000, mcp/upstream). */
export const MAX_WATCHED = 5_000

export interface PeerShare {
  /** Counts a call; returns what to do when it is over. Throws SKEIN_BUSY: it was not run. */
  enter(peer: string, server: string): () => void
  /** The same for a listen, which is idle nearly all of its time, and the number of resources that it watches. */
  listen(peer: string, server: string, watched: number): () => void
}

/** How much of our servers every other node uses. Bounded by what runs. */
export function createPeerShare(): PeerShare {
  const running = new Map<string, number>()

  function take(key: string, max: number, refusal: () => string, amount = 1): () => void {
    const count = (running.get(key) ?? 0) + amount
    if (count > max) throw new SkeinError('SKEIN_BUSY', refusal())
    running.set(key, count)
    return () => {
      const left = (running.get(key) ?? amount) - amount
      if (left > 0) running.set(key, left)
      else running.delete(key)
    }
  }

  return {
    enter: (peer, server) => take(`${peer} ${server}`, MAX_CALLS, () => `node ${peer} already runs ${MAX_CALLS} requests on server "${server}": try again when some are done`),
    listen(peer, server, watched) {
      const leave = take(peer, MAX_LISTENS, () => `node ${peer} already listens ${MAX_LISTENS} times here: close some subscriptions`)
      if (watched === 0) return leave
      try {
        const forget = take(`${peer} ${server} watched`, MAX_WATCHED, () => `node ${peer} would watch more than ${MAX_WATCHED} resources of server "${server}": close some subscriptions`, watched)
        return () => {
          leave()
          forget()
        }
      } catch (error) {
        leave()
        throw error
      }
    }
  }
}
