import type { Member, MemberEvent, MemberState, SwimEffect, SwimEvent } from '../../../../src/membership/types.ts'
import type { Process, Watcher, World } from '../../../support/swim-world-types.ts'
import { Violation } from '../../frame/violation.ts'

/** How one member stands in the eyes of another, before and after something that happened there. */
export interface Change {
  observer: Process
  peer: string
  before: { state: MemberState; incarnation: number } | undefined
  after: Member
  /** Undefined for a change that was not told. */
  event: MemberEvent | undefined
}

export interface Checker {
  name: string
  started?(process: Process): void
  ended?(process: Process): void
  changed?(change: Change, fail: (text: string) => never): void
  stepped?(process: Process, event: SwimEvent, effects: readonly SwimEffect[], fail: (text: string) => never): void
}

interface Seen {
  state: MemberState
  incarnation: number
  view: Member
}

/**
 * Looks at every machine after every step: first at what it told, one event after the other, then at its table. A change is found by the identity
 * of the view, which is a new object each time, so a look costs one lookup per member.
 */
export function createWatch(world: () => World, checkers: readonly Checker[]): Watcher & { readonly steps: number } {
  const seen = new Map<Process, Map<string, Seen>>()
  const onChange = checkers.filter((checker) => checker.changed !== undefined)
  const onStep = checkers.filter((checker) => checker.stepped !== undefined)
  let steps = 0

  function failing(checker: Checker, process: Process): (text: string) => never {
    return (text) => {
      throw new Violation(checker.name, `at ${world().now.toFixed(1)} ms, at ${process.peer}#${process.id}: ${text}`)
    }
  }

  function note(observer: Process, of: Map<string, Seen>, after: Member, event: MemberEvent | undefined): void {
    const before = of.get(after.peer)
    for (const checker of onChange) checker.changed?.({ observer, peer: after.peer, before, after, event }, failing(checker, observer))
    of.set(after.peer, { state: after.state, incarnation: after.incarnation, view: after })
  }

  return {
    get steps() {
      return steps
    },
    started(process) {
      seen.set(process, new Map())
      for (const checker of checkers) checker.started?.(process)
    },
    ended(process) {
      seen.delete(process)
      for (const checker of checkers) checker.ended?.(process)
    },
    stepped(process, event, effects) {
      steps++
      const of = seen.get(process)
      if (of === undefined) return
      for (const effect of effects) if (effect.type === 'event') note(process, of, effect.event.member, effect.event)
      for (const { peer } of world().hosts) {
        const view = process.swim.member(peer)
        const before = of.get(peer)
        if (view !== before?.view && view !== undefined) note(process, of, view, undefined)
        else if (view === undefined && before !== undefined) throw new Violation('table', `${process.peer}#${process.id} forgot ${peer} (${before.state})`)
      }
      for (const checker of onStep) checker.stepped?.(process, event, effects, failing(checker, process))
    }
  }
}
