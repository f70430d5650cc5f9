import { decodeVoterSet } from '../../wire/quorum-votes.ts'
import type { GroupContext } from './context.ts'
import type { Outcome } from './events.ts'
import { chainRows, EVERYTHING } from './rows.ts'

/** After a start, ms: members must have told who votes. */
const FIRST_AFTER = 3_000
/** A voter that cannot be asked now is asked again, ms. */
const ASK_AGAIN = 10_000
/** A disk that took no vote is tried after so long, twice as long each time that it takes some and then no more, ms: a voter that comes and goes with its disk helps nobody. */
const RETRY = { base: 10_000, cap: 600_000 } as const
/** … and again as long as it takes nothing at all, ms. */
const TRY_AGAIN = 30_000
/** So long without a failure, ms, and the disk counts as mended. */
const MENDED_AFTER = 3_600_000

export interface HealOptions {
  /** A linearizable read of the voters, at some voter. */
  readVoters(ended: (outcome: Outcome) => void): void
  /** It votes again, if it is added. */
  healed(): void
}

/** A node that abstains from everything becomes whole by itself, as soon as what it has said counts for nothing. */
export interface Healing {
  tick(): void
  nextWake(): number | undefined
  /** What it said could not be written down. True: for the first time in long. */
  failed(): boolean
}

/**
 * It may forget all it has said once there are settled voters without it, later than all it may have voted under: whoever knows those, and that is a majority of them,
 * refuses all attempts under earlier ones; and it writes them down with what it forgets, so it does too. Where its own rows do not say what it may have voted under, a read of the
 * voters does, which was begun when it abstained already: it has voted only under voters that it knew to be decided, so none is later than what is read (and if that
 * leaves it out, all are earlier). The read does not need its vote: it abstains, so the majority that answers shares with the one that settled those voters a voter that remembers.
 * On a full disk the attempt fails, in a step of its own, and nothing has changed: so it does not say that it would vote before it can.
 */
export function createHealing(context: GroupContext, { readVoters, healed }: HealOptions): Healing {
  const { voter, decisions, self } = context
  let dueAt = context.now() + FIRST_AFTER
  let asking = false
  /** The last step tried to begin anew. */
  let trying = false
  let fails = 0
  let failedAt = -Infinity

  const isIll = () => voter.damaged().includes(EVERYTHING)
  /** Something can be done about it. */
  const isDue = () => isIll() && !asking && (voter.votedUpTo() === Infinity || voter.mayForget())

  function ask(): void {
    asking = true
    dueAt = context.now() + ASK_AGAIN
    readVoters((outcome) => {
      asking = false
      if (outcome.type !== 'decided' || outcome.decided.data === undefined) return
      const { version, data } = outcome.decided
      try {
        voter.votedNoLater(decodeVoterSet(data).peers.includes(self) ? version : version - 1)
        dueAt = context.now()
      } catch {
        // A voter that says nonsense; another one is asked.
      }
    })
  }

  return {
    tick() {
      trying = false
      if (!isDue() || context.now() < dueAt) return
      if (voter.votedUpTo() === Infinity) return ask()
      trying = true
      const rows = [...voter.wipe(), ...chainRows(decisions.chain())]
      context.emit({ type: 'persist', rows })
      context.emit({ type: 'log', level: 'info', message: 'what this node has voted counts for nothing any more: it begins anew, and may be a voter again', fields: { pool: context.pool } })
      healed()
    },
    nextWake: () => (isDue() ? dueAt : undefined),
    failed() {
      const now = context.now()
      const isNew = now - failedAt > MENDED_AFTER
      if (!trying) fails = isNew ? 0 : fails + 1
      failedAt = now
      dueAt = now + (trying ? TRY_AGAIN : Math.min(RETRY.cap, RETRY.base * 2 ** Math.min(fails, 30)))
      return isNew
    }
  }
}
