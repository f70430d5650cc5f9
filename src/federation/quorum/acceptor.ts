import type { Accepted, Ballot, RegisterValue } from '../../wire/quorum-types.ts'
import { sameValue } from '../../wire/quorum-votes.ts'
import { compareAttempts, type Attempt } from './rules.ts'

/** What one voter has said about one register: it is on disk before anybody hears of it. */
export interface Register {
  promised: Attempt
  accepted?: Accepted | undefined
}

export type AcceptorAnswer =
  | { type: 'promised'; register: Register }
  | { type: 'voted'; register: Register; accepted: Accepted; again: boolean }
  /** A later attempt was promised. */
  | { type: 'late'; ballot: Ballot }
  /** The same attempt with another value: nobody honest sends that. */
  | { type: 'illegal' }

/**
 * The voter's side of CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without logs", 2018; it is Lamport's single-decree Paxos, where an
 * accepted value may be followed by one made from it). State in, message in; out come the state to be persisted and what to answer then.
 */
export interface Acceptor {
  prepare(register: Register | undefined, attempt: Attempt): AcceptorAnswer
  accept(register: Register | undefined, attempt: Attempt, value: RegisterValue, sign: () => Uint8Array): AcceptorAnswer
}

export const ACCEPTOR: Acceptor = {
  prepare(register, attempt) {
    // Not even the same one twice: a proposer that forgot its ballots in a crash must not use one again.
    if (register !== undefined && compareAttempts(attempt, register.promised) <= 0) return { type: 'late', ballot: register.promised.ballot }
    return { type: 'promised', register: { ...register, promised: attempt } }
  },
  accept(register, attempt, value, sign) {
    if (register !== undefined && compareAttempts(attempt, register.promised) < 0) return { type: 'late', ballot: register.promised.ballot }
    const before = register?.accepted
    if (before !== undefined && compareAttempts(attempt, before) === 0) {
      return sameValue(before.value, value) ? { type: 'voted', register: register as Register, accepted: before, again: true } : { type: 'illegal' }
    }
    const accepted: Accepted = { ...attempt, value, signature: sign() }
    return { type: 'voted', register: { promised: attempt, accepted }, accepted, again: false }
  }
}
