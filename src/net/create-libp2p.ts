import { noise } from '@libp2p/noise'
import { gossipsub, type GossipSub, type GossipSubComponents, type GossipsubOpts } from '@libp2p/gossipsub'
import type { KadDHT } from '@libp2p/kad-dht'
import { identify, type Identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, Metrics, PrivateKey } from '@libp2p/interface'
import { ping, type Ping, type PingComponents } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import type { Clock } from '../base/clock.ts'
import type { AdmittedConnections } from './admitted.ts'
import { gateRegistrar } from './gated-registrar.ts'
import type { RelayParts } from './relay/parts.ts'
import type { Punching } from './relay/punch.ts'
import { withOneWrite } from './one-write.ts'
import { sharedTls } from './tls-encrypter.ts'

export interface Libp2pOptions {
  clock: Clock
  privateKey: PrivateKey
  datastore?: Datastore
  /** Multiaddrs. */
  listen: string[]
  announce: string[]
  userAgent: string
  maxConnections: number
  /** ms */
  dialTimeout: number
  /** Left out: without topics. */
  gossip?: { interval: number; fanout: number; maxMessageBytes: number; /** Counts what it does. */ register?: NonNullable<GossipsubOpts['metricsRegister']> }
  gater: ConnectionGater
  admitted: AdmittedConnections
  /** Left out: no relays. */
  paths?: {
    transport: RelayParts['transport']
    /** Left out: nobody is relayed through this node. */
    server?: RelayParts['server']
    punching: Punching['service']
  }
  /** Takes part in the federation's Kademlia, and keeps there what it keeps for others; left out: takes no part. */
  dht?: { datastore: Datastore }
  /** How services that dial by themselves get a connection with a member. */
  dialMember: (peer: string, signal: AbortSignal, wide: boolean) => Promise<unknown>
  metrics?: (components: never) => Metrics
}

export type SkeinLibp2p = Libp2p<{ identify: Identify; ping: Ping; pubsub?: GossipSub; dht?: KadDHT }>

/** Below the 4 MiB read buffer of a stream: a paused reader must never be reset because an honest sender filled its window. */
const MAX_STREAM_WINDOW = 1024 * 1024
/** Nodes of one federation often share one address (NAT, one Kubernetes node, one test machine); the default of 5/s resets them. */
const INBOUND_PER_HOST_AND_SECOND = 200
const MAX_PENDING_INBOUND = 100
/** Unsent gossip per peer; without a bound a slow reader costs unlimited memory. */
const MAX_GOSSIP_OUTBOUND = 4 * 1024 * 1024
/** Room for the envelope of a gossip message of the configured size, and for several in one RPC. */
const GOSSIP_RPC_FACTOR = 4
const DAY_MS = 86_400_000

export async function createSkeinLibp2p(options: Libp2pOptions): Promise<SkeinLibp2p> {
  const { admitted, gossip, paths } = options
  // Only where it is wanted: reading it takes time and memory.
  const dht = options.dht === undefined ? undefined : (await import('./dht/kad.ts')).createKad({ ...options.dht, admitted, dialMember: options.dialMember })
  return createLibp2p({
    start: false,
    privateKey: options.privateKey,
    ...(options.datastore === undefined ? {} : { datastore: options.datastore }),
    nodeInfo: { userAgent: options.userAgent },
    addresses: { listen: options.listen, announce: options.announce },
    transports: [tcp({ backlog: 128, maxConnections: options.maxConnections }), ...(paths === undefined ? [] : [paths.transport])],
    // TLS runs in native code and is preferred between our nodes; noise stays for other implementations.
    connectionEncrypters: [withOneWrite(sharedTls(options.clock)), withOneWrite(noise())],
    streamMuxers: [yamux({ maxInboundStreams: 256, maxOutboundStreams: 256, streamOptions: { maxStreamWindowSize: MAX_STREAM_WINDOW } })],
    connectionManager: {
      maxConnections: options.maxConnections,
      inboundConnectionThreshold: INBOUND_PER_HOST_AND_SECOND,
      maxIncomingPendingConnections: MAX_PENDING_INBOUND,
      maxPeerAddrsToDial: 8,
      dialTimeout: options.dialTimeout,
      // The mesh redials for ever, paced; the built-in one gives up after half a minute and forgets the peer.
      reconnectRetries: 0
    },
    // It aborts a connection on one failed ping; whether a peer is alive is not a matter of one probe.
    connectionMonitor: { enabled: false },
    connectionGater: options.gater,
    // The defaults forget addresses after an hour, which a hub outage can outlast.
    peerStore: { maxAddressAge: DAY_MS, maxPeerAge: 7 * DAY_MS },
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    // Which of them there are depends on the options: more than the library's type can say.
    services: {
      // Open to strangers: without it nobody learns that we speak the admission protocol.
      identify: identify(),
      // Components are picked one by one: the object is a Proxy and must not be spread.
      ping: (components: PingComponents) =>
        ping()({ registrar: gateRegistrar(components.registrar, admitted), connectionManager: components.connectionManager }),
      ...(gossip === undefined ? {} : { pubsub: createPubsub(gossip, admitted) }),
      ...(paths?.server === undefined ? {} : { relay: paths.server }),
      ...(paths === undefined ? {} : { punching: paths.punching }),
      ...(dht === undefined ? {} : { dht })
    } as never
  }) as unknown as Promise<SkeinLibp2p>
}

function createPubsub(gossip: NonNullable<Libp2pOptions['gossip']>, admitted: AdmittedConnections) {
  return (components: GossipSubComponents) =>
    gossipsub({
      // In a small full mesh gossipsub floods anyway; a smaller degree saves copies, anti-entropy fills the gaps.
      D: gossip.fanout,
      Dlo: Math.max(1, Math.floor(gossip.fanout * 0.66)),
      Dhi: gossip.fanout * 2,
      Dout: Math.max(1, Math.floor(gossip.fanout / 3)),
      Dscore: Math.max(1, Math.floor(gossip.fanout / 2)),
      floodPublish: false,
      fallbackToFloodsub: false,
      allowPublishToZeroTopicPeers: true,
      emitSelf: false,
      doPX: false,
      maxInboundDataLength: gossip.maxMessageBytes * GOSSIP_RPC_FACTOR,
      maxOutboundBufferSize: MAX_GOSSIP_OUTBOUND,
      decodeRpcLimits: { maxSubscriptions: 128, maxMessages: 512, maxIhaveMessageIDs: 5000, maxIwantMessageIDs: 5000, maxIdontwantMessageIDs: 512, maxControlMessages: 1000, maxPeerInfos: 0 },
      heartbeatInterval: gossip.interval,
      ...(gossip.register === undefined ? {} : { metricsRegister: gossip.register, metricsTopicStrToLabel: new Map() })
    })({
      privateKey: components.privateKey,
      peerId: components.peerId,
      peerStore: components.peerStore,
      registrar: gateRegistrar(components.registrar, admitted),
      connectionManager: components.connectionManager,
      logger: components.logger
    })
}
