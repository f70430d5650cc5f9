import type { Contact } from '../../wire/tiers-types.ts'
import type { PlaceContext } from './place-types.ts'
import type { Home } from './ports.ts'
import type { Wish } from './wish.ts'

/** Peers with a session that are asked in one search, and hubs from the disk. */
const MAX_ASKED_PEERS = 6
const MAX_ASKED_KNOWN = 6

/**
 * Whom to ask for a place: the preferred one, the hub of today, the pool above as a predecessor knew it, whoever is connected, hubs from the disk; each once.
 * @param below the pool that a place above is looked for; undefined: a home
 */
export function seedsOf({ deps, options, view, keeper }: PlaceContext, wished: Wish, below: string | undefined, current: Home | undefined): Contact[] {
  const inherited = (below === undefined ? undefined : keeper(below)?.lease()?.contacts) ?? []
  const hub = current === undefined ? undefined : keeper(current.pool)?.lease()?.holder
  // Those below know nobody above but this node.
  const hubs = new Set(below === undefined ? [] : view.hubs().map(({ peer }) => peer))
  const belongsBelow = (peer: string) => below !== undefined && view.isThere(peer, below) && !hubs.has(peer)
  const shuffled = deps.peers().filter((peer) => !belongsBelow(peer)).map((peer) => ({ peer, at: deps.random.float() })).toSorted((a, b) => a.at - b.at)
  const connected = shuffled.slice(0, MAX_ASKED_PEERS).map(({ peer }) => ({ peer, addresses: [] }))
  const known = deps.hubs.list().slice(0, MAX_ASKED_KNOWN)
  const all: Contact[] = [...wished.first(), ...(hub === undefined ? [] : [{ peer: hub, addresses: [] }]), ...inherited, ...connected, ...known]
  const seen = new Set([options.self])
  return all.filter(({ peer }) => !seen.has(peer) && seen.add(peer))
}
