import type { KnockResult, SwimEffect } from './types.ts'

export type KnockEffect = Extract<SwimEffect, { type: 'knock' }>

/** With so few members nobody else can confirm, so one observer is enough but must be refused twice … */
export const FEW_MEMBERS = 3
/** … this long apart, ms: a process that only restarts its listener is back by then. */
const SECOND_KNOCK = 200
/** An answer that never came (a knock takes at most 1 s) no longer keeps a new knock from being made, ms. */
const ANSWER_LOST = 5_000
/** Only members are knocked at, and their number is bounded; this is for the case that somebody errs. */
const MAX_KNOCKS = 4_096

const NOTHING = { proven: false, open: false, silent: false } as const

export interface Evidences {
  /** A link was lost unexpectedly. `addresses`: where the member is known to listen; without any there is nothing to ask. */
  lost(peer: string, addresses: readonly string[], now: number): KnockEffect[]
  /** `proven`: nobody listens there. `open`: somebody does, dial. `silent`: no evidence, ask through others. All false: not yet, or not asked. */
  knocked(peer: string, result: KnockResult, options: { members: number }, now: number): { proven: boolean; open: boolean; silent: boolean }
  due(now: number): KnockEffect[]
  /** Clock ms; Infinity when no second knock waits. */
  nextDue(): number
  forget(peer: string): void
}

/**
 * Link evidence: the operating system closes the connections of a process that dies and refuses new ones, at once. A lost link
 * alone proves nothing; a refused connect at an address where the member is known to listen does.
 */
export function createEvidence(): Evidences {
  const knocks = new Map<string, { addresses: readonly string[]; asked: number; second: boolean }>()
  /** Peer and time of second knocks, in the order of their time: all wait equally long. */
  const seconds = new Map<string, number>()

  function forget(peer: string): void {
    knocks.delete(peer)
    seconds.delete(peer)
  }

  return {
    lost(peer, addresses, now) {
      const running = knocks.get(peer)
      if (running !== undefined && now - running.asked < ANSWER_LOST) return []
      if (addresses.length === 0 || (running === undefined && knocks.size >= MAX_KNOCKS)) return []
      seconds.delete(peer)
      knocks.set(peer, { addresses, asked: now, second: false })
      return [{ type: 'knock', peer, addresses }]
    },
    knocked(peer, result, { members }, now) {
      const knock = knocks.get(peer)
      // An answer to a knock that was given up, or a second answer to one.
      if (knock === undefined || seconds.has(peer)) return NOTHING
      if (result === 'refused' && members <= FEW_MEMBERS && !knock.second) {
        seconds.set(peer, now + SECOND_KNOCK)
        return NOTHING
      }
      forget(peer)
      return { proven: result === 'refused', open: result === 'open', silent: result === 'silent' }
    },
    due(now) {
      const effects: KnockEffect[] = []
      for (const [peer, at] of seconds) {
        if (at > now) break
        seconds.delete(peer)
        const knock = knocks.get(peer)
        if (knock === undefined) continue
        knock.second = true
        knock.asked = now
        effects.push({ type: 'knock', peer, addresses: knock.addresses })
      }
      return effects
    },
    nextDue() {
      const first = seconds.values().next()
      return first.done === true ? Infinity : first.value
    },
    forget
  }
}
