/**
 * What one peer may cost this node. Honest members stay far below: 100 rounds of news a second at most, some probes, a comparison now and then.
 * What is over is dropped unread: gossip and comparing bring again what an honest one would have lost by it.
 */

/** Messages at once, as after this node stood still for some seconds, and per second. A small one costs 10 to 50 us. */
const MESSAGES = { burst: 1_000, rate: 500 }
/** Bytes at once: the statements of 1 000 members; and per second. Reading 64 KiB of statements takes 5 ms. */
const BYTES = { burst: 1024 * 1024, rate: 512 * 1024 }
/** Questions with long answers, each 1 and as much again for each SHARE members that it names: four digests of the largest pool at once. */
const QUESTIONS = { burst: 48, rate: 8 }
const SHARE = 128
/** Faults: a signature is checked in 0.1 to 0.2 ms. A member raises its own incarnation at most 10 times a second; those of 1 000 members fit in at once. */
const FAULTS = { burst: 64, rate: 16 }
/** Dropped messages until the stream is reset, so that nobody goes on pouring. */
const EXCESS = { burst: 5_000, rate: 100 }
/** Above this, a message can only be a digest or a state, bytes. */
const LONG = 9 * 1024
/** Peers with a budget; more than there are connections. The one seen first is forgotten: its budget is full again. */
const MAX_PEERS = 1_024

/** The price of faults, and of any other check. Members pass on only what they have checked themselves, so a forged statement comes from a liar. */
export const FAULT = { forged: 16, other: 1, none: 0.05 } as const

export interface Budgets {
  /** Whether to read this message; `flood`: dropped, and so many before it that its stream is to be reset. */
  message(peer: string, bytes: number, now: number): 'read' | 'drop' | 'flood'
  /** Whether to answer a sync, a digest or a want that names so many members. */
  question(peer: string, members: number, now: number): boolean
  /** Whether to check a signature that this peer brought. */
  trusts(peer: string, now: number): boolean
  fault(peer: string, cost: number, now: number): void
}

interface Bucket {
  level: number
  at: number
}

interface Limit {
  burst: number
  rate: number
}

export function createBudgets(): Budgets {
  const peers = new Map<string, Record<'messages' | 'bytes' | 'questions' | 'faults' | 'excess', Bucket>>()

  function of(peer: string, now: number) {
    let budget = peers.get(peer)
    if (budget === undefined) {
      const full = ({ burst }: Limit): Bucket => ({ level: burst, at: now })
      budget = { messages: full(MESSAGES), bytes: full(BYTES), questions: full(QUESTIONS), faults: full(FAULTS), excess: full(EXCESS) }
      peers.set(peer, budget)
      if (peers.size > MAX_PEERS) peers.delete(peers.keys().next().value as string)
    }
    return budget
  }

  /** What is left now. */
  function left(bucket: Bucket, { burst, rate }: Limit, now: number): number {
    bucket.level = Math.min(burst, bucket.level + (Math.max(0, now - bucket.at) * rate) / 1_000)
    bucket.at = now
    return bucket.level
  }

  return {
    message(peer, bytes, now) {
      const { messages, bytes: volume, questions, excess } = of(peer, now)
      const over = left(messages, MESSAGES, now) < 1 || left(volume, BYTES, now) < bytes || (bytes > LONG && left(questions, QUESTIONS, now) < 1)
      if (over) {
        if (left(excess, EXCESS, now) < 1) return 'flood'
        excess.level--
        return 'drop'
      }
      messages.level--
      volume.level -= bytes
      return 'read'
    },
    question(peer, members, now) {
      const { questions } = of(peer, now)
      if (left(questions, QUESTIONS, now) < 1) return false
      questions.level -= 1 + members / SHARE
      return true
    },
    trusts: (peer, now) => left(of(peer, now).faults, FAULTS, now) >= 1,
    fault(peer, cost, now) {
      const { faults } = of(peer, now)
      faults.level = left(faults, FAULTS, now) - cost
    }
  }
}
