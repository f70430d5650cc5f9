import { describe, expect, test } from 'vitest'
import type { Swim } from '../../../src/membership/swim.ts'
import type { Member, SwimEffect, SwimEvent } from '../../../src/membership/types.ts'
import { createRegistry } from '../../support/swim-seal.ts'
import type { Process, World } from '../../support/swim-world-types.ts'
import { onlyTheSubject } from './checkers/incarnations.ts'
import { runVopr } from './vopr.ts'

type Plant = (swim: Swim, peer: string) => Swim

/** The first of some runs that is caught, and by whom. Planted bugs need not show in every run. */
function caughtBy(plant: Plant, seeds = 60, ticks = 600): string {
  for (let seed = 1; seed <= seeds; seed++) {
    const { checker } = runVopr({ seed, ticks, plant })
    if (checker !== undefined) return checker
  }
  return 'nobody'
}

/** A machine that shows its members differently: views are kept, so that one changes only when the real one does. */
function seeing(change: (member: Member, swim: Swim, peer: string) => Member): Plant {
  return (swim, peer) => {
    const shown = new WeakMap<Member, Member>()
    const show = (member: Member): Member => {
      let view = shown.get(member)
      if (view === undefined) shown.set(member, (view = change(member, swim, peer)))
      return view
    }
    return {
      ...swim,
      step: (event, now) => swim.step(event, now).map((effect) => (effect.type === 'event' ? { ...effect, event: { ...effect.event, member: show(effect.event.member) } } : effect)),
      nextDue: () => swim.nextDue(),
      members: () => swim.members().map(show),
      member: (of) => {
        const member = swim.member(of)
        return member === undefined ? undefined : show(member)
      },
      stats: () => swim.stats()
    }
  }
}

function doing(change: (effects: SwimEffect[], event: SwimEvent, swim: Swim, peer: string) => SwimEffect[]): Plant {
  return (swim, peer) => ({ ...swim, step: (event, now) => change(swim.step(event, now), event, swim, peer) })
}

/** Reads or drops what a machine hears. */
function hearing(change: (event: SwimEvent, swim: Swim, peer: string) => SwimEvent): Plant {
  return (swim, peer) => ({ ...swim, step: (event, now) => swim.step(change(event, swim, peer), now) })
}

const others = (member: Member, peer: string) => member.peer !== peer

describe('each checker catches the bug it is for', () => {
  test('nothing is planted: nobody cries', () => {
    expect(caughtBy((swim) => swim, 20)).toBe('nobody')
  })

  test('an incarnation that goes back', () => {
    const first = new Map<string, Member>()
    const plant = seeing((member, _swim, peer) => {
      const key = `${peer} ${member.peer}`
      const before = first.get(key)
      if (before === undefined) first.set(key, member)
      // The third view of a member shows the first once more.
      return before !== undefined && others(member, peer) && before.state === 'alive' && member.state === 'alive' && member.incarnation > before.incarnation + 1 ? { ...before } : member
    })
    expect(caughtBy(plant)).toBe('incarnation-monotone')
  })

  test('a dead one that comes back with its old incarnation', () => {
    const dead = new Map<string, number>()
    const plant = seeing((member, _swim, peer) => {
      const key = `${peer} ${member.peer}`
      if (member.state === 'dead') dead.set(key, member.incarnation)
      return member.state === 'alive' && dead.has(key) ? { ...member, incarnation: dead.get(key)! } : member
    })
    expect(caughtBy(plant)).toBe('no-resurrection')
  })

  test('an observer that raises the incarnation of another', () => {
    expect(caughtBy(seeing((member, _swim, peer) => (others(member, peer) && member.state === 'suspect' ? { ...member, incarnation: member.incarnation + 1_000 } : member)))).toBe('only-the-subject')
  })

  test('another content under the same incarnation', () => {
    expect(caughtBy(seeing((member, _swim, peer) => (others(member, peer) && peer === 'p1' ? { ...member, name: 'other' } : member)))).toBe('one-content')
  })

  test('a death without a suspicion', () => {
    expect(caughtBy(doing((effects) => effects.filter((effect) => effect.type !== 'event' || effect.event.type !== 'suspected')))).toBe('legal-transitions')
  })

  test('an event of the wrong type', () => {
    const plant = doing((effects) => effects.map((effect) => (effect.type === 'event' && effect.event.type === 'left' ? { ...effect, event: { ...effect.event, type: 'failed' as const } } : effect)))
    expect(caughtBy(plant)).toBe('legal-transitions')
  })

  test('a queue that grows', () => {
    let extra = 0
    expect(caughtBy((swim) => ({ ...swim, stats: () => ({ ...swim.stats(), queued: swim.stats().queued + extra++ }) }), 5)).toBe('bounded')
  })

  test('a machine that never sleeps', () => {
    expect(caughtBy((swim) => ({ ...swim, nextDue: () => 0 }), 5)).toBe('bounded')
  })

  test('a dial that is repeated while the first is on its way', () => {
    expect(caughtBy(doing((effects) => [...effects, ...effects.filter(({ type }) => type === 'dial')]), 20)).toBe('dials-paced')
  })

  test('a member that talks after it left', () => {
    const plant: Plant = (swim) => {
      let left = false
      return {
        ...swim,
        step(event, now) {
          const effects = swim.step(event, now)
          if (event.type === 'start') left = false
          if (left) effects.push({ type: 'send', to: 'p0', message: { kind: 'gossip', updates: [] } })
          if (event.type === 'leave') left = true
          return effects
        }
      }
    }
    expect(caughtBy(plant)).toBe('silence')
  })

  test('a member that does not object to its death', () => {
    const plant = hearing((event, _swim, peer) => {
      if (event.type !== 'message') return event
      const updates = event.message.updates.filter(({ statement }) => statement.subject !== peer || !('accuser' in statement))
      return { ...event, message: { ...event.message, updates } }
    })
    expect(['convergence', 'false-death']).toContain(caughtBy(plant))
  })

  test('a member that takes silence of the network for the death of others', () => {
    // Accuses without asking: it hears no answers to its probes.
    const plant = hearing((event, _swim, peer) => (peer === 'p1' && event.type === 'message' && (event.message.kind === 'ack' || event.message.kind === 'gossip') ? { type: 'tick' } : event))
    expect(['false-death', 'convergence']).toContain(caughtBy(plant))
  })

  test('a knock that is believed although it was answered', () => {
    const plant = hearing((event) => (event.type === 'knocked' && event.result === 'open' ? { ...event, result: 'refused' } : event))
    expect(caughtBy(plant)).toBe('true-evidence')
  })

  test('a member that never hears of departures', () => {
    const plant = hearing((event, _swim, peer) => {
      if (event.type !== 'message' || peer !== 'p1') return event
      return { ...event, message: { ...event.message, updates: event.message.updates.filter(({ statement }) => statement.kind !== 'alive' || statement.subject !== 'p0') } }
    })
    expect(caughtBy(plant)).toBe('convergence')
  })

  test('a signature in the name of another', () => {
    const registry = createRegistry()
    const checker = onlyTheSubject(() => ({ registry }) as unknown as World)
    const look = () =>
      checker.stepped!(undefined as unknown as Process, { type: 'tick' }, [], (text) => {
        throw new Error(text)
      })
    registry.sealFor('a').seal({ kind: 'dead', subject: 'b', incarnation: 1, accuser: 'a' })
    expect(look).not.toThrow()
    registry.sealFor('a').seal({ kind: 'dead', subject: 'c', incarnation: 1, accuser: 'b' })
    expect(look).toThrow('a signed a dead as b')
  })
})
