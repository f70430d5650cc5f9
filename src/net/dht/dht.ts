import type { PeerDiscovery } from '@libp2p/interface'
import type { KadDHT, SingleKadDHT } from '@libp2p/kad-dht'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import { addressesFor } from '../addresses.ts'
import type { Candidate } from '../discovery/ports.ts'
import { providedKey, type ProvidedKind } from './keys.ts'
import { createHeard } from './heard.ts'
import type { DhtMetrics } from './metrics.ts'
import { wide } from './wide.ts'

/** Names that one node publishes; each is kept by eight members. */
export const MAX_PUBLISHED = 512
/** A name is published again after this long, by chance up to a tenth earlier: twice within the day for which others keep it. */
export const REFRESH_MS = 43_200_000
/** After a failure: no member was near, or none answered. */
const RETRY_MS = 60_000
/** Who knows fewer members than a name has copies publishes it again when it knows twice as many, for then others are asked first. */
const FEW_MEMBERS = 8
/** Between two names: a node with many shares the processor with calls. */
const PACE_MS = 50
/** How often it is looked whether something is due. */
const TICK_MS = 2_000
const PUBLISH_TIMEOUT_MS = 20_000
/** Providers of one name that are given out. */
const MAX_FOUND = 64

export interface ProvidedName {
  kind: ProvidedKind
  /** A server's name, or a tool's digest in hexadecimal. */
  name: string
}

export interface FoundProvider {
  peer: string
  /** Multiaddrs, as the answer has them: anybody's word. None if it has none. */
  addresses: readonly string[]
}

/** Connects with a node of no own pool, for one question; rejects when it cannot, or must not be now. */
export type MeetStranger = (peer: string, addresses: readonly string[], options: { signal: AbortSignal }) => Promise<void>

/** The federation's Kademlia. What it says are hints: whoever is found must be dialled, admitted and asked for its record. */
export interface Dht {
  start(): void
  stop(): void
  /** What this node offers from now on; beyond 512 names the last ones are left out. */
  publish(federation: string, names: readonly ProvidedName[]): void
  /** Members that say that they offer it, each once, as they are found; ends when all were asked, throws the signal's reason. */
  findProviders(federation: string, kind: ProvidedKind, name: string, options: { signal: AbortSignal }): AsyncIterable<FoundProvider>
  /** Where answers of this DHT, or libp2p, have this peer listen; none if nobody knows. */
  addressesOf(peer: string): Promise<readonly string[]>
  /** How nodes of other pools are connected that lookups and publications lead to. @default they are not */
  onStranger(meet: MeetStranger): void
  /** For the library's side: connects with a node of no own pool. */
  meet(peer: string, signal: AbortSignal): Promise<void>
  /** Peers near a random key, with their addresses. */
  walk(options: { signal: AbortSignal }): Promise<Candidate[]>
  /** Members in the routing table. */
  size(): number
}

interface Published {
  federation: string
  name: ProvidedName
  /** No publication before, ms. */
  due: number
  done: boolean
  /** When it was published last, ms, and how many members were in the table; 0: never. */
  at: number
  among: number
}

export interface DhtDeps {
  kad: KadDHT
  clock: Clock
  random: Random
  logger: Logger
  meter: Pick<Meter, 'onCollect'>
  metrics: DhtMetrics
  /** Whether a member is connected. */
  isUp: () => boolean
  /** Where libp2p knows a peer to listen; none if it does not. */
  addressesOf: (peer: string) => Promise<string[]>
}

