import type { MemberEvent, MemberState } from '../../../../src/membership/types.ts'
import type { Checker } from './watch.ts'

type From = MemberState | 'unknown'
type Step = { told: MemberEvent['type'] | 'nothing'; incarnation: 'same' | 'higher' | 'any' }

/** Every way from one state to another, what is told of it, and what the incarnation may do meanwhile. Whatever is not here is wrong. */
const LEGAL: Record<From, Partial<Record<MemberState, Step[]>>> = {
  unknown: {
    alive: [{ told: 'joined', incarnation: 'any' }],
    // Of one that left before it was seen only the tombstone is kept.
    left: [{ told: 'nothing', incarnation: 'any' }]
  },
  alive: {
    alive: [
      { told: 'updated', incarnation: 'higher' },
      { told: 'nothing', incarnation: 'any' }
    ],
    // Higher: both in one message, and a new incarnation alone is not told.
    suspect: [{ told: 'suspected', incarnation: 'any' }],
    left: [{ told: 'left', incarnation: 'any' }]
  },
  suspect: {
    // The same incarnation: a late answer took the own accusation back.
    alive: [{ told: 'recovered', incarnation: 'any' }],
    suspect: [{ told: 'nothing', incarnation: 'same' }],
    dead: [{ told: 'failed', incarnation: 'same' }],
    left: [{ told: 'left', incarnation: 'any' }]
  },
  dead: {
    alive: [{ told: 'recovered', incarnation: 'higher' }],
    dead: [{ told: 'nothing', incarnation: 'same' }],
    left: [{ told: 'left', incarnation: 'any' }]
  },
  left: {
    alive: [{ told: 'joined', incarnation: 'higher' }],
    left: [{ told: 'nothing', incarnation: 'any' }]
  }
}

/** Only legal transitions, each told by the event that belongs to it. */
export function legalTransitions(): Checker {
  return {
    name: 'legal-transitions',
    changed({ observer, peer, before, after, event }, fail) {
      if (peer === observer.peer) return
      const from: From = before?.state ?? 'unknown'
      const higher = before !== undefined && after.incarnation > before.incarnation
      const told = event?.type ?? 'nothing'
      const legal = LEGAL[from][after.state]?.some(
        (step) => step.told === told && (step.incarnation === 'any' || (step.incarnation === 'higher') === higher)
      )
      if (legal !== true) fail(`${peer} went from ${from}@${before?.incarnation} to ${after.state}@${after.incarnation}, told as ${told}`)
      if (event?.was !== undefined && event.was !== from) fail(`${peer} was ${from}, and the event says ${event.was}`)
    }
  }
}
