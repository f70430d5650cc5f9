import type { Timer } from '../../base/clock.ts'
import type { ReachPath } from './types.ts'

/** A way over relays that somebody has confirmed, or suggests. */
export interface RelayWay extends ReachPath {
  readonly kind: 'relayed'
  readonly rtt: number
}

/** One that a hub knows: it may not have measured it. */
export interface SuggestedRelayWay extends ReachPath {
  readonly kind: 'relayed'
  rtt: number | undefined
}

/** What is known of the ways to one peer. */
export interface Target {
  readonly peer: string
  /** Alive or suspect. Without it nobody is asked. */
  member: boolean
  /** There is a session. */
  direct: boolean
  /** … on which nothing comes although requests wait. */
  stalled: boolean
  relay: RelayWay | undefined
  /** A way that somebody else knows: to a node of another pool. Written by suggestions.ts. */
  suggested: SuggestedRelayWay | undefined
  /** What calls take now. */
  path: ReachPath | undefined
  readonly directPath: ReachPath
  /** What was told last. */
  live: boolean
  /** A relay failed and another is looked for. */
  replacing: boolean
  /** When the way in use was lost or stalled: signs of life must be newer, ms. */
  since: number
  /** When others are asked next, ms; Infinity: there is no need. */
  askAt: number
  /** Questions on their way. */
  asking: number
  /** Rounds in which nobody could. */
  failures: number
  /** Asked since somebody could. */
  tried: Set<string>
  /** When calls last went over relays, ms. */
  usedAt: number
  /** Runs while a stalled session may still come back before it is given up. */
  confirm: Timer | undefined
}

export function createTarget(peer: string, rtt: () => number | undefined): Target {
  const directPath: ReachPath = {
    kind: 'direct',
    via: [],
    get rtt() {
      return rtt()
    },
    get stalled() {
      return target.stalled
    }
  }
  const target: Target = {
    peer, member: false, direct: false, stalled: false, relay: undefined, suggested: undefined, path: undefined, directPath, live: false, replacing: false, since: 0, askAt: Infinity,
    asking: 0, failures: 0, tried: new Set(), usedAt: -Infinity, confirm: undefined
  }
  return target
}

/** The way that calls take: direct when that works, else over relays, else what there is. */
export function choosePath({ direct, stalled, relay, suggested, directPath }: Target): ReachPath | undefined {
  if (direct && !stalled) return directPath
  return relay ?? suggested ?? (direct ? directPath : undefined)
}

/** A member that can be asked: linked, and neither stalled nor leaving. */
export interface Neighbour {
  peer: string
  rtt: number | undefined
}

/**
 * Whom to ask for a way: whoever leads there now first, then the nearest, and one by chance, so that all have their turn. Those that
 * were asked in vain come after all others.
 * @param chance in [0, 1)
 */
export function chooseAsked(neighbours: readonly Neighbour[], tried: ReadonlySet<string>, first: string | undefined, max: number, chance: number): string[] {
  const fresh = neighbours.filter(({ peer }) => !tried.has(peer) || peer === first)
  const byRtt = (fresh.length > 0 ? fresh : neighbours).toSorted((a, b) => Number(b.peer === first) - Number(a.peer === first) || (a.rtt ?? Infinity) - (b.rtt ?? Infinity) || (a.peer < b.peer ? -1 : 1))
  const chosen = byRtt.slice(0, max)
  const rest = byRtt.slice(max - 1)
  if (max > 1 && rest.length > 1) chosen[max - 1] = rest[Math.floor(chance * rest.length)] as Neighbour
  return chosen.map(({ peer }) => peer)
}
