import { randomInt } from '../../../src/base/random.ts'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { ProfileName } from '../../../src/membership/profiles.ts'
import { createWorld } from '../../support/swim-world.ts'
import type { World, WorldOptions } from '../../support/swim-world-types.ts'
import { stream } from '../frame/chance.ts'
import { runStorm } from '../frame/storm.ts'
import type { StormOptions, StormResult } from '../frame/storm.ts'
import { Violation } from '../frame/violation.ts'
import { convergenceBound, settleTime } from './bound.ts'
import { bounded, dialsPaced, silence } from './checkers/bounds.ts'
import { notConverged } from './checkers/convergence.ts'
import { noFalseDeaths, trueEvidence } from './checkers/deaths.ts'
import { incarnationMonotone, noResurrection, oneContent, onlyTheSubject } from './checkers/incarnations.ts'
import { legalTransitions } from './checkers/transitions.ts'
import { createWatch } from './checkers/watch.ts'
import type { Checker } from './checkers/watch.ts'
import { createFaults } from './faults.ts'
import type { Fault } from './faults.ts'

export interface VoprOptions extends StormOptions<Fault> {
  plant?: WorldOptions['plant']
}

export interface VoprResult extends StormResult<Fault> {
  members: number
  profile: ProfileName
}

/** How often the views are compared with the truth during the calm, ms. */
const LOOK_EVERY = 500
/** Once right, the views must stay right for this long, ms: rounds of everything but syncs. */
const STAYS = 10_000

const ALL_PROFILES: ProfileName[] = ['lan', 'lan', 'lan', 'local', 'local', 'wan', 'guide', 'lan']

/** One run: a storm of `ticks`, then a calm that must mend everything. A function of its options. */
export function runVopr({ seed, ticks, masked = new Set(), plant, trace }: VoprOptions): VoprResult {
  const random = stream(seed, 0)
  const members = 2 + randomInt(random, 7)
  const profileName = ALL_PROFILES[randomInt(random, ALL_PROFILES.length)]!
  const profile = PROFILES[profileName]
  const tcp = random.float() < 0.5
  const tickMs = 20 + randomInt(random, 31)
  let calmSince = Infinity
  const world: World = createWorld({ seed, members, spare: 1, profile, tcp, watcher: { started: (p) => watch.started?.(p), stepped: (p, e, f) => watch.stepped?.(p, e, f), ended: (p) => watch.ended?.(p) }, ...(plant === undefined ? {} : { plant }), ...(trace === undefined ? {} : { trace }) })
  const watch = createWatch(() => world, checkersFor(() => world, () => calmSince))
  const faults = createFaults(world, { seed, members, masked })
  const bound = convergenceBound(profile, members)
  let converged = -1

  function restartAll(): void {
    for (let index = 0; index < members; index++) {
      const host = world.hosts[index]!
      if (host.process === undefined) world.start(index)
    }
  }

  function calm(): void {
    faults.calm()
    restartAll()
    const began = world.now
    calmSince = began + settleTime(profile, members)
    for (;;) {
      world.run(LOOK_EVERY)
      // A process that met the words of an earlier life too late has given up; its supervisor starts it anew.
      restartAll()
      const wrong = notConverged(world)
      if (wrong !== undefined && converged >= 0 && world.now - began > bound) throw new Violation('convergence', `was right ${converged} ms after the storm and is no more: ${wrong}`)
      if (wrong !== undefined) converged = -1
      else if (converged < 0) converged = world.now - began
      if (converged >= 0 && world.now - began >= converged + STAYS && world.now >= calmSince + STAYS) return
      if (converged < 0 && world.now - began > bound) throw new Violation('convergence', `${bound} ms after the storm ${wrong}`)
    }
  }

  const ended = runStorm(world, faults, { ticks, tick: tickMs, begin: restartAll, calm })
  return { seed, members, profile: profileName, steps: watch.steps, virtualMs: world.now, faults: faults.counts, counts: world.counts, converged, bound, ...ended }
}

export function checkersFor(world: () => World, calmSince: () => number): Checker[] {
  return [
    incarnationMonotone(), noResurrection(), onlyTheSubject(world), oneContent(world), legalTransitions(), bounded(world), dialsPaced(world), silence(),
    noFalseDeaths(world, calmSince), trueEvidence(world)
  ]
}
