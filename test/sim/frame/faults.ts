import { randomInt } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import { twoSides } from '../../support/swim-paths.ts'
import type { Paths, Weather } from '../../support/swim-paths.ts'
import { stream } from './chance.ts'

/** What is always in the air while it is on; `weather` draws it anew. */
const AIR = ['loss', 'duplication', 'jitter', 'latency'] as const
type Air = (typeof AIR)[number]
type InTheAir = Air | 'weather'

/** A quarter of the seeds do without a given fault, so that the others are seen alone. */
const WITHOUT = 0.25
/** The first stream of chance of the faults; those below are for the world. */
const STREAMS = 100
/** Share of one-way cuts that make somebody deaf to all. */
const DEAF = 0.3
/** The shortest cut, ms. */
const SHORTEST_CUT = 500

/** What the faults need of a simulated world with processes `P` on its hosts. */
export interface FaultWorld<P> {
  readonly hosts: readonly { readonly process: P | undefined }[]
  readonly paths: Paths
  later(ms: number, run: () => void): void
}

/**
 * Draws all that it leaves to chance, and returns what does it; that returns whether anything could be done. Drawing comes first, whether or not
 * the fault is masked or can be done, so that masking one leaves the schedule of the others as it is.
 */
export type Draw = (random: Random) => () => boolean

/** What the kinds of faults are made of. */
export interface FaultTools<P> {
  /** To the process of a host by chance, if one runs there that is `usable`. `act` returns false if it could do nothing. */
  on(random: Random, act: (process: P) => boolean | void): () => boolean
  /** Undone after a while, unless the storm is over and everything undone. */
  after(ms: number, undo: () => void): void
  isStormy(): boolean
  /** Two sides that do not hear each other, for at most so long. */
  partition(longest: number): Draw
  /** One that does not hear another, or nobody, for at most so long. */
  oneway(longest: number): Draw
}

export interface FaultPlan<F extends string, P> {
  seed: number
  masked: ReadonlySet<F>
  /** Everything that can go wrong, with its highest chance per tick; 0 for what is in the air. */
  chances: Record<F, number>
  /** The worst of the air, times in ms, and to which power chance is taken: the higher, the more often it is mild. */
  air: Record<Air, number> & { power: number }
  /** How many of the hosts, from the first, these faults happen to. */
  hosts: number
  /** Whether there is anything to be done to a process; all of them, if it is not said. */
  usable?: (process: P) => boolean
  /** A share is drawn also for what this seed does without. Only for the sake of seeds that are written down. */
  drawsAll?: boolean
  kinds(tools: FaultTools<P>): Record<Exclude<F, InTheAir>, Draw>
}

export interface Faults<F extends string> {
  /** Once per tick of the storm. */
  tick(): void
  /** The storm is over: cuts heal, and the air is as good as `weather`. */
  calm(weather: Weather): void
  /** How often each happened. */
  readonly counts: Record<F, number>
}

/** Draws faults tick by tick, each kind from a stream of chance of its own. */
export function createFaults<F extends string, P>(world: FaultWorld<P>, plan: FaultPlan<F | InTheAir, P>): Faults<F | InTheAir> {
  const { seed, masked, hosts } = plan
  const names = Object.keys(plan.chances) as (F | InTheAir)[]
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<F | InTheAir, number>
  const streams = new Map(names.map((name, index) => [name, stream(seed, STREAMS + index)]))
  const chances = new Map<F | InTheAir, number>()
  let stormy = true
  for (const [name, random] of streams) {
    const off = random.float() < WITHOUT
    const share = off && plan.drawsAll !== true ? 0 : random.float()
    chances.set(name, off ? 0 : plan.chances[name] * share)
  }

  function air(): boolean {
    const weather: Weather = { loss: 0, duplication: 0, latency: 1, jitter: 1 }
    for (const name of AIR) {
      const random = streams.get(name) as Random
      const off = random.float() < WITHOUT
      const value = random.float() ** plan.air.power * plan.air[name]
      if (off || masked.has(name)) continue
      weather[name] = value
      counts[name]++
    }
    world.paths.weather = weather
    return true
  }
  air()

  function cutBetween(pairs: readonly (readonly [number, number])[], ms: number): boolean {
    for (const [from, to] of pairs) world.paths.cut(from, to)
    tools.after(ms, () => {
      for (const [from, to] of pairs) world.paths.heal(from, to)
    })
    return pairs.length > 0
  }

  const cutFor = (random: Random, longest: number) => SHORTEST_CUT + random.float() ** 2 * longest
  const tools: FaultTools<P> = {
    on(random, act) {
      const index = randomInt(random, hosts)
      return () => {
        const process = world.hosts[index]?.process
        return process !== undefined && plan.usable?.(process) !== false && act(process) !== false
      }
    },
    after: (ms, undo) => world.later(ms, () => stormy && undo()),
    isStormy: () => stormy,
    partition: (longest) => (random) => {
      const sides = twoSides(hosts, random)
      const ms = cutFor(random, longest)
      return () => cutBetween(sides.flatMap((side, a) => sides.flatMap((other, b) => (side === other ? [] : [[a, b] as const]))), ms)
    },
    oneway: (longest) => (random) => {
      const from = randomInt(random, hosts)
      const deaf = random.float() < DEAF
      const to = randomInt(random, hosts)
      const ms = cutFor(random, longest)
      const others = Array.from({ length: hosts }, (_, other) => [other, from] as const).filter(([other]) => other !== from)
      return () => cutBetween(deaf ? others : from === to ? [] : [[from, to]], ms)
    }
  }
  const draws = new Map<string, Draw>(Object.entries({ ...plan.kinds(tools), weather: () => air }))

  return {
    counts,
    tick() {
      for (const [name, random] of streams) {
        const chance = chances.get(name) ?? 0
        if (chance === 0 || random.float() >= chance) continue
        const act = draws.get(name)?.(random)
        if (act !== undefined && !masked.has(name) && act()) counts[name]++
      }
    },
    calm(weather) {
      stormy = false
      world.paths.healAll()
      world.paths.weather = weather
    }
  }
}
