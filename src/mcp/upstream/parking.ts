import type { Clock, Timer } from '../../base/clock.ts'
import type { Counter } from '../../base/meter.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { McpRequest } from '../ports.ts'
import type { ParkedCall, Parking } from './connection-ports.ts'
import { randomHex } from '../../base/random.ts'

/** As many as one server runs calls. */
const MAX_PARKED = 256

/** Of them for the sessions of one edge: no single node may take the places of all others. */
const EDGE_SHARE = 1 / 2

/** Long enough for a person to read and decide, short enough that a forgotten dialog ends. */
const TTL = 600_000

/** A ticket stands for a client's right to answer: 128 bits cannot be guessed. */
const TICKET_BYTES = 16

export interface ParkingDeps {
  clock: Clock
  random: Random
  logger: Logger
  /** Counts those that are ended because there is no room. */
  givenUp: Counter
}

export interface ParkingOptions {
  /** @default 256 */
  max?: number
  /** ms. @default 600 000 */
  ttl?: number
}

/** Keeps the calls of one legacy server that wait for answers of their clients. */
export function createParking({ clock, random, logger, givenUp }: ParkingDeps, options: ParkingOptions = {}): Parking {
  const max = options.max ?? MAX_PARKED
  const maxPerEdge = Math.ceil(max * EDGE_SHARE)
  const ttl = options.ttl ?? TTL
  /** Those that wait longest first. */
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

  function tickets(wanted: (call: ParkedCall) => boolean): string[] {
    return [...parked].flatMap(([ticket, { call }]) => (wanted(call) ? [ticket] : []))
  }
  /** Which of these goes: the one that waits longest, of clients without a session where there are any. */
  function choose(among: readonly string[]): string | undefined {
    return among.find((ticket) => parked.get(ticket)?.call.request.client.session === undefined) ?? among[0]
  }
  function giveUp(ticket: string): void {
    givenUp.inc()
    logger.info('a call that waits for its client is given up: others need its place', { waiting: parked.size })
    expire(ticket, 'its client did not answer, and others needed its place')
  }

  return {
    park(call) {
      const edge = edgeOf(call.request)
      const ofEdge = edge === undefined ? [] : tickets(({ request }) => edgeOf(request) === edge)
      const gone = ofEdge.length >= maxPerEdge ? ofEdge[0] : parked.size >= max ? choose([...parked.keys()]) : undefined
      if (gone !== undefined) giveUp(gone)
      const ticket = randomHex(random, TICKET_BYTES)
      parked.set(ticket, { call, timer: clock.after(ttl, () => expire(ticket, `its client did not answer within ${ttl / 1000} s`)) })
      return ticket
    },
    makeRoom() {
      const ticket = choose(tickets((call) => call.sole()))
      if (ticket === undefined) return undefined
      const over = parked.get(ticket)?.call.over
      giveUp(ticket)
      return over
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

/** The node whose client it is: a session's name begins with it. Clients without a session do not say. */
function edgeOf({ client }: McpRequest): string | undefined {
  return client.session?.split('/', 1)[0]
}

/** A ticket answers for one call of one client only, wherever it was copied to. */
function sameRequest(one: McpRequest, other: McpRequest): boolean {
  const { method, params, client } = one
  return method === other.method && params.name === other.params.name && params.uri === other.params.uri && client.session === other.client.session
}
