import type { KeysRequest, QuorumAnswer } from '../../wire/quorum-types.ts'
import type { GroupMachine } from './events.ts'

/**
 * Asks a member that is no voter what voters are asked when they are new. It says that it is none, once it knows the voters of today: then it knows what a vote is, and can
 * write one down. One that can not says `damaged`; a node without votes, or one that is gone, says nothing.
 */
export async function wouldVote(machine: GroupMachine, pool: string, ask: (request: KeysRequest) => Promise<QuorumAnswer>): Promise<boolean> {
  const { version } = machine.voters()
  const request: KeysRequest = { kind: 'keys', pool, voters: version }
  const isSound = (answer: QuorumAnswer) => answer.kind === 'keys' || (answer.kind === 'refused' && answer.reason === 'not-voter')
  try {
    const first = await ask(request)
    if (first.kind !== 'refused' || first.reason !== 'behind') return isSound(first)
    return isSound(await ask({ ...request, chain: machine.chainFrom(first.voters ?? 0) }))
  } catch {
    return false
  }
}
