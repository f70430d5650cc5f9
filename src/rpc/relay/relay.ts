import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import { METHOD } from '../../wire/protocols.ts'
import { RELAYABLE, RELAYABLE_FROM_AFAR, readRelayHead, relayHeader, type RelayHead } from '../../wire/relay.ts'
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
/**
 * … for one neighbour that brings what nodes of other pools began, half of all: nobody here knows those nodes, so a hostile neighbour could
 * make up as many as it likes. How many exchanges it may bring, its session bounds …
 */
export const MAX_BYTES_PER_NEIGHBOUR = 256 * 1_048_576
/** … and of all: as much as a node that is there for others can spare. */
export const MAX_BYTES = 512 * 1_048_576

export interface RelayDeps {
  clock: Clock
  meter: Meter
  logger: Logger
  rpc: Pick<Rpc, 'handle' | 'open' | 'session' | 'serve' | 'carry'>
  tickets: Tickets
  /** Alive or suspect in one of this node's pools. */
  isMember(peer: string): boolean
  /**
   * Whether the bytes are a credential bundle that makes this peer a member of the federation now, and it is not banned: asked about nodes of
   * other pools for each exchange. @default nobody of another pool is served
   */
  standing?(origin: string, bundle: Uint8Array): boolean
  /** An exchange of this origin came over relays. */
  onReceived(origin: string): void
}

export interface RelayOptions {
  self: string
  /** @default MAX_BYTES_PER_ORIGIN */
  maxBytesPerOrigin?: number
  /** @default MAX_BYTES_PER_NEIGHBOUR */
  maxBytesPerNeighbour?: number
  /** @default MAX_BYTES */
  maxBytes?: number
}

/** Whom a carried exchange counts for. */
interface Share {
  peer: string
  /** `origin`: where it began; `neighbour`: who brought it here. */
  as: 'origin' | 'neighbour'
}

/** What is passed on now, for one origin or for all. */
interface Carried {
  exchanges: number
  /** Of the requests' bodies. */
  bytes: number
}

/** Serves METHOD.RELAY: passes exchanges of others on, and takes in what others pass on to this node. */
export function createRelay(deps: RelayDeps, { self, maxBytesPerOrigin = MAX_BYTES_PER_ORIGIN, maxBytesPerNeighbour = MAX_BYTES_PER_NEIGHBOUR, maxBytes = MAX_BYTES }: RelayOptions): void {
  const { clock, rpc, tickets } = deps
  const metrics = createRelayMetrics(deps.meter)
  const limits = {
    origin: { exchanges: MAX_PER_ORIGIN, bytes: maxBytesPerOrigin },
    neighbour: { exchanges: Infinity, bytes: maxBytesPerNeighbour }
  }
  /** Bounded by what runs. */
  const carried = { origin: new Map<string, Carried>(), neighbour: new Map<string, Carried>() }
  const all: Carried = { exchanges: 0, bytes: 0 }

  deps.meter.onCollect(() => metrics.running.set(all.exchanges))

  function sharesOf(origin: string, neighbour: string): Share[] {
    const own: Share = { peer: origin, as: 'origin' }
    return deps.isMember(origin) ? [own] : [own, { peer: neighbour, as: 'neighbour' }]
  }

  function carriedFor({ peer, as }: Share): Carried {
    return carried[as].get(peer) ?? { exchanges: 0, bytes: 0 }
  }

  /** Counts one more, or one less. */
  function count(shares: readonly Share[], exchanges: 1 | -1, bytes: number): void {
    const add = (sum: Carried) => {
      sum.exchanges += exchanges
      sum.bytes += exchanges * bytes
    }
    for (const share of shares) {
      const own = carriedFor(share)
      add(own)
      if (own.exchanges > 0) carried[share.as].set(share.peer, own)
      else carried[share.as].delete(share.peer)
    }
    add(all)
    rpc.carry(all.exchanges)
  }

  /** Why one more with such a body would be too much; undefined: it is not. */
  function overload(shares: readonly Share[], size: number): string | undefined {
    for (const share of shares) {
      const own = carriedFor(share)
      const limit = limits[share.as]
      const what = `this node already passes on ${all.exchanges} exchanges, ${own.exchanges} of them of that ${share.as === 'origin' ? 'node' : 'neighbour'}`
      if (own.exchanges >= limit.exchanges || all.exchanges >= MAX_CARRIED) return what
      if (own.bytes + size > limit.bytes || all.bytes + size > maxBytes) return `${what}, with ${all.bytes} bytes of requests, ${own.bytes} of them of that one`
    }
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
      return undefined
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
    if (head.target !== self) return pass(exchange, head)
    const unwelcome = stranger(head)
    if (unwelcome !== undefined) return refuse(exchange, 'origin', unwelcome)
    take(exchange, head)
  }

  /** Undefined: this node serves the origin. Of another pool it has to show that it is a member of the federation, and may ask for less. */
  function stranger({ path, method, origin: bundle }: RelayHead): SkeinError | undefined {
    const origin = path[0] as string
    if (deps.isMember(origin)) return undefined
    if (bundle === undefined) return wrong('the origin is in none of the pools of this node and shows no credential')
    if (deps.standing?.(origin, bundle) !== true) return wrong('the credential that the origin shows is not good here, or the origin is banned')
    return RELAYABLE_FROM_AFAR.has(method) ? undefined : new SkeinError('SKEIN_BAD_REQUEST', `method ${method} is for nodes of the same pool`)
  }

  function take(exchange: ServerExchange, head: RelayHead): void {
    metrics.received.inc()
    const inner = new RelayedExchange(exchange, head)
    if (!rpc.serve(head.method, inner)) exchange.fail(new SkeinError('SKEIN_NOT_FOUND', `method ${head.method} is unknown here: update this node or ask another`))
    deps.onReceived(inner.peer)
  }

  function pass(exchange: ServerExchange, head: RelayHead): void {
    const { path, target } = head
    // A relay does not know the nodes of other pools; it knows its neighbours, and they answer for what they bring.
    if (!deps.isMember(exchange.peer)) return refuse(exchange, 'origin', wrong('the node that brought it is in none of the pools of this node'))
    const hops = exchange.header.hops ?? 0
    if (hops === 0) return refuse(exchange, 'hops', new SkeinError('SKEIN_HOPS', 'the exchange may not be passed on any more: its hops are used up'))
    const size = exchange.body.length
    const shares = sharesOf(path[0] as string, exchange.peer)
    const tooMuch = overload(shares, size)
    if (tooMuch !== undefined) return refuse(exchange, 'busy', new SkeinError('SKEIN_BUSY', `${tooMuch}: use another way or try again later`))
    const next = nextOf(head)
    if (next !== target && !deps.isMember(next)) return refuse(exchange, 'unreachable', new SkeinError('SKEIN_UNDELIVERED', `${next} is in none of the pools of this node now: use another way`))
    const session = rpc.session(next)
    if (session === undefined || session.draining) return refuse(exchange, 'unreachable', new SkeinError('SKEIN_UNDELIVERED', `there is no session with ${next} here: use another way`))
    count(shares, 1, size)
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
        over: () => count(shares, -1, size)
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
