import type { Connection } from '@libp2p/interface'
import type { AddressManager, Registrar, TransportManager } from '@libp2p/interface-internal'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock, Timer } from '../base/clock.ts'
import { SkeinError, errorMessage, isSkeinError, toSkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { ByteStream } from '../rpc/ports.ts'
import { RPC_PROTOCOL, SWIM_PROTOCOL } from '../wire/protocols.ts'
import { addressesFor, isDirect, isRelayed, parseAddress, reachableAddresses } from './addresses.ts'
import { createAdmissionProtocol, type AdmissionRules } from './admission-protocol.ts'
import { createAdmittedConnections } from './admitted.ts'
import { createSkeinLibp2p, type Libp2pOptions, type SkeinLibp2p } from './create-libp2p.ts'
import { createDht, type Dht } from './dht/dht.ts'
import { gateRegistrar } from './gated-registrar.ts'
import { createGater } from './gater.ts'
import { createGossip, type GossipCounts, type GossipListener } from './gossip.ts'
import { byteStreamOf } from './libp2p-stream.ts'
import { createNetMetrics, type NetMetrics } from './metrics.ts'
import { createPaths, type PathStatus, type RelayOptions } from './relay/paths.ts'

/** Session streams a peer may have open to us: the current one, and those being replaced. */
const MAX_SESSION_STREAMS = 4
/** Streams with membership frames per connection and direction; one each is the rule, the rest are being closed or opened anew. */
const MAX_SWIM_STREAMS = 4
const CLOSE_TIMEOUT_MS = 1_000
/** Of all connections, those from strangers: many may join at once, and yet they never crowd members out. */
const STRANGERS_SHARE = 0.25
/** Addresses of this machine that libp2p was told of; more only when they change all the time. */
const MAX_CONFIRMED = 64
/** Credentials last days; a member that let its own end may stay this much longer. */
const EXPIRY_SWEEP_MS = 30_000

export interface HostEvents {
  /**
   * The first admitted connection of a peer is up; told a second time when that one is relayed and the first direct one comes later.
   * `address`: the other end's, a multiaddr with its peer id; `dialled`: we dialled it, so it listens there.
   */
  peerUp(peer: string, at: { address: string; dialled: boolean }): void
  /** Its last connection is gone. `expected`: this node closed it on purpose (disconnect, abandon, an ended credential, stop). */
  peerDown(peer: string, why: { expected: boolean }): void
  /** A member opened a session stream. */
  sessionStream(peer: string, stream: ByteStream): void
  /** There is a direct connection beside a relayed one: the session should move to it, the relayed one is closed when it has. */
  moved?(peer: string): void
}

interface Components {
  registrar: Registrar
  addressManager: AddressManager
  transportManager: TransportManager
}

export interface HostOptions extends Omit<Libp2pOptions, 'clock' | 'gater' | 'admitted' | 'metrics' | 'paths' | 'dialMember'> {
  libp2pMetrics?: Libp2pOptions['metrics']
  /** Circuit relays; left out: none, neither as a relay nor through one. */
  relay?: RelayOptions
  /** What a member tells of itself, multiaddrs; empty for others. @default nobody is known */
  memberAddresses?: (peer: string) => readonly string[]
  self: string
}

/** The streams on which members exchange frames of /skein/swim/1.0.0. */
export interface SwimStreams {
  /** Whether there is an admitted connection. */
  isUp(peer: string): boolean
  /** Opens one on the newest admitted connection. */
  open(peer: string, options: { signal: AbortSignal }): Promise<ByteStream>
  /** Streams that members open; until somebody listens they are reset. */
  onStream(listener: (peer: string, stream: ByteStream) => void): void
}

export interface Host {
  readonly self: string
  readonly metrics: NetMetrics
  start(): Promise<void>
  stop(): Promise<void>
  /** Dials and presents: resolves with the peer id once both sides admitted each other. Never succeeds on a mere connection. */
  connect(addresses: readonly string[], options: { peer?: string; signal: AbortSignal }): Promise<string>
  /** Dials and makes one admission request (join, renew). */
  ask(addresses: readonly string[], request: Uint8Array, options: { peer?: string; signal: AbortSignal }): Promise<{ answer: Uint8Array; peer: string }>
  /** One admission request to a peer that is connected. */
  askPeer(peer: string, request: Uint8Array): Promise<Uint8Array>
  /** Opens a session stream to an admitted peer. When `signal` aborts with SKEIN_DEADLINE, the connection is given up. */
  open(peer: string, options: { signal: AbortSignal }): Promise<ByteStream>
  /** Shows a renewed credential on every connection. */
  presentAgain(): Promise<void>
  readonly swim: SwimStreams
  /** Closes the connections of a peer; waits at most a second for it to take what is on the way. */
  disconnect(peer: string): Promise<void>
  /** Ends the connections of a peer at once, without a word that it would have to answer: for dead ones. They are gone when this returns. */
  abandon(peer: string): void
  /** Peers with an admitted connection. */
  peers(): string[]
  addressesOf(peer: string): string[]
  /** Multiaddrs others can reach us at, without /p2p, relayed ones last; loopback only when there is nothing else. */
  addresses(): string[]
  /** Relayed addresses have come or gone. */
  onAddresses(listener: () => void): void
  /** How this node is reached; undefined without relays. */
  paths(): PathStatus | undefined
  /** Undefined: it takes no part in one. */
  readonly dht: Dht | undefined
  publish(topic: string, bytes: Uint8Array): Promise<void>
  subscribe(topic: string, listener: GossipListener): void
  unsubscribe(topic: string): void
  /** What went over gossipsub since the start. */
  gossip(): GossipCounts
}

/** The libp2p host: the only place where connections, admission and streams meet. */
export async function createHost(
  deps: { clock: Clock; logger: Logger; meter: Meter; rules: AdmissionRules; events: HostEvents; random?: Random },
  options: HostOptions
): Promise<Host> {
  const { clock, logger, events, random = systemRandom } = deps
  const metrics = createNetMetrics(deps.meter)
  const admitted = createAdmittedConnections()
  const gater = createGater(clock, options.self, (peer) => deps.rules.isBanned?.(peer) === true)
  const { libp2pMetrics, gossip: gossipOptions, relay, memberAddresses = () => [], ...rest } = options
  const gossip = createGossip()
  const topics = gossipOptions === undefined ? {} : { gossip: { ...gossipOptions, register: gossip.register } }
  const paths = relay === undefined ? undefined : createPaths(
    {
      clock, random, logger, meter: deps.meter, admitted,
      host: { libp2p: () => libp2p, own: ownAddresses, connect, present: (connection) => admission.present(connection), close, moved: (peer) => events.moved?.(peer) }
    },
    { ...relay, self: options.self, addressesOf: memberAddresses }
  )
  const libp2p: SkeinLibp2p = await createSkeinLibp2p({
    ...rest, ...topics, clock, gater, admitted,
    dialMember(peer, signal, wide) {
      const known = addressesFor(peer, memberAddresses(peer))
      return known.length === 0 && wide && dht !== undefined ? dht.meet(peer, signal) : connect(known, { peer, signal })
    },
    ...(paths === undefined || relay === undefined ? {} : { paths: { transport: paths.parts.transport, punching: paths.punching.service, ...(relay.serve ? { server: paths.parts.server } : {}) } }),
    ...(libp2pMetrics === undefined ? {} : { metrics: libp2pMetrics })
  })
  const maxStrangers = Math.ceil(options.maxConnections * STRANGERS_SHARE)
  const admission = createAdmissionProtocol({ libp2p, admitted, gater, rules: deps.rules, clock, logger, metrics }, { maxStrangers })
  const up = new Set<string>()
  /** Of them, those told with a direct connection: a relayed one does not show where a peer is. */
  const direct = new Set<string>()
  const { registrar, addressManager, transportManager } = (libp2p as unknown as { components: Components }).components
  const gated = gateRegistrar(registrar, admitted)
  const dht: Dht | undefined = libp2p.services.dht === undefined ? undefined : createDht({ kad: libp2p.services.dht, clock, random, logger, meter: deps.meter, metrics: metrics.dht, isUp: () => up.size > 0, addressesOf: storedAddresses }, { self: options.self })
  const confirmed = new Set<string>()
  /** Connections that this node closes on purpose. */
  const closing = new WeakSet<Connection>()
  let stopping = false
  let onSwimStream: (peer: string, stream: ByteStream) => void = (_peer, stream) => stream.abort(new Error('this node is not a member yet'))

  const best = (peer: string) => paths?.best(peer) ?? admitted.of(peer).at(-1)
  const connectionsOf = (peer: string) => libp2p.getConnections(peerIdFromString(peer)).filter((connection) => connection.status === 'open')

  admitted.onAdmit((connection) => {
    const peer = connection.remotePeer.toString()
    if (up.has(peer) && (direct.has(peer) || !isDirect(connection))) return
    up.add(peer)
    if (isDirect(connection)) direct.add(peer)
    events.peerUp(peer, { address: connection.remoteAddr.toString(), dialled: connection.direction === 'outbound' })
  })
  libp2p.addEventListener('connection:open', (event) => {
    admission.opened(event.detail)
  })
  libp2p.addEventListener('connection:close', (event) => {
    const peer = event.detail.remotePeer.toString()
    admitted.remove(event.detail)
    if (admitted.of(peer).length > 0 || !up.delete(peer)) return
    direct.delete(peer)
    events.peerDown(peer, { expected: stopping || closing.has(event.detail) })
  })
  gossip.attach(libp2p.services.pubsub)
  deps.meter.onCollect(() => {
    const all = libp2p.getConnections()
    const members = all.filter((connection) => admitted.has(connection)).length
    metrics.connections.with('yes').set(members)
    metrics.connections.with('no').set(all.length - members)
  })

  async function dial(addresses: readonly string[], { peer, signal }: { peer?: string; signal: AbortSignal }): Promise<Connection> {
    const usable = paths !== undefined && addresses.some(isRelayed) ? await paths.dialable(addresses, signal) : addresses
    if (usable.length === 0) throw new SkeinError('SKEIN_DIAL_FAILED', `no connection to ${addresses.join(', ')}: the relay cannot be reached`)
    const parsed = usable.map((text) => parseAddress(text))
    const wanted = peer ?? parsed.find((entry) => entry.peer !== undefined)?.peer
    try {
      // With the id in every address libp2p proves that who answers is who we meant.
      const targets = parsed.map(({ address, peer: inside }) => (inside === undefined && wanted !== undefined ? address.encapsulate(`/p2p/${wanted}`) : address))
      const connection = await libp2p.dial(targets, { signal })
      metrics.dialled('success')
      return connection
    } catch (error) {
      metrics.dialled('failure')
      throw isSkeinError(error) ? error : new SkeinError('SKEIN_DIAL_FAILED', `no connection to ${addresses.join(', ')}: ${dialReason(error)}`, { cause: error })
    }
  }

  async function storedAddresses(peer: string): Promise<string[]> {
    const known = await libp2p.peerStore.get(peerIdFromString(peer)).catch(() => undefined)
    return known?.addresses.map(({ multiaddr }) => multiaddr.toString()) ?? []
  }

  async function close(connection: Connection): Promise<void> {
    closing.add(connection)
    await connection.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((error: unknown) => connection.abort(new Error(errorMessage(error))))
  }

  async function connect(addresses: readonly string[], dialOptions: { peer?: string; signal: AbortSignal }): Promise<string> {
    const connection = await dial(addresses, dialOptions)
    if (!admitted.has(connection)) {
      try {
        await admission.present(connection, { signal: dialOptions.signal })
      } catch (error) {
        await close(connection)
        throw toSkeinError(error, 'SKEIN_NOT_ADMITTED')
      }
    }
    return connection.remotePeer.toString()
  }

  /**
   * Where this node listens. libp2p itself tells no public address before somebody has confirmed it; whether others can dial it is found
   * out by reachability.ts.
   */
  function ownAddresses(): string[] {
    if (options.announce.length > 0) return libp2p.getMultiaddrs().map(String)
    const listening = transportManager.getAddrs()
    for (const address of listening) {
      if (confirmed.has(address.toString())) continue
      if (confirmed.size >= MAX_CONFIRMED) confirmed.clear()
      confirmed.add(address.toString())
      addressManager.confirmObservedAddr(address, { type: 'transport' })
    }
    return listening.map(String)
  }

  /** On the newest direct connection: a peer that lost power dials us anew, and the old connection is dead without knowing. */
  async function openStream(connection: Connection | undefined, peer: string, protocol: string, options: { signal: AbortSignal; maxOutboundStreams: number }): Promise<ByteStream> {
    if (connection === undefined) throw new SkeinError('SKEIN_UNDELIVERED', `no connection to ${peer}`)
    return byteStreamOf(await connection.newStream(protocol, options))
  }

  let sweep: Timer | undefined
  function sweepExpired(): void {
    for (const connection of admitted.expired(clock.wall())) {
      logger.info('closing a connection: the credential shown on it has ended', { peer: connection.remotePeer.toString() })
      close(connection).catch(() => {})
    }
    sweep = clock.after(EXPIRY_SWEEP_MS, sweepExpired)
  }

  return {
    self: options.self,
    metrics,
    async start() {
      // A handler first, so that identify announces it on the very first connection.
      await admission.start()
      await gated.handle(
        RPC_PROTOCOL,
        (stream, connection) => events.sessionStream(connection.remotePeer.toString(), byteStreamOf(stream)),
        { maxInboundStreams: MAX_SESSION_STREAMS, maxOutboundStreams: MAX_SESSION_STREAMS }
      )
      await gated.handle(
        SWIM_PROTOCOL,
        (stream, connection) => onSwimStream(connection.remotePeer.toString(), byteStreamOf(stream)),
        { maxInboundStreams: MAX_SWIM_STREAMS, maxOutboundStreams: MAX_SWIM_STREAMS }
      )
      await paths?.start(gated)
      await libp2p.start()
      ownAddresses()
      dht?.start()
      sweepExpired()
    },
    async stop() {
      stopping = true
      sweep?.cancel()
      paths?.stop()
      dht?.stop()
      await libp2p.stop()
    },
    connect,
    async ask(addresses, request, dialOptions) {
      const connection = await dial(addresses, dialOptions)
      return { answer: await admission.request(connection, request, { signal: dialOptions.signal }), peer: connection.remotePeer.toString() }
    },
    async askPeer(peer, request) {
      const connection = connectionsOf(peer)[0]
      if (connection === undefined) throw new SkeinError('SKEIN_UNDELIVERED', `no connection to ${peer}`)
      return admission.request(connection, request)
    },
    async open(peer, { signal }) {
      const connection = best(peer)
      try {
        return await openStream(connection, peer, RPC_PROTOCOL, { signal, maxOutboundStreams: MAX_SESSION_STREAMS })
      } catch (error) {
        if (isSkeinError(signal.reason, 'SKEIN_DEADLINE')) {
          // TCP would go on trying for a quarter of an hour, and as long as there is a connection nobody dials.
          logger.info('closing a connection on which nothing comes back', { peer })
          connection?.abort(new Error('no stream could be opened in time'))
        }
        throw error
      }
    },
    swim: {
      isUp: (peer) => up.has(peer),
      // Failing is no reason to end the connection: whether the peer is alive is for membership to find out.
      open: (peer, { signal }) => openStream(best(peer), peer, SWIM_PROTOCOL, { signal, maxOutboundStreams: MAX_SWIM_STREAMS }),
      onStream(listener) {
        onSwimStream = listener
      }
    },
    async presentAgain() {
      const open = libp2p.getConnections().filter((connection) => admitted.has(connection))
      await Promise.all(
        open.map((connection) =>
          admission.present(connection).catch((error: unknown) => {
            logger.warn('a peer refused our renewed credential', { peer: connection.remotePeer.toString(), error: errorMessage(error) })
          })
        )
      )
    },
    async disconnect(peer) {
      await Promise.all(connectionsOf(peer).map(close))
    },
    abandon(peer) {
      // Those that are closing count too: they wait for an answer that may never come.
      for (const connection of libp2p.getConnections(peerIdFromString(peer))) {
        closing.add(connection)
        connection.abort(new Error('the peer is taken for dead'))
      }
    },
    peers: () => [...up],
    addressesOf: (peer) => connectionsOf(peer).map((connection) => connection.remoteAddr.toString()),
    addresses: () => paths?.told() ?? reachableAddresses(ownAddresses()),
    onAddresses: (listener) => paths?.onAddresses(listener),
    paths: () => paths?.status(),
    dht,
    publish: gossip.publish,
    subscribe: gossip.subscribe,
    unsubscribe: gossip.unsubscribe,
    gossip: gossip.counts
  }
}

/** libp2p wraps one error per address; a person wants the reasons, not the wrapping. */
function dialReason(error: unknown): string {
  const inner = (error as { errors?: unknown[] }).errors
  if (Array.isArray(inner) && inner.length > 0) return [...new Set(inner.map(errorMessage))].slice(0, 3).join('; ')
  return errorMessage(error)
}
