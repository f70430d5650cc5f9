import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:net'
import { dcutr, type DCUtRServiceComponents } from '@libp2p/dcutr'
import type { Connection, PeerId } from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { isDirect } from '../addresses.ts'
import type { AdmittedConnections } from '../admitted.ts'
import { gateRegistrar } from '../gated-registrar.ts'
import { libraryLogger } from '../library-logger.ts'
import { createPunchDials } from './punch-dials.ts'

/** Of one attempt, agreement included; the library makes three. */
const TIMEOUT_MS = 5_000

/** What the library wants of a connection, and what of its opening tells a hole punch from a plain dial. */
interface OpenOptions {
  initiator?: boolean
  priority?: number
}

interface Dialler {
  dial(address: Multiaddr, options: { signal: AbortSignal; localPort: number; initiator: boolean }): Promise<Connection>
}

export interface PunchDeps {
  clock: Clock
  admitted: AdmittedConnections
  self: string
  logger: Logger
  /** The public IP addresses from which members have seen this node come. */
  seenHosts: () => readonly string[]
  /** Dials these addresses of a member and is admitted there. */
  connect: (peer: string, addresses: readonly string[], signal: AbortSignal) => Promise<Connection>
  /** A punched connection is there; @param dialler this side acts as the one that dialled and presents */
  punched: (connection: Connection, dialler: boolean) => Promise<void>
  ended: (result: 'success' | 'failure') => void
}

/**
 * Hole punching through NATs as in the DCUtR specification: the library agrees with the other side over the relayed connection when
 * both dial, this makes the dials. It differs from the library's own in three ways. Its TCP dials come from ports that nobody knows,
 * so it never offers an observed address; here one port of this process is kept for punching, and it is offered behind the address that
 * members have seen, for most NATs keep the number of a port that is free. Its connection manager drops the word which side is the
 * dialling one (which side numbers its streams how: one-write.ts). And it closes the relayed connection at once, with the calls that run on it; here the host lets them finish.
 */
export function createPunching(deps: PunchDeps) {
  const { admitted } = deps
  const dials = createPunchDials(deps)
  /** With whom the library agrees while it runs: where it dials it does not say for whom. */
  const partners = new AsyncLocalStorage<string>()
  let port = 0
  /** Public in the library's class, not in its type. */
  let library: { upgradeInbound(connection: Connection): Promise<void> } | undefined

  function offered(): Multiaddr[] {
    if (port === 0) return []
    return deps.seenHosts().map((host) => multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}/p2p/${deps.self}`))
  }

  /** Without the way to close it: see above. */
  function relayed(connection: Connection): Connection {
    const seen = {
      id: connection.id,
      remoteAddr: connection.remoteAddr,
      remotePeer: connection.remotePeer,
      direction: connection.direction,
      newStream: (...args: Parameters<Connection['newStream']>) => connection.newStream(...args),
      close: async () => {},
      abort() {}
    }
    return seen as unknown as Connection
  }

  return {
    service(components: DCUtRServiceComponents): unknown {
      const gated = gateRegistrar(components.registrar, admitted)
      const registrar: Registrar = {
        ...gated,
        handle: (protocol, handler, options) =>
          gated.handle(
            protocol,
            (stream, connection) => {
              // The library would answer there too, and dial whatever it is told.
              if (isDirect(connection)) return stream.abort(new Error('there is a direct connection already'))
              return partners.run(connection.remotePeer.toString(), () => handler(stream, relayed(connection)))
            },
            options
          ),
        register: (protocol, topology, options) =>
          gated.register(
            protocol,
            { ...topology, onConnect: (peer, connection) => partners.run(peer.toString(), () => topology.onConnect?.(peer, relayed(connection))) },
            options
          )
      }
      const opening = {
        async openConnection(target: PeerId | Multiaddr | Multiaddr[], options: OpenOptions = {}): Promise<Connection> {
          const addresses = (Array.isArray(target) ? target : [target]) as Multiaddr[]
          const { initiator = true } = options
          try {
            const partner = partners.getStore()
            if (partner === undefined) throw new Error('nobody knows for whom this hole punch is')
            // Only the dials of the agreed moment have a priority.
            const connection = options.priority === undefined
              ? await dials.plain(partner, addresses, { timeout: TIMEOUT_MS }, (targets, signal) => deps.connect(partner, targets.map(String), signal))
              : await dials.punch(partner, addresses, async (address, signal) => {
                  const punched = await (components.transportManager as unknown as Dialler).dial(address, { signal, localPort: port, initiator })
                  await deps.punched(punched, initiator)
                  return punched
                })
            deps.ended('success')
            return connection
          } catch (error) {
            deps.ended('failure')
            throw error
          }
        }
      }
      library = dcutr({ timeout: TIMEOUT_MS })({
        peerStore: components.peerStore,
        registrar,
        connectionManager: opening as unknown as ConnectionManager,
        addressManager: { getAddresses: offered } as unknown as AddressManager,
        transportManager: components.transportManager,
        logger: libraryLogger(deps.logger)
      }) as NonNullable<typeof library>
      return library
    },
    /** The library tries when a relayed connection is new, three times within moments; this has it try again. */
    again: async (connection: Connection): Promise<void> =>
      partners.run(connection.remotePeer.toString(), () => library?.upgradeInbound(relayed(connection))),
    /** Chooses the port: one that nobody listens on. Its sockets share it, for each goes to another address. */
    async start(): Promise<void> {
      port = await new Promise<number>((resolve, reject) => {
        const server = createServer()
        server.once('error', reject)
        server.listen(0, () => {
          const { port: free } = server.address() as { port: number }
          server.close(() => resolve(free))
        })
      })
    },
    /** Ends the dials that run. */
    stop: () => dials.stop()
  }
}

export type Punching = ReturnType<typeof createPunching>
