import { randomInt } from '../../../src/base/random.ts'
import type { Tier } from '../../../src/wire/admission-documents.ts'
import { checkLinearizable, inWords } from '../../support/linearizable.ts'
import { stream } from '../frame/chance.ts'
import { runStorm } from '../frame/storm.ts'
import type { StormOptions, StormResult } from '../frame/storm.ts'
import { Violation } from '../frame/violation.ts'
import { calmDown } from './calm.ts'
import { createDecisionLog } from './checkers/decisions.ts'
import { together } from './checkers/together.ts'
import { keepsItsWord } from './checkers/votes.ts'
import { createClients } from './clients.ts'
import { createFaults } from './faults.ts'
import type { Fault } from './faults.ts'
import { createHistory } from './history.ts'
import { leasePermits } from './lease.ts'
import { createManager } from './manager.ts'
import { createWorld, peerOf } from './world.ts'
import type { Plant, Watcher } from './world-types.ts'

export interface QuorumVoprOptions extends StormOptions<Fault> {
  plant?: Plant
  /** Leaves out the checkers that look at what voters say, so that only what clients see counts. */
  blackBox?: boolean
}

export interface QuorumVoprResult extends StormResult<Fault> {
  hosts: number
  genesis: number
  operations: number
}

/** ms */
const TICK = 50
const TIERS: readonly Tier[] = ['global', 'regional', 'local', 'local']

/** One run: a storm of `ticks`, then a calm that must mend everything. A function of its options. */
export function runQuorumVopr({ seed, ticks, masked = new Set(), plant, blackBox = false, trace }: QuorumVoprOptions): QuorumVoprResult {
  const random = stream(seed, 0)
  // A founded pool begins with its founder; the others are in the middle of their lives.
  const genesis = random.float() < 0.25 ? 1 : 3 + randomInt(random, 3)
  const hosts = Math.max(3, genesis + 1 + randomInt(random, 3))
  const tier = TIERS[randomInt(random, TIERS.length)]!
  const threshold = random.float() < 0.2 ? 0.5 + random.float() * 0.5 : undefined
  const founders = Array.from({ length: genesis }, (_, index) => index)
  const history = createHistory()
  const decisions = createDecisionLog({ genesis: founders.map(peerOf), tier, threshold })
  const watchers: Watcher[] = blackBox ? [] : [decisions, keepsItsWord()]
  const world = createWorld({
    seed, hosts, genesis: founders, tier, threshold, plant, trace,
    overWire: random.float() < 0.25, slowDisk: random.float() ** 3 * 400, permits: () => plant?.permits ?? leasePermits,
    watcher: together(watchers)
  })
  const clients = createClients(world, history, seed)
  const smallest = genesis < 3 || random.float() < 0.4 ? 1 : 3
  const manager = createManager(world, { seed, smallest, largest: smallest === 1 ? 4 : 7 })
  const faults = createFaults(world, { seed, masked, mayDamage: () => smallest >= 3 && manager.damaged().length === 0 })
  let calm = { converged: -1, bound: 0 }

  function calmDownAndCheck(): void {
    faults.calm()
    calm = calmDown(world, { clients, manager })
    const verdict = checkLinearizable(history.operations)
    if (verdict.type === 'undecided') throw new Violation('linearizable', `${verdict.key}: not decided within ${verdict.steps} steps`)
    if (trace !== undefined && verdict.type !== 'linearizable') for (const operation of history.operations) if (operation.key === verdict.key) trace(inWords(operation))
    if (verdict.type === 'violated') throw new Violation('linearizable', `${verdict.key}: ${verdict.why}`)
  }

  const ended = runStorm(world, faults, {
    ticks, tick: TICK,
    begin: () => world.hosts.forEach(({ index }) => world.start(index)),
    each() {
      clients.tick()
      manager.tick()
    },
    calm: calmDownAndCheck
  })
  const counts = { ...world.counts, ...prefixed('log', decisions.count), ...prefixed('lease', clients.beliefs.count) }
  return {
    seed, hosts, genesis, steps: world.counts.steps ?? 0, virtualMs: world.now, operations: history.operations.length, faults: faults.counts, counts, ...calm, ...ended
  }
}

function prefixed(prefix: string, counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${prefix} ${name}`, count]))
}
