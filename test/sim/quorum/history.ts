import type { Outcome } from '../../../src/federation/quorum/events.ts'
import { MAX_OPS } from '../../../src/wire/quorum-votes.ts'
import type { Action, Operation, Outcome as Answer } from '../../support/linearizable.ts'
import { Violation } from '../frame/violation.ts'

/** What was asked and answered, in one order, for the checker of linearizability. */
export interface History {
  readonly operations: readonly Operation[]
  /** A call begins; `end` with how it ended (once or never). */
  begin(client: string, key: string, action: Action, op: string): (outcome: Outcome) => void
}

export function textOf(data: Uint8Array | undefined): string | undefined {
  return data === undefined ? undefined : Buffer.from(data).toString('utf8')
}

export function createHistory(): History {
  const operations: Operation[] = []
  let place = 0
  return {
    operations,
    begin(client, key, action, op) {
      const operation: Operation = { key, client: `${client}/${op.slice(-4)}`, action, outcome: { type: 'unknown' }, called: ++place, returned: Infinity }
      operations.push(operation)
      return (outcome) => {
        operation.outcome = answerOf(action, outcome, op)
        operation.returned = operation.outcome.type === 'unknown' ? Infinity : ++place
      }
    }
  }
}

/** What an outcome of the machine promises. */
function answerOf(action: Action, outcome: Outcome, op: string): Answer {
  switch (outcome.type) {
    case 'decided': {
      const { decided } = outcome
      if (action.type === 'read') return { type: 'ok', version: decided.version, data: textOf(decided.data) }
      if (decided.op !== op) throw new Violation('own-change', `the change ${op} of ${decided.key} is said to be decided, as version ${decided.version} that ${decided.op} made`)
      if (textOf(decided.data) !== action.data) throw new Violation('own-change', `the change ${op} of ${decided.key} to ${action.data} was decided as ${textOf(decided.data)}`)
      return { type: 'ok', version: decided.version, data: action.data }
    }
    case 'conflict': {
      if (action.type === 'read' || action.expect === 'any') return { type: 'not-applied' }
      const version = outcome.current?.version ?? 0
      // Not permitted, perhaps by a voter that is behind: that says nothing about the version.
      if (version <= action.expect) return { type: 'not-applied' }
      // So long ago that nobody remembers who made the version after the expected one.
      return version > action.expect + MAX_OPS ? { type: 'unknown' } : { type: 'conflict' }
    }
    case 'unknown':
      return { type: 'unknown' }
    default:
      return { type: 'not-applied' }
  }
}
