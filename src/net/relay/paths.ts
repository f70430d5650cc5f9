import type { Connection } from '@libp2p/interface'
import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import { REACH_PROTOCOL, RPC_PROTOCOL } from '../../wire/protocols.ts'
import type { ReachVerdict } from '../../wire/reach.ts'
import { hostOfAddress, isDirect, isPublicHost, isRelayed, publicHostOf, relayOf, toldAddresses } from '../addresses.ts'
import type { AdmittedConnections } from '../admitted.ts'
import type { SkeinLibp2p } from '../create-libp2p.ts'
import type { gateRegistrar } from '../gated-registrar.ts'
import { createRelayMetrics } from './metrics.ts'
import { createRelayParts } from './parts.ts'
import { createPunching } from './punch.ts'
import { createReachProtocol } from './reach-protocol.ts'
import { createReachability, type DirectLink, type Reachable } from './reachability.ts'
import { createReservations } from './reservations.ts'
import { createUpgrades } from './upgrades.ts'

export interface RelayOptions {
  /** Members may be relayed through this node. */
  serve: boolean
  /** Whether this node is reached through relays: `auto`: when members cannot dial it. */
  use: 'auto' | 'on' | 'off'
}

export interface PathStatus {
  /** Whether members can dial this node. */
  reachable: Reachable
  /** Members through which it is reached. */
  relays: string[]
  /** Members with whom there is only a relayed connection. */
  relayed: string[]
  /** Members that are reached through this node. */
  given: number
  /** Connections of others through this node. */
  carried: number
}

/** What the host does for it. */
export interface PathHost {
  libp2p(): SkeinLibp2p
  /** Addresses at which this node listens. */
  own(): string[]
  /** Dials and is admitted. */
  connect(addresses: readonly string[], options: { peer?: string; signal: AbortSignal }): Promise<string>
  present(connection: Connection): Promise<void>
  /** Closes a connection on purpose. */
  close(connection: Connection): Promise<void>
  /** There is a direct connection with this peer beside a relayed one: what runs should move to it. */
  moved(peer: string): void
}

/** A session moves to the new connection at once; what runs on the old one may take this long before it is closed all the same. */
const RETIRE_MS = 600_000
const RETIRE_CHECK_MS = 1_000
/** Public addresses of this node that members have seen; a machine has one, or one of each IP version. */
const MAX_SEEN = 2
/** Relays that are dialled first for one dial through them. */
const MAX_RELAY_DIALS = 2

