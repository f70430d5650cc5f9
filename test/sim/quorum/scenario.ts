import type { GroupOptions, Outcome, Wanted } from '../../../src/federation/quorum/events.ts'
import { createDecisionLog } from './checkers/decisions.ts'
import { together } from './checkers/together.ts'
import { keepsItsWord } from './checkers/votes.ts'
import { textOf } from './history.ts'
import { createWorld, peerOf } from './world.ts'
import type { Process, World } from './world-types.ts'

/** A small world without chance of faults, in which a test says what happens; the checkers of the storm watch it too. */
export interface Scenario {
  readonly world: World
  process(index: number): Process
  /** Runs until it ended, and says how. */
  change(at: number, key: string, expect: number | undefined, data: string | undefined, options?: Ask): Outcome
  read(at: number, key: string, options?: Ask): Outcome
  voters(at: number, indices: readonly number[], options?: Ask): Outcome
  /** Asks without waiting. */
  ask(at: number, wanted: Wanted, within: number): { outcome?: Outcome }
  /** No message passes between the sides. */
  split(...sides: readonly (readonly number[])[]): void
  heal(): void
  crash(...indices: readonly number[]): void
  restart(...indices: readonly number[]): void
  /** All know who lives: everybody who runs. */
  members(): void
}

export interface Ask {
  within?: number
  op?: string
}

const WITHIN = 3_000

export function createScenario(options: { genesis: number; hosts?: number; seed?: number; permits?: GroupOptions['permits']; slowDisk?: number; tier?: 'global' | 'local' }): Scenario {
  const { genesis, hosts = genesis, seed = 1 } = options
  const founders = Array.from({ length: genesis }, (_, index) => index)
  const tier = options.tier ?? 'local'
  const watchers = [createDecisionLog({ genesis: founders.map(peerOf), tier }), keepsItsWord()]
  const world = createWorld({
    seed, hosts, genesis: founders, tier, overWire: true, slowDisk: options.slowDisk ?? 0, permits: () => options.permits ?? (() => true),
    watcher: together(watchers)
  })
  let serial = 0

  const scenario: Scenario = {
    world,
    process(index) {
      const { process } = world.hosts[index]!
      if (process === undefined) throw new Error(`q${index} does not run`)
      return process
    },
    ask(at, wanted, within) {
      const asked: { outcome?: Outcome } = {}
      world.propose(scenario.process(at), wanted, within, (outcome) => {
        asked.outcome = outcome
      })
      return asked
    },
    change: (at, key, expect, data, ask) => ended(at, { what: 'change', key, op: ask?.op ?? nextOp(), expect, data: data === undefined ? undefined : Buffer.from(data) }, ask),
    read: (at, key, ask) => ended(at, { what: 'read', key }, ask),
    voters: (at, indices, ask) => ended(at, { what: 'voters', op: ask?.op ?? nextOp(), peers: indices.map(peerOf) }, ask),
    split(...sides) {
      scenario.heal()
      for (const side of sides) for (const other of sides) if (side !== other) for (const from of side) for (const to of other) world.paths.cut(from, to)
    },
    heal: () => world.paths.healAll(),
    crash: (...indices) => indices.forEach((index) => world.crash(scenario.process(index), false)),
    restart(...indices) {
      for (const index of indices) world.start(index)
      scenario.members()
    },
    members() {
      const running = world.running()
      for (const process of running) world.handle(process, { type: 'members', peers: running.filter((other) => other !== process).map(({ peer }) => peer) })
    }
  }

  function ended(at: number, wanted: Wanted, { within = WITHIN }: Ask = {}): Outcome {
    const asked = scenario.ask(at, wanted, within)
    for (let waited = 0; asked.outcome === undefined && waited < within + 1_000; waited += 10) world.run(10)
    if (asked.outcome === undefined) throw new Error(`${JSON.stringify(wanted)} never ended`)
    return asked.outcome
  }

  function nextOp(): string {
    return (++serial).toString(16).padStart(24, '0')
  }

  for (const index of founders) world.start(index)
  for (let index = genesis; index < hosts; index++) world.start(index)
  scenario.members()
  return scenario
}

/** An outcome in few words: `decided 3 = text`, or its type. */
export function brief(outcome: Outcome): string {
  return outcome.type === 'decided' ? `decided ${outcome.decided.version} = ${textOf(outcome.decided.data)}` : outcome.type
}
