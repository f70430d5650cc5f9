import type { MemberNetwork } from './ports.ts'
import type { KnockResult } from './types.ts'

/** One network for the machines of several pools. */
export interface NetworkShare {
  /** As the machine of this pool may use it. */
  of(pool: string): MemberNetwork
  /** Closes the connections with a peer that no pool has alive or suspect and nobody else wants. */
  closeUnless(peer: string): void
}

/** A dial under way, and how many machines wait for it. */
interface SharedDial {
  ended: Promise<void>
  controller: AbortController
  waiting: number
}

/**
 * Pools that share a peer look at it and dial it at the same moment: that is done once. A connection is closed only if no pool needs it.
 * @param rules.livesBut whether a pool other than this one has the peer alive or suspect
 */
export function createNetworkShare(network: MemberNetwork, rules: { livesBut(pool: string | undefined, peer: string): boolean; keep(peer: string): boolean }): NetworkShare {
  /** By peer. Bounded by what the machines have under way, as the next one is. */
  const dials = new Map<string, SharedDial>()
  /** By addresses. */
  const knocks = new Map<string, Promise<KnockResult>>()

  function begin(...[peer, addresses, { timeout }]: Parameters<MemberNetwork['dial']>): SharedDial {
    const controller = new AbortController()
    const ended = network.dial(peer, addresses, { timeout, signal: controller.signal }).finally(() => {
      if (dials.get(peer) === dial) dials.delete(peer)
    })
    const dial: SharedDial = { ended, controller, waiting: 0 }
    dials.set(peer, dial)
    return dial
  }

  /** Ends when the last machine that waits for it gives up. */
  async function dialTogether(...args: Parameters<MemberNetwork['dial']>): Promise<void> {
    const [peer, , { signal }] = args
    signal.throwIfAborted()
    const dial = dials.get(peer) ?? begin(...args)
    dial.waiting++
    const onAbort = () => {
      if (--dial.waiting > 0) return
      if (dials.get(peer) === dial) dials.delete(peer)
      dial.controller.abort(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await dial.ended
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  function knockTogether(...[addresses, { timeout, signal }]: Parameters<MemberNetwork['knock']>): Promise<KnockResult> {
    const key = addresses.join(' ')
    const running = knocks.get(key)
    if (running !== undefined) return running
    const begun = network.knock(addresses, { timeout, signal }).finally(() => knocks.delete(key))
    knocks.set(key, begun)
    return begun
  }

  function close(pool: string | undefined, peer: string): void {
    if (!rules.livesBut(pool, peer) && !rules.keep(peer)) network.close(peer)
  }

  return {
    of: (pool) => ({
      send: (peer, frame) => network.send(peer, frame),
      knock: knockTogether,
      dial: dialTogether,
      close: (peer) => close(pool, peer)
    }),
    closeUnless: (peer) => close(undefined, peer)
  }
}
