import type { Certificate } from '../../wire/quorum-types.ts'
import { sameValue } from '../../wire/quorum-votes.ts'

/** The only member there is must say the same for so long, ms: others may be about to appear. */
const LONE_AFTER = 3_000
/** Members whose word is kept; over it, that of the first is forgotten. */
const MAX_CLAIMS = 16

export interface ClaimFacts {
  /** The last voters known here, by version. */
  voters: { version: number; peers: readonly string[] }
  /** Living members. */
  members: readonly string[]
  self: string
  /** ms */
  now: number
}

/** What members say of later voters, without the certificates that lead to them: nobody alone is believed, but those who vote by what is known here. */
export interface Claims {
  /**
   * `gaps`: voters that `from` gave as its answer to a question, earliest first. Returns the one that may be believed; undefined: ask others.
   */
  heard(from: string, gaps: readonly Certificate[], facts: ClaimFacts): Certificate | undefined
  /** Who said something that was not believed. */
  tellers(): ReadonlySet<string>
  clear(): void
}

export function createClaims(): Claims {
  const kept = new Map<string, { since: number; gaps: readonly Certificate[] }>()

  return {
    heard(from, gaps, { voters, members, self, now }) {
      if (voters.peers.includes(from)) return gaps[0]
      kept.set(from, { since: kept.get(from)?.since ?? now, gaps })
      if (kept.size > MAX_CLAIMS) kept.delete(kept.keys().next().value as string)
      // Whoever was voted for knows best what followed. The first voters may be long gone, and were chosen by nobody.
      if (voters.version > 0 && voters.peers.some((peer) => peer !== self && members.includes(peer))) return undefined
      const others = [...kept].filter(([peer]) => peer !== from && members.includes(peer)).flatMap(([, claim]) => claim.gaps)
      const agreed = gaps.find(({ value }) => others.some((other) => sameValue(other.value, value)))
      if (agreed !== undefined) return agreed
      const isAlone = members.length === 1 && members[0] === from
      return isAlone && now - (kept.get(from)?.since ?? now) >= LONE_AFTER ? gaps[0] : undefined
    },
    tellers: () => new Set(kept.keys()),
    clear: () => kept.clear()
  }
}
