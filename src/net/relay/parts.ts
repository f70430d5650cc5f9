import { AsyncLocalStorage } from 'node:async_hooks'
import {
  RELAY_V2_HOP_CODEC, circuitRelayServer, circuitRelayTransport,
  type CircuitRelayServerComponents, type CircuitRelayService, type CircuitRelayTransportComponents
} from '@libp2p/circuit-relay-v2'
import type { Connection, ConnectionGater, PeerId, Stream, StreamHandler, Transport } from '@libp2p/interface'
import type { ConnectionManager, Registrar, TransportManager } from '@libp2p/interface-internal'
import { isDirect } from '../addresses.ts'
import type { AdmittedConnections } from '../admitted.ts'
import { gateRegistrar } from '../gated-registrar.ts'
import { untaggedPeerStore } from '../untagged.ts'
import { boundJoin } from './join.ts'
import type { RelayMetrics } from './metrics.ts'

/** Members that this node relays for at a time: a full pool of the default size. */
export const MAX_RESERVATIONS = 128
/** Relayed connections that it carries at a time; each costs two streams and at most some 3 MiB when both ends are slow. */
export const MAX_CARRIED = 256
/** Of them, those that one member has dialled: with it the others still have most. */
export const MAX_CARRIED_PER_MEMBER = 64
/** A reservation of a member that is gone keeps its place so long; living ones renew theirs 5 min before. */
const RESERVATION_MS = 1_800_000

/** What the library's transport keeps; its type does not say so. */
export interface ReservationStore extends EventTarget {
  addRelay(peer: PeerId, type: 'configured'): Promise<{ details: { reservation: { addrs: Uint8Array[] } } }>
  hasReservation(peer: PeerId): boolean
  cancelReservations(): void
}

/** The library's parts of circuit relay v2, with what they get to see of this node: members only, direct connections only. */
export interface RelayParts {
  transport(components: CircuitRelayTransportComponents): Transport
  server(components: CircuitRelayServerComponents): CircuitRelayService
  readonly reservations: ReservationStore | undefined
  /** Members that hold a place here. */
  given(): number
  carried(): number
}

export interface RelayPartsDeps {
  admitted: AdmittedConnections
  metrics: RelayMetrics
  /** This node cannot be dialled itself, so nobody could dial others through it. */
  isHidden(): boolean
}

/** A relayed connection from the moment it is allowed. */
interface Carried {
  /** Who dials. */
  source: string
  /** Its stream. */
  hop: Stream
  /** The stream to who is dialled is open. */
  joined: boolean
}

export function createRelayParts({ admitted, metrics, isHidden }: RelayPartsDeps): RelayParts {
  let reservations: ReservationStore | undefined
  let service: CircuitRelayService | undefined
  const carried = new Set<Carried>()
  /** The dialling side while its request is handled. */
  const handled = new AsyncLocalStorage<Carried>()

  const directOf = (peer: PeerId) => admitted.of(peer.toString()).filter(isDirect)

  /** The library takes whatever connection comes first, and dials by itself where there is none. */
  function connections(wrap: (connection: Connection) => Connection): ConnectionManager {
    const known = {
      getConnections: (peer?: PeerId) => (peer === undefined ? [] : directOf(peer).map(wrap)),
      async openConnection(peer: PeerId): Promise<Connection> {
        const connection = directOf(peer).at(-1)
        if (connection === undefined) throw new Error(`no direct connection to ${peer.toString()}`)
        return wrap(connection)
      }
    }
    return known as unknown as ConnectionManager
  }

  function carry(connection: Connection): Connection {
    const seen = {
      remotePeer: connection.remotePeer,
      async newStream(...args: Parameters<Connection['newStream']>): Promise<Stream> {
        const stop = await connection.newStream(...args)
        const way = handled.getStore()
        if (way === undefined) return stop
        boundJoin(way.hop, stop)
        if (stop.status !== 'open') return stop
        way.joined = true
        stop.addEventListener('close', () => carried.delete(way))
        return stop
      }
    }
    return seen as unknown as Connection
  }

  function refuse(reason: 'full' | 'share' | 'hidden'): true {
    metrics.refused.with(reason).inc()
    return true
  }

  /** Counted from here on: others may be asked for while this one is still being opened. */
  function take(source: string): boolean {
    if (carried.size >= MAX_CARRIED) return !refuse('full')
    if ([...carried].filter((way) => way.source === source).length >= MAX_CARRIED_PER_MEMBER) return !refuse('share')
    const way = handled.getStore()
    if (way !== undefined) carried.add(way)
    return true
  }

  async function handleHop(stream: Stream, connection: Connection, handler: StreamHandler): Promise<void> {
    const way: Carried = { source: connection.remotePeer.toString(), hop: stream, joined: false }
    try {
      await handled.run(way, () => handler(stream, connection))
    } finally {
      if (!way.joined) carried.delete(way)
    }
  }

  return {
    transport(components) {
      const gated = gateRegistrar(components.registrar, admitted)
      const made = circuitRelayTransport({ maxInboundStopStreams: MAX_RESERVATIONS, maxOutboundStopStreams: MAX_RESERVATIONS, reservationCompletionTimeout: 5_000 })({
        peerId: components.peerId,
        peerStore: untaggedPeerStore(components.peerStore),
        connectionManager: connections((connection) => connection),
        // It would listen through whoever passes a connection on without a reservation, and keep each listener that failed.
        transportManager: { listen: async () => Promise.reject(new Error('reservations.ts chooses the relays')) } as unknown as TransportManager,
        registrar: { ...gated, register: async () => 'not needed: reservations.ts chooses the relays', unregister() {} } satisfies Registrar,
        upgrader: components.upgrader,
        addressManager: components.addressManager,
        connectionGater: {},
        randomWalk: components.randomWalk,
        events: components.events,
        logger: components.logger
      })
      reservations = (made as unknown as { reservationStore: ReservationStore }).reservationStore
      return made
    },
    server(components) {
      const gated = gateRegistrar(components.registrar, admitted)
      const gater: ConnectionGater = {
        denyInboundRelayReservation(peer) {
          if (isHidden()) return refuse('hidden')
          const { reservations: places } = service as CircuitRelayService
          return places.size >= MAX_RESERVATIONS && !places.has(peer) && refuse('full')
        },
        denyOutboundRelayedConnection: (source) => !take(source.toString())
      }
      service = circuitRelayServer({
        maxInboundHopStreams: MAX_RESERVATIONS,
        maxOutboundHopStreams: MAX_RESERVATIONS,
        maxOutboundStopStreams: MAX_RESERVATIONS,
        // Sessions, probes and gossip of members run over relayed connections as over any other: without end and without a limit of bytes.
        reservations: { maxReservations: MAX_RESERVATIONS + 1, applyDefaultLimit: false, reservationTtl: RESERVATION_MS }
      })({
        peerId: components.peerId,
        privateKey: components.privateKey,
        peerStore: untaggedPeerStore(components.peerStore),
        connectionManager: connections(carry),
        connectionGater: gater,
        addressManager: components.addressManager,
        registrar: {
          ...gated,
          handle: (protocol, handler, options) =>
            gated.handle(protocol, protocol === RELAY_V2_HOP_CODEC ? (stream, connection) => handleHop(stream, connection, handler) : handler, options)
        },
        logger: components.logger
      })
      return service
    },
    get reservations() {
      return reservations
    },
    given: () => service?.reservations.size ?? 0,
    carried: () => carried.size
  }
}
