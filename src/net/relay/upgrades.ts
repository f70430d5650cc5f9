import { backoffDelay } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import { isRelayed } from '../addresses.ts'

/** How often it is looked whose turn it is. */
const TICK_MS = 2_000
/** The first try of a relayed member, later ones after these: NATs change seldom. */
const BACKOFF = { base: 5_000, cap: 600_000 }
/** A whole connection, bare connect before it included. */
const TRY_MS = 6_000

export interface Upgrades {
  start(): void
  stop(): void
}

/**
 * Tries to dial members directly with whom there is only a relayed connection, one at a time and for ever.
 * @param deps.addressesOf what a member tells of itself
 * @param deps.punch has the library agree with the other side on a hole punch, where that is this side's part
 * @param deps.connect resolves with a direct connection that both sides have admitted
 */
export function createUpgrades(deps: {
  clock: Clock
  random: Random
  logger: Logger
  relayed: () => string[]
  addressesOf: (peer: string) => readonly string[]
  connect: (peer: string, addresses: readonly string[], options: { timeout: number; signal: AbortSignal }) => Promise<void>
  punch: (peer: string) => Promise<void>
  ended: (result: 'success' | 'failure') => void
}): Upgrades {
  const { clock, random, logger } = deps
  const tries = new Map<string, { count: number; notBefore: number }>()
  const stopping = new AbortController()
  let timer: Timer | undefined

  function wait(peer: string, count: number): void {
    tries.set(peer, { count, notBefore: clock.now() + backoffDelay(count, BACKOFF, random) })
  }

  async function tryOne(peer: string, addresses: readonly string[], count: number): Promise<void> {
    wait(peer, count + 1)
    try {
      if (addresses.length === 0) return await deps.punch(peer)
      await deps.connect(peer, addresses, { timeout: TRY_MS, signal: stopping.signal })
      deps.ended('success')
    } catch (error) {
      if (stopping.signal.aborted) return
      deps.ended('failure')
      await deps.punch(peer).catch(() => {})
      logger.debug('a relayed member cannot be dialled directly', { peer, error: errorMessage(error) })
    }
  }

  async function tick(): Promise<void> {
    const peers = deps.relayed()
    for (const peer of tries.keys()) if (!peers.includes(peer)) tries.delete(peer)
    for (const peer of peers) {
      if (stopping.signal.aborted) return
      const entry = tries.get(peer)
      if (entry === undefined) wait(peer, 0)
      if (entry === undefined || entry.notBefore > clock.now()) continue
      const direct = deps.addressesOf(peer).filter((address) => !isRelayed(address))
      await tryOne(peer, direct, entry.count)
    }
    if (!stopping.signal.aborted) timer = clock.after(TICK_MS, () => void tick())
  }

  return {
    start: () => void tick(),
    stop() {
      stopping.abort(new Error('the node is stopping'))
      timer?.cancel()
    }
  }
}
