import type { Clock } from '../../base/clock.ts'
import { NO_VOTER_BACKOFF, NO_VOTER_FOR, WOULD_VOTE_FOR, WOULD_VOTE_WITHIN } from './limits.ts'
import type { TierGroup } from './ports.ts'

/** More than a manager asks in the longest of those times. */
const MAX_ASKED = 256

/** What members said when they were asked whether they would vote. */
export interface Candidates {
  /** It said so lately. */
  isSound(peer: string): boolean
  /** It would not, or did not: not yet to be asked again. */
  isBarred(peer: string): boolean
  ask(group: TierGroup, peer: string): Promise<void>
  /** It was added, and did not vote. */
  didNotVote(peer: string): void
}

/**
 * One voter that says nothing takes the majority from two: a node of a version without votes, one whose disk is full or damaged, one that is just dying. So nobody is
 * added that was not asked a moment before.
 */
export function createCandidates(clock: Clock): Candidates {
  const asked = new Map<string, { soundAt: number; fails: number; until: number }>()

  function note(peer: string, said: { soundAt: number; fails: number; until: number }): void {
    asked.delete(peer)
    if (asked.size >= MAX_ASKED) asked.delete(asked.keys().next().value as string)
    asked.set(peer, said)
  }

  return {
    isSound: (peer) => clock.now() - (asked.get(peer)?.soundAt ?? -Infinity) < WOULD_VOTE_FOR,
    isBarred: (peer) => clock.now() < (asked.get(peer)?.until ?? -Infinity),
    async ask(group, peer) {
      const sound = await group.wouldVote(peer, { within: WOULD_VOTE_WITHIN })
      const now = clock.now()
      const fails = asked.get(peer)?.fails ?? 0
      if (sound) note(peer, { soundAt: now, fails: 0, until: -Infinity })
      else note(peer, { soundAt: -Infinity, fails: fails + 1, until: now + Math.min(NO_VOTER_BACKOFF.cap, NO_VOTER_BACKOFF.base * 2 ** Math.min(fails, 30)) })
    },
    didNotVote(peer) {
      note(peer, { soundAt: -Infinity, fails: 0, until: clock.now() + NO_VOTER_FOR })
    }
  }
}
