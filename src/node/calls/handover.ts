import type { Clock } from '../../base/clock.ts'
import type { JsonRpcNotification } from '../../wire/json-rpc.ts'

/** How long both ways are heard, ms: a request has reached its node by then, and what was on the old way has come. */
export const HANDOVER_MS = 1_000
/**
 * The same message on the other way is the same news for so long, ms: more than two ways differ, and so much less than a handover that
 * what came before the new way was open never stands for what came after.
 */
const SAME_WITHIN_MS = 400
/** Messages remembered of one handover: a server that says more in a second says the rest twice. */
const MAX_REMEMBERED = 1_000

/** While a listen is open over two ways, of which either may be late: whether what came over one of them is not what the other has just brought. */
export function createHandover(clock: Clock): (way: 'old' | 'new', message: JsonRpcNotification) => boolean {
  /** When each message came that the other way has not brought yet; those of one text all came over the same way. */
  const unmatched = new Map<string, { way: 'old' | 'new'; at: number }[]>()
  let remembered = 0

  return (way, message) => {
    const key = JSON.stringify(message)
    const now = clock.now()
    const known = (unmatched.get(key) ?? []).filter(({ at }) => now - at < SAME_WITHIN_MS)
    const isSame = known[0] !== undefined && known[0].way !== way
    if (isSame) known.shift()
    else if (remembered < MAX_REMEMBERED) {
      known.push({ way, at: now })
      remembered++
    }
    if (known.length > 0) unmatched.set(key, known)
    else unmatched.delete(key)
    return !isSame
  }
}
