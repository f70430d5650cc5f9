import type { Certificate } from '../../wire/quorum-types.ts'
import { encodeVoterSet } from '../../wire/quorum-votes.ts'
import type { GroupContext } from './context.ts'
import { decidedOf } from './decisions.ts'
import type { Outcome } from './events.ts'
import type { Propose } from './settle.ts'
import { VOTERS_KEY, type Decided } from './types.ts'

export interface VoterChangeOptions {
  peers: readonly string[]
  op: string
  within: number
  propose: Propose
  /** Starts settling the voters of today, or joins one under way. */
  settle(within: number, ended: (why: string | undefined) => void): void
  ended(outcome: Outcome): void
}

/** One change of voters from beginning to end: the last one settled, the new ones decided by the old, then settled too. */
export function changeVoters(context: GroupContext, options: VoterChangeOptions): void {
  const { decisions } = context
  const deadline = context.now() + options.within
  const left = () => deadline - context.now()
  const { peers } = options

  function begin(): void {
    const voters = decisions.voters()
    if (left() <= 0) return options.ended({ type: 'expired', why: 'the change of voters before this one could not be settled in time' })
    if (sameSet(voters.peers, peers)) return voters.settled ? options.ended({ type: 'decided', decided: today() }) : settle()
    const data = encodeVoterSet({ peers, settled: false })
    const mayFollow = context.rules.successor(voters, { peers, settled: false }, decisions.votersBefore()) === undefined
    if (!voters.settled && !mayFollow) return options.settle(left(), (why) => (why === undefined ? begin() : options.ended({ type: 'expired', why })))
    options.propose({ what: 'change', key: VOTERS_KEY, op: options.op, expect: voters.version, data, within: left(), retried: false, ended: changed })
  }

  function changed(outcome: Outcome): void {
    if (outcome.type === 'decided') settle()
    else options.ended(outcome)
  }

  /** Decided is decided: whoever votes goes on settling when this node's time is over. */
  function settle(): void {
    options.settle(Math.max(1, left()), () => options.ended({ type: 'decided', decided: today() }))
  }

  function today(): Decided {
    const certificate: Certificate | undefined = decisions.get(VOTERS_KEY)
    if (certificate !== undefined) return decidedOf(certificate)
    const { version, peers: all, settled } = decisions.voters()
    return { key: VOTERS_KEY, version, data: encodeVoterSet({ peers: all, settled }), ballot: { n: 0, peer: '' }, voters: 0, op: '', votes: [] }
  }

  begin()
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((peer) => b.includes(peer))
}
