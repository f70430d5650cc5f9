import type { Connection } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { sleep, type Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { isPublicHost } from '../addresses.ts'

/** A member offers its public address, or one of each IP version; it may name anybody's. */
const MAX_ADDRESSES = 2
/** What one member can have this node do within the window: two rounds of the library's three attempts … */
const MAX_PER_MEMBER = 6
/** … in so long. */
const WINDOW_MS = 30_000
/** For all members together: each makes a TCP connect every 40 ms. */
const MAX_AT_ONCE = 16
/** Members remembered for that; the oldest go. */
const MAX_MEMBERS = 1_024
/** The other side's NAT may refuse what comes before its own packet has left: tried again after so long … */
const AGAIN_MS = 40
/** … for this long. Three packets get lost in it at most before the kernel repeats them too late. */
const PUNCH_MS = 3_000

type DialOnce = (address: Multiaddr, signal: AbortSignal) => Promise<Connection>

export interface PunchDials {
  /** Dials the addresses by turns until one answers or the time of a hole punch is over. Rejects also when the member has had its share. */
  punch(partner: string, addresses: readonly Multiaddr[], dial: DialOnce): Promise<Connection>
  /** One plain dial of all of them. @param options.timeout ms */
  plain(partner: string, addresses: readonly Multiaddr[], options: { timeout: number }, dial: (addresses: readonly Multiaddr[], signal: AbortSignal) => Promise<Connection>): Promise<Connection>
  /** Ends what runs, and nothing begins any more. */
  stop(): void
}

/**
 * Only public numbers, each for this member alone: what answers there and is somebody else does not become a connection. A name is left
 * out, for it means what the member's name server says at the moment.
 */
function pinned(partner: string, addresses: readonly Multiaddr[]): Multiaddr[] {
  const texts = addresses.flatMap((address) => {
    const [, place = '', host = '', peer = partner] = /^(\/ip[46]\/([^/]+)\/tcp\/\d+)(?:\/p2p\/([^/]+))?$/.exec(address.toString()) ?? []
    return place !== '' && isPublicHost(host) && peer === partner ? [`${place}/p2p/${partner}`] : []
  })
  return [...new Set(texts)].slice(0, MAX_ADDRESSES).map((text) => multiaddr(text))
}

/** Counts what each member has had within the window. */
function createShares(clock: Clock) {
  const had = new Map<string, number[]>()
  return {
    take(member: string): boolean {
      const times = (had.get(member) ?? []).filter((time) => clock.now() - time < WINDOW_MS)
      if (times.length >= MAX_PER_MEMBER) return false
      had.delete(member)
      had.set(member, [...times, clock.now()])
      if (had.size > MAX_MEMBERS) had.delete(had.keys().next().value as string)
      return true
    }
  }
}

/** The dials that members have this node make for hole punching: whom they reach and how many there are is bounded here. */
export function createPunchDials({ clock, logger }: { clock: Clock; logger: Logger }): PunchDials {
  const shares = { punch: createShares(clock), plain: createShares(clock) }
  const running = new Set<AbortController>()
  let stopped = false

  async function bounded(kind: keyof typeof shares, partner: string, addresses: readonly Multiaddr[], ms: number, work: (targets: Multiaddr[], signal: AbortSignal) => Promise<Connection>): Promise<Connection> {
    if (stopped) throw new Error('the node is stopping')
    const targets = pinned(partner, addresses)
    if (targets.length === 0) throw new Error('the other side offers no public IP address of its own')
    if (running.size >= MAX_AT_ONCE) throw new Error(`${MAX_AT_ONCE} hole punches run already`)
    if (!shares[kind].take(partner)) throw new Error(`the other side has had ${MAX_PER_MEMBER} attempts within ${WINDOW_MS / 1000} s`)
    const controller = new AbortController()
    running.add(controller)
    const timer = clock.after(ms, () => controller.abort(new Error('the hole punch took too long')))
    try {
      return await work(targets, controller.signal)
    } finally {
      timer.cancel()
      running.delete(controller)
    }
  }

  return {
    punch: (partner, addresses, dial) =>
      bounded('punch', partner, addresses, PUNCH_MS, async (targets, signal) => {
        let failure: unknown
        while (!signal.aborted) {
          for (const address of targets) {
            if (signal.aborted) break
            try {
              return await dial(address, signal)
            } catch (error) {
              failure = error
              logger.debug('a dial of a hole punch failed', { address: address.toString(), error: errorMessage(error) })
            }
          }
          await sleep(clock, AGAIN_MS, { signal }).catch(() => {})
        }
        throw failure
      }),
    plain: (partner, addresses, { timeout }, dial) => bounded('plain', partner, addresses, timeout, dial),
    stop() {
      stopped = true
      for (const controller of running) controller.abort(new Error('the node is stopping'))
    }
  }
}
