import type { Connection, PeerId, StreamHandler, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import type { AdmittedConnections } from './admitted.ts'

/** Inbound streams that may wait on one connection for our own `present` to be answered; more are reset. */
const MAX_HELD_STREAMS = 16

/**
 * A registrar for services that serve members only. The connection gater sees peers, not protocols, and gossipsub or ping
 * register handlers of their own, so each gets this one: `handle` resets streams of peers that are not admitted,
 * and `register` holds `onConnect` back until they are.
 */
export function gateRegistrar(registrar: Registrar, admitted: AdmittedConnections): Registrar {
  const held = new Map<string, number>()

  function gateHandler(handler: StreamHandler): StreamHandler {
    return async (stream, connection) => {
      if (!admitted.has(connection)) {
        const waiting = held.get(connection.id) ?? 0
        if (waiting >= MAX_HELD_STREAMS) return stream.abort(new Error('too many streams before admission'))
        held.set(connection.id, waiting + 1)
        try {
          if (!(await admitted.decided(connection))) return stream.abort(new Error('not admitted to the federation'))
        } finally {
          const left = (held.get(connection.id) ?? 1) - 1
          if (left === 0) held.delete(connection.id)
          else held.set(connection.id, left)
        }
      }
      return handler(stream, connection)
    }
  }

  function gateTopology(topology: Topology): Topology {
    const told = new Set<string>()
    const waiting = new Map<string, PeerId>()
    const connect = (peer: PeerId, connection: Connection) => {
      told.add(peer.toString())
      return topology.onConnect?.(peer, connection)
    }
    admitted.onAdmit((connection) => {
      const peer = waiting.get(connection.remotePeer.toString())
      if (peer === undefined) return
      waiting.delete(peer.toString())
      connect(peer, connection)
    })
    // libp2p tells only of a peer's last connection; streams of the service that went with another one have to be opened anew.
    admitted.onRemove(({ remotePeer }) => {
      const other = told.has(remotePeer.toString()) ? admitted.of(remotePeer.toString())[0] : undefined
      if (other !== undefined) connect(remotePeer, other)
    })
    return {
      ...topology,
      onConnect(peer, connection) {
        if (admitted.has(connection)) return connect(peer, connection)
        waiting.set(peer.toString(), peer)
      },
      onDisconnect(peer) {
        waiting.delete(peer.toString())
        if (told.delete(peer.toString())) return topology.onDisconnect?.(peer)
      }
    }
  }

  return {
    getProtocols: () => registrar.getProtocols(),
    handle: (protocol, handler, options) => registrar.handle(protocol, gateHandler(handler), options),
    unhandle: (protocol, options) => registrar.unhandle(protocol, options),
    getHandler: (protocol) => registrar.getHandler(protocol),
    use: (protocol, middleware) => registrar.use(protocol, middleware),
    unuse: (protocol) => registrar.unuse(protocol),
    getMiddleware: (protocol) => registrar.getMiddleware(protocol),
    register: (protocol, topology, options) => registrar.register(protocol, gateTopology(topology), options),
    unregister: (id) => registrar.unregister(id),
    getTopologies: (protocol) => registrar.getTopologies(protocol)
  }
}
