import type { PeerInfo, Startable } from '@libp2p/interface'
import type { MulticastDNSInit } from '@libp2p/mdns'
import { multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { libraryLogger } from '../library-logger.ts'
import type { Candidate, DiscoverySource } from './ports.ts'

/** Peers of the local network that are remembered between two rounds; anybody there can shout, so the oldest go. */
const MAX_PEERS = 64
/** Who has not answered for so long is gone. */
const FORGET_MS = 120_000
/** Questions to the local network. */
const ASK_EVERY_MS = 10_000

export interface MdnsSource extends DiscoverySource {
  start(): Promise<void>
  stop(): Promise<void>
}

/** Federations do not meet: the service name has the first bytes of the federation's id. */
export function mdnsService(federation: string): string {
  return `_skein-${federation.toLowerCase().replace(/[^a-z0-9]/g, '').slice(0, 16)}._udp.local`
}

/**
 * Multicast DNS: finds nodes of the same federation in the local network. It only names candidates; whoever answers must be dialled
 * and show a credential as everybody.
 * @param deps.addresses those of this node, without peer id
 */
export function createMdns(
  deps: { clock: Clock; logger: Logger; self: string; addresses: () => string[] },
  options: { federation: string } & Pick<MulticastDNSInit, 'port' | 'ip' | 'interval'>
): MdnsSource {
  const { clock, logger } = deps
  const found = new Map<string, { candidates: Candidate[]; at: number }>()
  const listeners: ((candidates: Candidate[]) => void)[] = []
  let service: (Startable & { addEventListener(type: 'peer', listener: (event: CustomEvent<PeerInfo>) => void): void }) | undefined

  function onPeer({ detail }: CustomEvent<PeerInfo>): void {
    const peer = detail.id.toString()
    if (peer === deps.self) return
    const candidates = detail.multiaddrs.slice(0, 8).map((address) => ({ address: `${address.toString()}/p2p/${peer}`, peer }))
    found.delete(peer)
    found.set(peer, { candidates, at: clock.now() })
    if (found.size > MAX_PEERS) found.delete(found.keys().next().value as string)
    for (const listener of listeners) listener(candidates)
  }

  return {
    name: 'mdns',
    async find() {
      for (const [peer, { at }] of found) if (clock.now() - at > FORGET_MS) found.delete(peer)
      return [...found.values()].flatMap(({ candidates }) => candidates)
    },
    onFound: (listener) => void listeners.push(listener),
    async start() {
      // Only where it is wanted.
      const { mdns } = await import('@libp2p/mdns')
      const { federation, ...rest } = options
      const made = mdns({ interval: ASK_EVERY_MS, ...rest, serviceTag: mdnsService(federation) })({
        addressManager: { getAddresses: () => deps.addresses().map((address) => multiaddr(`${address}/p2p/${deps.self}`)) } as never,
        logger: libraryLogger(logger)
      })
      service = made as unknown as NonNullable<typeof service>
      service.addEventListener('peer', onPeer)
      try {
        await service.start?.()
      } catch (error) {
        logger.warn('mDNS does not work on this machine; other ways of finding nodes do', { error: errorMessage(error) })
      }
    },
    async stop() {
      await service?.stop?.()
    }
  }
}
