import type { AcceptRequest, KeysRequest, PrepareRequest, QuorumAnswer } from '../../wire/quorum-types.ts'
import type { GroupContext } from './context.ts'

/** An answer of a voter takes a disk write and a way there and back; slower ones are not waited for, ms. */
export const ROUND_TIMEOUT = 1_000

export type VoterRequest = PrepareRequest | AcceptRequest | KeysRequest

/** Asks every other voter the same; one that is behind is given the chain and asked again, once. Returns how to stop waiting. */
export function askVoters(context: GroupContext, request: VoterRequest, heard: (peer: string, answer: QuorumAnswer | undefined) => void): () => void {
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
  for (const peer of decisions.voters().peers) if (peer !== self) ask(peer, request, false)
  return () => {
    for (const stop of stops.values()) stop()
  }
}
