import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import type { Connection, NewStreamOptions, PeerId, Stream } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import { KAD_PROTOCOL } from '../../wire/protocols.ts'
import type { AdmittedConnections } from '../admitted.ts'
import { gateRegistrar } from '../gated-registrar.ts'
import { untaggedPeerStore } from '../untagged.ts'
import { isWide } from './wide.ts'

/** For tens to some hundreds of members: fewer copies of each name, and fewer questions for each, than in a network of millions. */
const COPIES = 8
const AT_ONCE = 3
/** Published again every 12 h, so a name that nobody renews is gone a day later. */
const VALID_MS = 86_400_000
/** Looks for neighbours; each look costs some requests. */
const SELF_QUERY_MS = 600_000

export interface KadDeps {
  admitted: AdmittedConnections
  /** For what is kept for others: bounded. libp2p's own holds the peers that this node knows, which a member with many names would push out of it. */
  datastore: Datastore
  /** Connects with a member of an own pool. Only with `wide` others are dialled on hearsay. */
  dialMember: (peer: string, signal: AbortSignal, wide: boolean) => Promise<unknown>
}

/**
 * The library's Kademlia on a protocol id of our own, between members only. Private addresses are wanted (most federations live on
 * them), so its address filter is off; its mode is set, for it would guess it from public addresses.
 */
export function createKad({ admitted, datastore, dialMember }: KadDeps): (components: KadDHTComponents) => KadDHT {
  function connections(real: ConnectionManager): ConnectionManager {
    async function connectionTo(peer: PeerId, signal: AbortSignal, far: boolean): Promise<Connection> {
      const known = admitted.of(peer.toString()).at(-1)
      if (known !== undefined) return known
      await dialMember(peer.toString(), signal, far)
      const made = admitted.of(peer.toString()).at(-1)
      if (made === undefined) throw new Error(`no connection to ${peer.toString()}`)
      return made
    }
    const seen = {
      async openStream(peer: PeerId, protocol: string, options: NewStreamOptions = {}): Promise<Stream> {
        const connection = await connectionTo(peer, options.signal ?? AbortSignal.timeout(5_000), isWide(options))
        return connection.newStream(protocol, options)
      },
      isDialable: (address: Multiaddr | Multiaddr[], options?: Parameters<ConnectionManager['isDialable']>[1]) => real.isDialable(address, options),
      getConnections: (peer?: PeerId) => real.getConnections(peer)
    }
    return seen as unknown as ConnectionManager
  }

  return (components) =>
    kadDHT({
      protocol: KAD_PROTOCOL,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      kBucketSize: COPIES,
      alpha: AT_ONCE,
      disjointPaths: AT_ONCE,
      querySelfInterval: SELF_QUERY_MS,
      datastorePrefix: '/skein-dht',
      logPrefix: 'skein:dht',
      metricsPrefix: 'skein_dht',
      // publisher: dht.ts. What is due to it after that long was forgotten by it.
      reprovide: { validity: VALID_MS, threshold: 0 }
    })({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: gateRegistrar(components.registrar, admitted),
      addressManager: components.addressManager,
      peerStore: untaggedPeerStore(components.peerStore),
      connectionManager: connections(components.connectionManager),
      datastore,
      events: components.events,
      logger: components.logger,
      ping: components.ping
    })
}
