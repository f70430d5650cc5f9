import { PROFILES } from '../../../src/membership/profiles.ts'
import type { MembershipProfile } from '../../../src/membership/profiles.ts'
import type { MemberEvent } from '../../../src/membership/types.ts'
import { createWorld } from '../../support/swim-world.ts'
import type { Process, World, WorldOptions } from '../../support/swim-world-types.ts'
import { notConverged } from './checkers/convergence.ts'
import { createWatch } from './checkers/watch.ts'
import { checkersFor } from './vopr.ts'

export interface Told {
  at: number
  observer: string
  type: MemberEvent['type']
  peer: string
  event: MemberEvent
}

export interface Scenario {
  world: World
  /** All that was told since `forget`. */
  told: Told[]
  forget(): void
  /** Who was declared dead by whom, in words. */
  failures(about?: (peer: string) => boolean): string[]
  /** When each observer was told this of a member, ms since the last `forget`. */
  times(type: MemberEvent['type'], peer: string): number[]
  /** Highest number of dials that one member made in a second, since the last `forget`. */
  dialRate(): number
  /** Largest values since the start. */
  readonly most: { queued: number; members: number; probes: number }
  settle(patience?: number, options?: { links?: boolean }): number
  process(index: number): Process
}

/** A pool that has formed, watched by every checker of the storm, and with its story written down. */
export function createScenario(options: Partial<WorldOptions> & { members: number; start?: 'all' | 'none'; profile?: MembershipProfile }): Scenario {
  const told: Told[] = []
  const dials = new Map<Process, number[]>()
  const most = { queued: 0, members: 0, probes: 0 }
  let since = 0
  const watch = createWatch(() => world, checkersFor(() => world, () => Infinity))
  const world: World = createWorld({
    seed: 1, profile: PROFILES.lan, ...options,
    watcher: {
      started: (process) => watch.started?.(process),
      ended: (process) => watch.ended?.(process),
      stepped(process, event, effects) {
        watch.stepped?.(process, event, effects)
        for (const effect of effects) {
          if (effect.type === 'event') told.push({ at: world.now, observer: process.peer, type: effect.event.type, peer: effect.event.member.peer, event: effect.event })
          if (effect.type !== 'dial') continue
          const of = dials.get(process) ?? []
          of.push(world.now)
          dials.set(process, of)
        }
        const { queued, probes } = process.swim.stats()
        most.queued = Math.max(most.queued, queued)
        most.probes = Math.max(most.probes, probes)
        most.members = Math.max(most.members, process.swim.members().length)
      }
    }
  })
  const scenario: Scenario = {
    world, told, most,
    forget() {
      told.length = 0
      dials.clear()
      since = world.now
    },
    failures: (about = () => true) =>
      told.filter(({ type, peer }) => type === 'failed' && about(peer)).map(({ at, observer, peer, event }) => `${Math.round(at - since)} ms: ${observer} declared ${peer} dead (${event.evidence})`),
    times: (type, peer) => told.filter((one) => one.type === type && one.peer === peer).map(({ at }) => at - since).toSorted((a, b) => a - b),
    dialRate() {
      let highest = 0
      for (const times of dials.values()) {
        for (let first = 0, last = 0; last < times.length; last++) {
          while (times[first]! <= times[last]! - 1_000) first++
          highest = Math.max(highest, last - first + 1)
        }
      }
      return highest
    },
    settle(patience = 60_000, { links = true } = {}) {
      const began = world.now
      for (;;) {
        const wrong = notConverged(world, { links })
        if (wrong === undefined) return world.now - began
        if (world.now - began > patience) throw new Error(`after ${patience} ms: ${wrong}`)
        world.run(20)
      }
    },
    process: (index) => world.hosts[index]!.process!
  }
  if (options.start !== 'none') {
    for (let index = 0; index < options.members; index++) world.start(index)
    scenario.settle(90_000)
    world.run(10_000)
    scenario.forget()
  }
  return scenario
}

export const range = (count: number) => Array.from({ length: count }, (_, index) => index)
