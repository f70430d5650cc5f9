import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { McpRequest } from '../ports.ts'
import type { ParkedCall, Parking } from './connection-ports.ts'
import { randomHex } from '../../base/random.ts'

/** As many as one server runs calls. */
const MAX_PARKED = 256

/** Long enough for a person to read and decide, short enough that a forgotten dialog ends. */
const TTL = 600_000

/** A ticket stands for a client's right to answer: 128 bits cannot be guessed. */
const TICKET_BYTES = 16

export interface ParkingDeps {
  clock: Clock
  random: Random
  logger: Logger
}

export interface ParkingOptions {
  /** @default 256 */
  max?: number
  /** ms. @default 600 000 */
  ttl?: number
}

/** Keeps the calls of one legacy server that wait for answers of their clients. */
export function createParking({ clock, random, logger }: ParkingDeps, options: ParkingOptions = {}): Parking {
  const max = options.max ?? MAX_PARKED
  const ttl = options.ttl ?? TTL
  const parked = new Map<string, { call: ParkedCall; timer: Timer }>()

  function take(ticket: string): ParkedCall | undefined {
    const entry = parked.get(ticket)
    entry?.timer.cancel()
    parked.delete(ticket)
    return entry?.call
  }
  function expire(ticket: string, reason: string): void {
    const call = take(ticket)
    if (call === undefined) return
    logger.debug('a call that waited for its client is ended', { reason, method: call.request.method, correlation: call.request.correlation })
    call.expire(reason)
  }

  return {
    park(call) {
      if (parked.size >= max) {
        logger.warn('too many calls wait for answers of their clients, so this one is ended', { max, method: call.request.method, correlation: call.request.correlation })
        return undefined
      }
      const ticket = randomHex(random, TICKET_BYTES)
      parked.set(ticket, { call, timer: clock.after(ttl, () => expire(ticket, `its client did not answer within ${ttl / 1000} s`)) })
      return ticket
    },
    drop: (ticket) => void take(ticket),
    resume(request, sink) {
      const ticket = request.params.requestState
      const entry = typeof ticket === 'string' ? parked.get(ticket) : undefined
      if (entry === undefined || !sameRequest(entry.call.request, request)) return undefined
      return take(ticket as string)?.resume(request, sink)
    },
    get size() {
      return parked.size
    },
    close() {
      for (const ticket of parked.keys()) expire(ticket, 'the server is being stopped')
    }
  }
}

/** A ticket answers for one call of one client only, wherever it was copied to. */
function sameRequest(one: McpRequest, other: McpRequest): boolean {
  const { method, params, client } = one
  return method === other.method && params.name === other.params.name && params.uri === other.params.uri && client.session === other.client.session
}
