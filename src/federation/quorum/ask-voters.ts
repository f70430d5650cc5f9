import type { AcceptRequest, KeysRequest, PrepareRequest, QuorumAnswer } from '../../wire/quorum-types.ts'
import type { GroupContext } from './context.ts'

/** An answer of a voter takes a disk write and a way there and back; slower ones are not waited for, ms. */
export const ROUND_TIMEOUT = 1_000

export type VoterRequest = PrepareRequest | AcceptRequest | KeysRequest

export interface Asking {
  /** Asks those who were not asked yet. */
  rest(): void
  /** Ends the waiting. */
  stop(): void
}

/**
 * Asks other voters the same; one that is behind is given the chain and asked again, once.
 * @param first begins at this one, and asks only so many
 */
export function askVoters(context: GroupContext, request: VoterRequest, heard: (peer: string, answer: QuorumAnswer | undefined) => void, first: { at: number; count: number }): Asking {
  const { decisions, self } = context
  const stops = new Map<string, () => void>()
  const ask = (peer: string, asked: VoterRequest, again: boolean): void => {
    const stop = context.ask(peer, asked, ROUND_TIMEOUT, (answer) => {
      if (answer?.kind === 'refused' && answer.reason === 'behind' && !again) {
        ask(peer, { ...asked, chain: decisions.chainFrom(answer.voters ?? 0) }, true)
        return
      }
      if (answer?.kind === 'refused' && answer.reason === 'newer') context.learn(answer.chain ?? [], peer)
      if (answer?.kind === 'refused') context.emit({ type: 'refused', reason: answer.reason })
      heard(peer, answer)
    })
    stops.set(peer, stop)
  }
  const others = decisions.voters().peers.filter((peer) => peer !== self)
  const from = others.length === 0 ? 0 : first.at % others.length
  const waiting = [...others.slice(from), ...others.slice(0, from)]
  for (const peer of waiting.splice(0, first.count)) ask(peer, request, false)
  return {
    rest() {
      for (const peer of waiting.splice(0)) ask(peer, request, false)
    },
    stop() {
      for (const stop of stops.values()) stop()
    }
  }
}
