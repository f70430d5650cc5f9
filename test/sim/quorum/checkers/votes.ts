import type { GroupEffect, GroupEvent } from '../../../../src/federation/quorum/events.ts'
import { compareAttempts } from '../../../../src/federation/quorum/rules.ts'
import type { Attempt } from '../../../../src/federation/quorum/rules.ts'
import type { QuorumRequest } from '../../../../src/wire/quorum-types.ts'
import { hashValue } from '../../../../src/wire/quorum-votes.ts'
import { Violation } from '../../frame/violation.ts'
import type { Process, Watcher } from '../world-types.ts'

/** Effects of one step: a request to every voter for some registers, what is told to the members, answers. */
const MAX_EFFECTS = 400

interface Said {
  promised: Attempt
  promisedBy: number
}

/**
 * What a voter said binds it over all its lives (I4): no vote under a promise that it gave to a later attempt, no promise to an earlier one, and
 * one value in an attempt, at all voters together.
 */
export function keepsItsWord(): Watcher {
  const said = new Map<string, Said>()
  const valueOf = new Map<string, string>()
  const asked = new Map<number, QuorumRequest>()

  return {
    stepped(_process: Process, event: GroupEvent, effects: readonly GroupEffect[]) {
      if (event.type === 'request' && (event.request.kind === 'prepare' || event.request.kind === 'accept')) asked.set(event.id, event.request)
      if (effects.length > MAX_EFFECTS) throw new Violation('bounded', `${effects.length} effects of one ${event.type}`)
    },
    effect(process: Process, effect: GroupEffect) {
      if (effect.type !== 'answer') return
      const request = asked.get(effect.id)
      asked.delete(effect.id)
      if (request === undefined || (request.kind !== 'prepare' && request.kind !== 'accept')) return
      const { kind } = effect.answer
      if (kind !== 'promised' && kind !== 'accepted') return
      const id = `${process.peer} ${request.key}`
      const attempt = { voters: request.voters, ballot: request.ballot }
      const before = said.get(id)
      const order = before === undefined ? 1 : compareAttempts(attempt, before.promised)
      if (order < 0) {
        const life = before?.promisedBy === process.id ? '' : ' in an earlier life'
        throw new Violation('word', `${process.peer} ${kind} ${JSON.stringify(attempt)} of ${request.key} after it had promised ${JSON.stringify(before?.promised)}${life}`)
      }
      said.set(id, { promised: attempt, promisedBy: process.id })
      if (request.kind !== 'accept') return
      const ballot = `${request.key} ${attempt.voters} ${attempt.ballot.n} ${attempt.ballot.peer}`
      const value = Buffer.from(hashValue(request.value)).toString('hex')
      const other = valueOf.get(ballot)
      if (other !== undefined && other !== value) throw new Violation('one-vote', `${process.peer} voted in ${ballot} for another value than was voted for before in it`)
      valueOf.set(ballot, value)
    }
  }
}
