import { SkeinError } from '../base/errors.ts'

/** Three quarters of what one server runs at once (256, mcp/upstream): a node that floods it leaves room for the others. */
const MAX_CALLS = 192

/** How much of each of our servers every other node uses. Bounded by what runs. */
export function createPeerShare(): { enter(peer: string, server: string): () => void } {
  const running = new Map<string, number>()
  return {
    /** Counts a call; returns what to do when it is over. Throws SKEIN_BUSY: it was not run. */
    enter(peer, server) {
      const key = `${peer} ${server}`
      const count = running.get(key) ?? 0
      if (count >= MAX_CALLS) throw new SkeinError('SKEIN_BUSY', `node ${peer} already runs ${MAX_CALLS} requests on server "${server}": try again when some are done`)
      running.set(key, count + 1)
      return () => {
        const left = (running.get(key) ?? 1) - 1
        if (left > 0) running.set(key, left)
        else running.delete(key)
      }
    }
  }
}
