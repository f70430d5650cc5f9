import type { Counter, Histogram, Meter } from '../../base/meter.ts'
import type { RefusalReason } from '../../wire/quorum-types.ts'
import type { Outcome } from './events.ts'

export interface QuorumMetrics {
  time(outcome: Outcome['type']): Histogram
  rounds: Counter
  refusals(reason: RefusalReason): Counter
  votes: Counter
  carried: Counter
  learned(result: 'proven' | 'believed' | 'bad'): Counter
  /** Filled at each scrape. */
  onCollect(fill: (set: { running: (n: number) => void; damaged: (n: number) => void; registers: (n: number) => void }) => void): void
}

/** Seconds: from a disk write to a proposal that waited for its deadline. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

export function createQuorumMetrics(meter: Meter): QuorumMetrics {
  const time = meter.histogram(
    'skein_consensus_proposal_time_seconds',
    'From a proposal (a lease, a setting, a ban, voters, or a read) to its outcome at the node that made it. When `decided` is slow, the voters or their disks are; when `no-quorum` or `unknown` grows, too few voters can be reached: skein consensus ls.',
    BUCKETS, ['outcome']
  )
  const refusals = meter.counter(
    'skein_consensus_refusals_total',
    'Answers of voters that refused. `ballot` grows when proposers outbid each other; `not-permitted` when somebody wants a lease that has not run out; when `damaged` grows, a voter cannot read its file: skein consensus ls names it.',
    ['reason']
  )
  const learned = meter.counter(
    'skein_consensus_learned_total',
    'Decisions heard of from others. When `bad` grows, a member passes on what was not decided: find it in the log; `believed` counts voters taken on a member\'s word, at first contact or after many missed changes.',
    ['result']
  )
  const running = meter.gauge('skein_consensus_proposals', 'Proposals under way at this node, all pools together. When it stays high, voters do not answer: skein consensus ls.').with()
  const damaged = meter.gauge('skein_consensus_damaged_registers', 'Registers this node does not vote on because it cannot read what it has voted. When over 0, check the disk; it heals when the hub replaces this voter.').with()
  const registers = meter.gauge('skein_consensus_registers', 'Registers of which a decision is known, all pools together. At 1 024 in one pool no more are made, and a ban that was lifted counts as well: a thousand keys in the life of a federation.').with()
  return {
    time: (outcome) => time.with(outcome),
    rounds: meter.counter('skein_consensus_rounds_total', 'Rounds of proposals at this node. When much higher than proposals, proposers outbid each other or voters are slow.').with(),
    refusals: (reason) => refusals.with(reason),
    votes: meter.counter('skein_consensus_votes_total', 'Votes this node has cast. Each is a disk write; when it grows fast, look for who proposes: skein consensus ls.').with(),
    carried: meter.counter('skein_consensus_carried_total', 'Registers carried over to new voters. When it grows without end, voters change again and again: look at the health of the nodes.').with(),
    learned: (result) => learned.with(result),
    onCollect: (fill) => meter.onCollect(() => fill({ running: (n) => running.set(n), damaged: (n) => damaged.set(n), registers: (n) => registers.set(n) }))
  }
}
