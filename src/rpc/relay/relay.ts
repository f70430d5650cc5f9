import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import { METHOD } from '../../wire/protocols.ts'
import { RELAYABLE, readRelayHead, relayHeader, type RelayHead } from '../../wire/relay.ts'
import type { Rpc, ServerExchange } from '../types.ts'
import { createRelayMetrics, type RelayRefusal } from './metrics.ts'
import { pipe } from './pipe.ts'
import { RelayedExchange } from './relayed-exchange.ts'
import type { Tickets } from './tickets.ts'

/** Exchanges passed on for one origin at a time: more than it may run at one server of a provider (192), and a quarter of a session. */
export const MAX_PER_ORIGIN = 256
/** … and for all. What waits in both directions of each (pipe.ts) counts to its sessions, and is bounded with them. */
export const MAX_CARRIED = 2_048
/** Bodies of carried requests, which are kept until their exchange ends, bytes: of one origin four of the largest … */
export const MAX_BYTES_PER_ORIGIN = 64 * 1_048_576
/** … and of all: as much as a node that is there for others can spare. */
export const MAX_BYTES = 512 * 1_048_576

export interface RelayDeps {
  clock: Clock
  meter: Meter
  logger: Logger
  rpc: Pick<Rpc, 'handle' | 'open' | 'session' | 'serve' | 'carry'>
  tickets: Tickets
  /** Alive or suspect. */
  isMember(peer: string): boolean
  /** An exchange of this origin came over relays. */
  onReceived(origin: string): void
}

export interface RelayOptions {
  self: string
  /** @default MAX_BYTES_PER_ORIGIN */
  maxBytesPerOrigin?: number
  /** @default MAX_BYTES */
  maxBytes?: number
}

/** What is passed on now, for one origin or for all. */
interface Carried {
  exchanges: number
  /** Of the requests' bodies. */
  bytes: number
}