/** Ways between members where they cannot simply dial each other: relays, and direct connections in place of relayed ones. */
export function createPaths(
  deps: { clock: Clock; random: Random; logger: Logger; meter: Meter; admitted: AdmittedConnections; host: PathHost },
  options: RelayOptions & { self: string; /** What a member tells of itself. */ addressesOf: (peer: string) => readonly string[] }
) {
  const { clock, random, logger, admitted, host } = deps
  const metrics = createRelayMetrics(deps.meter)
  const listeners: (() => void)[] = []
  const relaying = new Set<string>()
  const retiring = new WeakSet<Connection>()
  /** Both sides dialled these, so that they say nothing about who can be dialled. */
  const punched = new WeakSet<Connection>()
  let seen: string[] = []

  const changed = () => listeners.forEach((listener) => listener())
  const members = () => host.libp2p().getConnections().filter((connection) => admitted.has(connection) && connection.status === 'open')
  const directTo = (peer: string) => admitted.of(peer).findLast(isDirect)

  function relayedPeers(): string[] {
    const direct = new Set(members().filter(isDirect).map((connection) => connection.remotePeer.toString()))
    return [...new Set(members().map((connection) => connection.remotePeer.toString()))].filter((peer) => !direct.has(peer))
  }

  function links(): DirectLink[] {
    return members().flatMap((connection) => {
      const at = hostOfAddress(connection.remoteAddr.toString())
      if (!isDirect(connection) || at === undefined) return []
      return [{ peer: connection.remotePeer.toString(), host: at, inbound: connection.direction === 'inbound' && !punched.has(connection) }]
    })
  }

  /** Members that this node could dial relay best: others can probably dial them too. Public ones first, else by chance. */
  function candidates(): string[] {
    const found = links().filter(({ peer, inbound }) => !inbound && relaying.has(peer))
    const shuffled = found.map((link) => ({ ...link, rank: (isPublicHost(link.host) ? 0 : 1) + random.float() })).sort((a, b) => a.rank - b.rank)
    return [...new Set(shuffled.map(({ peer }) => peer))]
  }

  const reservations = createReservations({ store: () => parts.reservations, clock, random, logger, candidates, onChange: changed })
  const reach = createReachProtocol({
    clock, logger,
    async dialBack(peer, address, signal) {
      const target = multiaddr(address)
      const connection = await host.libp2p().dial(address.includes('/p2p/') ? target : target.encapsulate(`/p2p/${peer}`), { force: true, signal })
      await host.close(connection)
    }
  })

  /** Where others see this node come from; it is offered to others for hole punching and for nothing else. */
  function noteSeen(address: string): void {
    const at = publicHostOf(address)
    if (at !== undefined) seen = [at, ...seen.filter((other) => other !== at)].slice(0, MAX_SEEN)
  }

  async function ask(peer: string): Promise<ReachVerdict> {
    const connection = directTo(peer)
    if (connection === undefined) return 'busy'
    const answer = await reach.ask(connection, toldAddresses(host.own(), []))
    metrics.reach.with(answer.verdict).inc()
    noteSeen(answer.seen)
    return answer.verdict
  }

  const reachability = createReachability({
    clock, random, logger, links, ask,
    onChange() {
      if (options.use === 'auto') reservations.set(reachability.state === 'no')
    }
  })
  // Where relays are off, the operator says that others can dial this node, by names and gateways too, at which no member tries it.
  const parts = createRelayParts({ admitted, metrics, isHidden: () => options.use !== 'off' && reachability.state === 'no' })
  const ended = (result: 'success' | 'failure') => metrics.upgrades.with(result).inc()

  async function connectDirect(addresses: readonly string[], peer: string, signal: AbortSignal): Promise<Connection> {
    await host.connect(addresses, { signal, peer })
    const connection = directTo(peer)
    if (connection === undefined) throw new Error(`there is still no direct connection with ${peer}`)
    return connection
  }

  const punching = createPunching({
    admitted, clock, logger, self: options.self, ended,
    seenHosts: () => seen,
    connect: (peer, addresses, signal) => connectDirect(addresses, peer, signal),
    async punched(connection, dialler) {
      punched.add(connection)
      if (dialler) await host.present(connection)
    }
  })
  const upgrades = createUpgrades({
    clock, random, logger, ended,
    relayed: relayedPeers,
    addressesOf: options.addressesOf,
    async punch(peer) {
      // By the specification the side that was dialled begins.
      const relayed = admitted.of(peer).findLast((connection) => connection.direction === 'inbound')
      if (relayed !== undefined && directTo(peer) === undefined) await punching.again(relayed)
    },
    async connect(peer, addresses, { timeout, signal }) {
      const own = new AbortController()
      const onAbort = () => own.abort(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      const timer = clock.after(timeout, () => own.abort(new Error('the dial took too long')))
      try {
        await connectDirect(addresses, peer, own.signal)
      } finally {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
      }
    }
  })

  /** Closes a relayed connection when no session runs on it any more and there is a direct one. */
  function retire(connection: Connection): void {
    if (retiring.has(connection)) return
    retiring.add(connection)
    const latest = clock.now() + RETIRE_MS
    const check = () => {
      if (connection.status !== 'open') return
      if (directTo(connection.remotePeer.toString()) === undefined) return void retiring.delete(connection)
      if (clock.now() < latest && connection.streams.some((stream) => stream.protocol === RPC_PROTOCOL)) return void clock.after(RETIRE_CHECK_MS, check)
      logger.debug('a relayed connection is not needed any more', { peer: connection.remotePeer.toString() })
      host.close(connection).catch((error: unknown) => logger.debug('closing it failed', { error: errorMessage(error) }))
    }
    clock.after(RETIRE_CHECK_MS, check)
  }

  admitted.onAdmit((connection) => {
    const peer = connection.remotePeer.toString()
    if (isDirect(connection)) reachability.linked()
    const relayed = admitted.of(peer).filter((other) => !isDirect(other))
    if (relayed.length === 0 || directTo(peer) === undefined) return
    host.moved(peer)
    relayed.forEach(retire)
  })
  deps.meter.onCollect(() => {
    metrics.reservations.with('held').set(reservations.relays().length)
    metrics.reservations.with('given').set(parts.given())
    metrics.connections.with('own').set(members().filter((connection) => !isDirect(connection)).length)
    metrics.connections.with('carried').set(parts.carried())
  })

  return {
    parts,
    punching,
    /** The best connection with a peer: the newest direct one, else the newest. */
    best: (peer: string) => directTo(peer) ?? admitted.of(peer).at(-1),
    /** What others are told. */
    told: () => toldAddresses(host.own(), reservations.addresses()),
    onAddresses: (listener: () => void) => void listeners.push(listener),
    /** Leaves out relayed addresses whose relay cannot be reached, and connects with relays first: they take members only. */
    async dialable(addresses: readonly string[], signal: AbortSignal): Promise<string[]> {
      const relays = new Map<string, string>()
      for (const address of addresses) {
        const relay = relayOf(address)
        if (relay !== undefined && relay.peer !== options.self && !isRelayed(relay.address) && !relays.has(relay.peer)) relays.set(relay.peer, relay.address)
      }
      const missing = [...relays].filter(([peer]) => directTo(peer) === undefined).slice(0, MAX_RELAY_DIALS)
      await Promise.all(missing.map(([peer, address]) => host.connect([address], { peer, signal }).catch((error: unknown) => logger.debug('a relay cannot be reached', { peer, error: errorMessage(error) }))))
      return addresses.filter((address) => !isRelayed(address) || directTo(relayOf(address)?.peer ?? '') !== undefined)
    },
    status: (): PathStatus => ({ reachable: reachability.state, relays: reservations.relays(), relayed: relayedPeers(), given: parts.given(), carried: parts.carried() }),
    async start(gated: ReturnType<typeof gateRegistrar>): Promise<void> {
      const libp2p = host.libp2p()
      libp2p.addEventListener('peer:identify', ({ detail }) => {
        if (detail.protocols.includes(RELAY_V2_HOP_CODEC)) relaying.add(detail.peerId.toString())
        if (detail.observedAddr !== undefined && detail.connection.direction === 'outbound' && isDirect(detail.connection)) noteSeen(detail.observedAddr.toString())
      })
      libp2p.addEventListener('peer:disconnect', ({ detail }) => void relaying.delete(detail.toString()))
      await gated.handle(REACH_PROTOCOL, (stream, connection) => reach.serve(stream, connection), { maxInboundStreams: 2, maxOutboundStreams: 2 })
      await punching.start()
      if (options.use === 'on') reservations.set(true)
      upgrades.start()
    },
    stop() {
      reachability.stop()
      reservations.stop()
      upgrades.stop()
      punching.stop()
    }
  }
}

export type Paths = ReturnType<typeof createPaths>
