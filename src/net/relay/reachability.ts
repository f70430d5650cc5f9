import { backoffDelay } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { randomInt, type Random } from '../../base/random.ts'
import type { ReachVerdict } from '../../wire/reach.ts'
import { networkOf } from '../addresses.ts'

/** After the first connection with a member: those that dial this node by themselves have done so by then, and nobody needs to be asked. */
const FIRST_CHECK_MS = 4_000
/** While everybody can dial this node; NATs and firewalls change seldom. */
const CHECK_MS = 300_000
/** While it is hidden: its port may have been opened. */
const HIDDEN_CHECK_MS = 60_000
/** Nobody had time to answer, or those asked are of an earlier version and never will. */
const RETRY = { base: 8_000, cap: CHECK_MS }
/** Of different networks; each answer costs the asked one a handshake. */
const MAX_ASKED = 3

/** A direct connection with a member. */
export interface DirectLink {
  peer: string
  /** IP address of the other end. */
  host: string
  /** It was dialled by the other side at an address where this node listens. */
  inbound: boolean
}

export type Reachable = 'unknown' | 'yes' | 'no'

export interface Reachability {
  readonly state: Reachable
  /** A member is connected. */
  linked(): void
  stop(): void
}

/**
 * Finds out whether members can dial this node: who was dialled from a network is reachable from there; where nobody dialled, one
 * member is asked to try. A single one that cannot makes the node hidden: an address through a relay too many costs nothing.
 */
export function createReachability(deps: {
  clock: Clock
  random: Random
  logger: Logger
  links: () => DirectLink[]
  ask: (peer: string) => Promise<ReachVerdict>
  onChange: () => void
}): Reachability {
  const { clock, random, logger } = deps
  let state: Reachable = 'unknown'
  let timer: Timer | undefined
  let stopped = false
  let unanswered = 0

  function plan(ms: number): void {
    timer?.cancel()
    if (stopped) return
    // Not in step with others that started together.
    timer = clock.after(ms * (0.9 + random.float() * 0.2), () => void check())
  }

  function toAsk(links: readonly DirectLink[]): string[] {
    const silent = new Map<string, string[]>()
    for (const { peer, host } of links) silent.set(networkOf(host), [...(silent.get(networkOf(host)) ?? []), peer])
    for (const { host, inbound } of links) if (inbound) silent.delete(networkOf(host))
    return [...silent.values()].slice(0, MAX_ASKED).map((peers) => peers[randomInt(random, peers.length)] as string)
  }

  function settle(next: Reachable): void {
    if (state === next || stopped) return
    state = next
    if (next === 'no') logger.info('members cannot dial this node: it looks for relays')
    else logger.debug('members can dial this node')
    deps.onChange()
  }

  async function check(): Promise<void> {
    const links = deps.links()
    // Alone: the next connection starts it again.
    if (links.length === 0) return void (timer = undefined)
    const verdicts = await Promise.all(
      toAsk(links).map((peer) =>
        deps.ask(peer).catch((error: unknown): ReachVerdict => {
          logger.debug('a member did not say whether it can dial this node', { peer, error: errorMessage(error) })
          return 'busy'
        })
      )
    )
    if (verdicts.includes('unreached')) settle('no')
    else if (verdicts.length === 0 || verdicts.includes('reached')) settle('yes')
    else return plan(backoffDelay(unanswered++, RETRY, random))
    unanswered = 0
    plan(state === 'no' ? HIDDEN_CHECK_MS : CHECK_MS)
  }

  return {
    get state() {
      return state
    },
    linked() {
      if (timer === undefined) plan(FIRST_CHECK_MS)
    },
    stop() {
      stopped = true
      timer?.cancel()
    }
  }
}