export function createDht(deps: DhtDeps, options: { self: string }): Dht {
  const { kad, clock, random, logger, metrics } = deps
  const names = new Map<string, Published>()
  const stopping = new AbortController()
  const heard = createHeard(kad as SingleKadDHT & PeerDiscovery, deps.addressesOf)
  let timer: Timer | undefined
  let meetStranger: MeetStranger | undefined

  const size = () => (kad as SingleKadDHT).routingTable.size

  async function provide(key: ReturnType<typeof providedKey>): Promise<void> {
    const controller = new AbortController()
    const onStop = () => controller.abort(stopping.signal.reason)
    stopping.signal.addEventListener('abort', onStop, { once: true })
    const limit = clock.after(PUBLISH_TIMEOUT_MS, () => controller.abort(new Error('the DHT took too long')))
    let kept = 0
    try {
      for await (const event of kad.provide(key, wide({ signal: controller.signal }))) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') kept++
      }
    } finally {
      limit.cancel()
      stopping.signal.removeEventListener('abort', onStop)
    }
    if (kept === 0) throw new Error('no member keeps it')
  }

  async function publishOne(entry: Published): Promise<void> {
    const among = size()
    try {
      await provide(providedKey(entry.federation, entry.name.kind, entry.name.name))
      entry.done = true
      entry.at = clock.now()
      entry.among = among
      entry.due = clock.now() + REFRESH_MS * (0.9 + random.float() * 0.1)
      metrics.published.with('success').inc()
    } catch (error) {
      if (stopping.signal.aborted) return
      entry.due = clock.now() + RETRY_MS * (1 + random.float())
      entry.among = 0
      metrics.published.with('failure').inc()
      logger.debug('a name was not published in the DHT', { kind: entry.name.kind, name: entry.name.name, error: errorMessage(error) })
    }
  }

  function next(): Published | undefined {
    if (!deps.isUp() || size() === 0) return undefined
    const now = clock.now()
    for (const entry of names.values()) {
      const grown = entry.among > 0 && entry.among < FEW_MEMBERS && size() >= 2 * entry.among && now >= entry.at + RETRY_MS
      if (entry.due <= now || grown) return entry
    }
    return undefined
  }

  async function tick(): Promise<void> {
    const entry = next()
    if (entry !== undefined) await publishOne(entry)
    if (!stopping.signal.aborted) timer = clock.after(entry === undefined ? TICK_MS : PACE_MS, () => void tick())
  }

  deps.meter.onCollect(() => {
    metrics.peers.with().set(size())
    metrics.keys.with().set(names.size)
  })

  return {
    start: () => void tick(),
    stop() {
      stopping.abort(new Error('the node is stopping'))
      timer?.cancel()
    },
    publish(federation, wanted) {
      const keys = new Map(wanted.slice(0, MAX_PUBLISHED).map((name) => [`${name.kind}/${name.name}`, name]))
      for (const [key, entry] of names) {
        if (keys.has(key)) continue
        names.delete(key)
        if (entry.done) kad.cancelReprovide(providedKey(entry.federation, entry.name.kind, entry.name.name)).catch((error: unknown) => logger.debug('a name was not taken back', { error: errorMessage(error) }))
      }
      for (const [key, name] of keys) if (!names.has(key)) names.set(key, { federation, name, due: clock.now(), done: false, at: -Infinity, among: 0 })
    },
    async *findProviders(federation, kind, name, { signal }) {
      const found = new Set<string>()
      signal.throwIfAborted()
      for await (const event of kad.findProviders(providedKey(federation, kind, name), wide({ signal }))) {
        if (event.name !== 'PROVIDER') continue
        for (const { id, multiaddrs } of event.providers) {
          const peer = id.toString()
          if (found.has(peer)) continue
          found.add(peer)
          yield { peer, addresses: addressesFor(peer, multiaddrs.map(String)) }
        }
        if (found.size >= MAX_FOUND) break
      }
      metrics.lookups.with(found.size === 0 ? 'none' : 'found').inc()
      signal.throwIfAborted()
    },
    addressesOf: heard.of,
    onStranger(meet) {
      meetStranger = meet
    },
    async meet(peer, signal) {
      if (meetStranger === undefined) throw new Error('only members of the own pools are dialled')
      await meetStranger(peer, await heard.of(peer), { signal })
    },
    async walk({ signal }) {
      if (size() === 0) return []
      const found: Candidate[] = []
      for await (const event of kad.getClosestPeers(random.bytes(32), { signal })) {
        if (event.name !== 'FINAL_PEER' || event.peer.id.toString() === options.self) continue
        const peer = event.peer.id.toString()
        // Those from the own table come without addresses.
        const addresses = event.peer.multiaddrs.length > 0 ? event.peer.multiaddrs.map(String) : await deps.addressesOf(peer)
        found.push(...addresses.map((address) => ({ address: address.includes(`/p2p/${peer}`) ? address : `${address}/p2p/${peer}`, peer })))
      }
      return found
    },
    size
  }
}
