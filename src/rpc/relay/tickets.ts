import type { Clock } from '../../base/clock.ts'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { MAX_TICKET, TICKET_NONCE_BYTES, type RelayTicket } from '../../wire/relay.ts'

/** A ticket serves for so long, ms: a relay that was trusted once is not trusted for days. */
export const TICKET_LIFE = 5 * 60_000
/** A new one is made when less is left, ms: it must outlive its way and a clock that is a little ahead. */
const RENEW_BEFORE = 60_000
/** Clocks of two members may differ so much, ms; more shows as SKEIN_NOT_ADMITTED. */
const SKEW = 60_000
/** Own tickets kept, one for each path: a pool of a thousand members behind one relay. The oldest goes. */
const MAX_MADE = 1_024
/** Tickets of others whose signature was checked: so many origins and paths at a time; the oldest goes and is checked again. */
const MAX_CHECKED = 4_096

/** Signing and checking, behind a port so that simulations can do without. */
export interface TicketSeal {
  seal(ticket: RelayTicket): Uint8Array
  /** Throws when it cannot be read or the signature is wrong. */
  open(bytes: Uint8Array): { ticket: RelayTicket; origin: string }
}

export interface Tickets {
  /** This node's word for one path. */
  make(target: string, relays: readonly string[]): Uint8Array
  /** Throws SKEIN_NOT_ADMITTED: not of this federation, over, damaged, or forged. */
  open(bytes: Uint8Array): { ticket: RelayTicket; origin: string }
}

export interface TicketDeps {
  clock: Clock
  random: Random
  seal: TicketSeal
}

/** Who may be relayed, by whom: the origin's signature for one path (protocols/rpc.md, "Relayed exchanges"). */
export function createTickets({ clock, random, seal }: TicketDeps, { federation }: { federation: string }): Tickets {
  const made = new Map<string, { bytes: Uint8Array; expires: number }>()
  const checked = new Map<string, { ticket: RelayTicket; origin: string }>()

  function opened(bytes: Uint8Array): { ticket: RelayTicket; origin: string } {
    if (bytes.length > MAX_TICKET) throw refused(`the relay ticket is over ${MAX_TICKET} bytes`)
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    const known = checked.get(key)
    if (known !== undefined) return known
    let fresh
    try {
      fresh = seal.open(bytes)
    } catch (cause) {
      throw refused(`the relay ticket does not hold: ${errorMessage(cause)}`, cause)
    }
    keep(checked, MAX_CHECKED, key, fresh)
    return fresh
  }

  return {
    make(target, relays) {
      const key = `${target} ${relays.join()}`
      const wall = Math.floor(clock.wall())
      const known = made.get(key)
      if (known !== undefined && known.expires - wall > RENEW_BEFORE) return known.bytes
      const expires = wall + TICKET_LIFE
      const bytes = seal.seal({ federation, target, relays, expires, nonce: random.bytes(TICKET_NONCE_BYTES) })
      made.delete(key)
      keep(made, MAX_MADE, key, { bytes, expires })
      return bytes
    },
    open(bytes) {
      const { ticket, origin } = opened(bytes)
      const left = ticket.expires - clock.wall()
      if (ticket.federation !== federation) throw refused('the relay ticket is of another federation')
      if (left < -SKEW) throw refused('the relay ticket is over: compare the clocks of the nodes')
      if (left > TICKET_LIFE + SKEW) throw refused('the relay ticket is for too long: compare the clocks of the nodes')
      return { ticket, origin }
    }
  }
}

function refused(message: string, cause?: unknown): SkeinError {
  return new SkeinError('SKEIN_NOT_ADMITTED', message, cause === undefined ? {} : { cause })
}

function keep<T>(map: Map<string, T>, max: number, key: string, value: T): void {
  map.set(key, value)
  if (map.size > max) map.delete(map.keys().next().value as string)
}
