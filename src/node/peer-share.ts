import { SkeinError } from '../base/errors.ts'

/** Three quarters of what one server runs at once (256, mcp/upstream): a node that floods it leaves room for the others. */
export const MAX_CALLS = 192
/** Half of what one session serves at once (1 024, rpc): clients that only listen never keep calls out. */
export const MAX_LISTENS = 512

export interface PeerShare {
  /** Counts a call; returns what to do when it is over. Throws SKEIN_BUSY: it was not run. */
  enter(peer: string, server: string): () => void
  /** The same for a listen, which is idle nearly all of its time. */
  listen(peer: string): () => void
}

/** How much of our servers every other node uses. Bounded by what runs. */
export function createPeerShare(): PeerShare {
  const running = new Map<string, number>()

  function take(key: string, max: number, refusal: () => string): () => void {
    const count = running.get(key) ?? 0
    if (count >= max) throw new SkeinError('SKEIN_BUSY', refusal())
    running.set(key, count + 1)
    return () => {
      const left = (running.get(key) ?? 1) - 1
      if (left > 0) running.set(key, left)
      else running.delete(key)
    }
  }

  return {
    enter: (peer, server) => take(`${peer} ${server}`, MAX_CALLS, () => `node ${peer} already runs ${MAX_CALLS} requests on server "${server}": try again when some are done`),
    listen: (peer) => take(peer, MAX_LISTENS, () => `node ${peer} already listens ${MAX_LISTENS} times here: close some subscriptions`)
  }
}