/** Serves METHOD.RELAY: passes exchanges of others on, and takes in what others pass on to this node. */
export function createRelay(deps: RelayDeps, { self, maxBytesPerOrigin = MAX_BYTES_PER_ORIGIN, maxBytes = MAX_BYTES }: RelayOptions): void {
  const { clock, rpc, tickets } = deps
  const metrics = createRelayMetrics(deps.meter)
  /** Bounded by what runs. */
  const origins = new Map<string, Carried>()
  const all: Carried = { exchanges: 0, bytes: 0 }

  deps.meter.onCollect(() => metrics.running.set(all.exchanges))

  /** Counts one more, or one less. */
  function count(origin: string, exchanges: 1 | -1, bytes: number): void {
    const own = origins.get(origin) ?? { exchanges: 0, bytes: 0 }
    for (const sum of [own, all]) {
      sum.exchanges += exchanges
      sum.bytes += exchanges * bytes
    }
    if (own.exchanges > 0) origins.set(origin, own)
    else origins.delete(origin)
    rpc.carry(all.exchanges)
  }

  /** Why one more with such a body would be too much; undefined: it is not. */
  function overload(origin: string, size: number): string | undefined {
    const own = origins.get(origin) ?? { exchanges: 0, bytes: 0 }
    const what = `this node already passes on ${all.exchanges} exchanges, ${own.exchanges} of them of that node`
    if (own.exchanges >= MAX_PER_ORIGIN || all.exchanges >= MAX_CARRIED) return what
    if (own.bytes + size > maxBytesPerOrigin || all.bytes + size > maxBytes) return `${what}, with ${all.bytes} bytes of requests, ${own.bytes} of them of that node`
    return undefined
  }

  /** Marks an error as of a relay, not of the target: another path may do. */
  function ownError({ code, message, data }: SkeinError): SkeinError {
    return new SkeinError(code, message, { data: { ...(typeof data === 'object' ? data : {}), relay: self } })
  }

  function refuse(exchange: ServerExchange, reason: RelayRefusal, error: SkeinError): void {
    metrics.refused[reason].inc()
    deps.logger.debug('a relayed exchange was refused', { peer: exchange.peer, reason, error: error.message })
    exchange.fail(ownError(error))
  }

  /** Undefined: all is well. Who sends, the path and the ticket must say the same. */
  function forgery({ path, target, ticket: bytes }: RelayHead, sender: string): SkeinError | undefined {
    if (path.at(-1) !== sender) return wrong('the last id in PATH is not the one that sends')
    try {
      const { ticket, origin } = tickets.open(bytes)
      if (origin !== path[0]) return wrong('the relay ticket is not of the node where PATH begins')
      if (ticket.target !== target) return wrong('the relay ticket is for another target')
      const place = path.length - 1
      const isOnPath = target === self ? ticket.relays.length === place : ticket.relays[place] === self
      if (!isOnPath || path.slice(1).some((peer, index) => ticket.relays[index] !== peer)) return wrong('the relay ticket is for another path')
      return deps.isMember(origin) ? undefined : wrong('the origin is no member')
    } catch (error) {
      return toSkeinError(error)
    }
  }

  function serve(exchange: ServerExchange): void {
    let head: RelayHead
    try {
      head = readRelayHead(exchange.header)
    } catch (error) {
      return refuse(exchange, 'other', toSkeinError(error))
    }
    // First: whoever has it again must not pass it on, whatever else it says.
    if (head.path.includes(self) || new Set(head.path).size < head.path.length) return refuse(exchange, 'hops', new SkeinError('SKEIN_HOPS', 'the exchange has been here before: its path is a loop'))
    const forged = forgery(head, exchange.peer)
    if (forged !== undefined) return refuse(exchange, 'ticket', forged)
    if (!RELAYABLE.has(head.method)) return refuse(exchange, 'other', new SkeinError('SKEIN_BAD_REQUEST', `method ${head.method} is not relayed: call the node directly`))
    if (head.target === self) take(exchange, head)
    else pass(exchange, head)
  }

  function take(exchange: ServerExchange, head: RelayHead): void {
    metrics.received.inc()
    const inner = new RelayedExchange(exchange, head)
    if (!rpc.serve(head.method, inner)) exchange.fail(new SkeinError('SKEIN_NOT_FOUND', `method ${head.method} is unknown here: update this node or ask another`))
    deps.onReceived(inner.peer)
  }

  function pass(exchange: ServerExchange, head: RelayHead): void {
    const { path, target } = head
    const origin = path[0] as string
    const hops = exchange.header.hops ?? 0
    if (hops === 0) return refuse(exchange, 'hops', new SkeinError('SKEIN_HOPS', 'the exchange may not be passed on any more: its hops are used up'))
    const size = exchange.body.length
    const tooMuch = overload(origin, size)
    if (tooMuch !== undefined) return refuse(exchange, 'busy', new SkeinError('SKEIN_BUSY', `${tooMuch}: use another way or try again later`))
    const next = nextOf(head)
    const session = rpc.session(next)
    if (session === undefined || session.draining) return refuse(exchange, 'unreachable', new SkeinError('SKEIN_UNDELIVERED', `there is no session with ${next} here: use another way`))
    count(origin, 1, size)
    metrics.carried.inc()
    metrics.bytes.inc(size)
    pipe(
      exchange,
      (onMessage) => {
        const header = relayHeader(exchange.header, { ...head, path: [...path, self] }, hops - 1)
        return rpc.open(next, METHOD.RELAY, exchange.body, { timeout: exchange.deadline - clock.now(), header, onMessage })
      },
      {
        count: (bytes) => metrics.bytes.inc(bytes),
        own: (error) => (error.code === 'SKEIN_CANCELLED' ? error : ownError(error)),
        over: () => count(origin, -1, size)
      }
    )

    /** As the ticket says; `forgery` has checked that this node stands in it. */
    function nextOf({ ticket: bytes }: RelayHead): string {
      return tickets.open(bytes).ticket.relays[path.length] ?? target
    }
  }

  rpc.handle(METHOD.RELAY, serve)
}

function wrong(what: string): SkeinError {
  return new SkeinError('SKEIN_NOT_ADMITTED', `a relayed exchange was refused: ${what}`)
}
