import { randomInt } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import { twoSides } from '../../support/swim-paths.ts'
import { stream } from '../../support/swim-world.ts'
import type { Process, World } from './world-types.ts'

/** Everything that can go wrong, with its highest chance per tick. */
export const FAULTS = {
  loss: 0, duplication: 0, jitter: 0, latency: 0,
  weather: 0.004, partition: 0.012, oneway: 0.012, crash: 0.012, blackout: 0.002, restart: 0.2, pause: 0.012, unplug: 0.05, tear: 0.03, rot: 0.004, full: 0.003, rumour: 0.02
} as const

export type Fault = keyof typeof FAULTS

export const FAULT_NAMES = Object.keys(FAULTS) as Fault[]

/** The four that are always in the air while they are on; times in ms. */
const AIR = { loss: 0.4, duplication: 0.3, jitter: 1_500, latency: 60 } as const
/** Longest fsync in the calm, ms. */
const CALM_DISK = 10
/** A quarter of the seeds do without a given fault, so that the others are seen alone. */
const WITHOUT = 0.25

export interface Faults {
  tick(): void
  /** Ends all of them: whoever stands still goes on, cuts heal. */
  calm(): void
  readonly counts: Record<Fault, number>
}

export interface FaultsOptions {
  seed: number
  masked: ReadonlySet<Fault>
  /** May a row of this host be damaged? Too many damaged voters cannot be healed by anybody. */
  mayDamage: (host: number) => boolean
}

/** Draws faults tick by tick. Each kind has its own stream of chance, so that masking one leaves the schedule of the others as it is. */
export function createFaults(world: World, { seed, masked, mayDamage }: FaultsOptions): Faults {
  const hosts = world.hosts.length
  const counts = Object.fromEntries(FAULT_NAMES.map((name) => [name, 0])) as Record<Fault, number>
  const streams = new Map<Fault, Random>(FAULT_NAMES.map((name, index) => [name, stream(seed, 100 + index)]))
  const chances = new Map<Fault, number>()
  let stormy = true
  for (const [name, random] of streams) {
    const off = random.float() < WITHOUT
    chances.set(name, off ? 0 : FAULTS[name] * random.float())
  }

  function air(): void {
    const weather = { loss: 0, duplication: 0, latency: 1, jitter: 1 }
    for (const name of ['loss', 'duplication', 'jitter', 'latency'] as const) {
      const random = streams.get(name)!
      const off = random.float() < WITHOUT
      // To the third: mostly mild, sometimes the worst.
      const value = random.float() ** 3 * AIR[name]
      if (off || masked.has(name)) continue
      weather[name] = value
      counts[name]++
    }
    world.paths.weather = weather
  }
  air()

  /** Undone after a while, unless the storm is over and everything undone. */
  function after(ms: number, undo: () => void): void {
    world.later(ms, () => stormy && undo())
  }

  function cutBetween(pairs: readonly (readonly [number, number])[], ms: number): boolean {
    for (const [from, to] of pairs) world.paths.cut(from, to)
    after(ms, () => {
      for (const [from, to] of pairs) world.paths.heal(from, to)
    })
    return pairs.length > 0
  }

  const run: Partial<Record<Fault, (random: Random) => () => boolean>> = {
    weather: () => () => {
      air()
      return true
    },
    partition(random) {
      const sides = twoSides(hosts, random)
      const ms = 500 + random.float() ** 2 * 15_000
      return () => cutBetween(sides.flatMap((side, a) => sides.flatMap((other, b) => (side === other ? [] : [[a, b] as const]))), ms)
    },
    oneway(random) {
      const from = randomInt(random, hosts)
      const deaf = random.float() < 0.3
      const to = randomInt(random, hosts)
      const ms = 500 + random.float() ** 2 * 15_000
      return () => cutBetween(deaf ? Array.from({ length: hosts }, (_, other) => [other, from] as const).filter(([other]) => other !== from) : from === to ? [] : [[from, to]], ms)
    },
    crash: (random) => on(random, (process) => {
      world.crash(process, false)
      return true
    }),
    blackout: () => () => {
      for (const process of world.running()) world.crash(process, false)
      return true
    },
    restart(random) {
      const index = randomInt(random, hosts)
      return () => {
        if (world.hosts[index]!.process !== undefined) return false
        world.start(index)
        return true
      }
    },
    pause(random) {
      const ms = 100 + random.float() ** 2 * 12_000
      return on(random, (process) => {
        world.pause(process)
        after(ms, () => world.resume(process))
        return true
      })
    },
    // While it writes, if somebody does: it is back at once, without what was not yet on disk.
    unplug: () => () => {
      const writing = world.running().find((process) => process.writing)
      if (writing === undefined) return false
      world.crash(writing, false)
      world.start(writing.host.index)
      return true
    },
    // The same, and its row is torn.
    tear: () => () => {
      const writing = world.running().find((process) => process.writing && mayDamage(process.host.index))
      if (writing === undefined) return false
      world.crash(writing, true)
      return true
    },
    rot: (random) => on(random, (process) => {
      if (!mayDamage(process.host.index)) return false
      world.crash(process, false)
      return process.host.disk.rot(world.random)
    }),
    full: (random) => on(random, (process) => {
      process.host.full = 'unsure'
      return true
    }),
    // Who lives, as one of them sees it: right or wrong.
    rumour(random) {
      const sides = twoSides(hosts, random)
      return on(random, (process) => {
        world.handle(process, { type: 'members', peers: world.hosts.filter(({ index, peer }) => sides[index] === true && peer !== process.peer).map(({ peer }) => peer) })
        return true
      })
    }
  }

  function on(random: Random, act: (process: Process) => boolean): () => boolean {
    const index = randomInt(random, hosts)
    return () => {
      const process = world.hosts[index]!.process
      return process !== undefined && act(process)
    }
  }

  return {
    counts,
    tick() {
      for (const [name, random] of streams) {
        const chance = chances.get(name)!
        if (chance === 0 || random.float() >= chance) continue
        const act = run[name]?.(random)
        if (act !== undefined && !masked.has(name) && act()) counts[name]++
      }
    },
    calm() {
      stormy = false
      world.paths.healAll()
      world.paths.weather = { loss: 0, duplication: 0, latency: 2, jitter: 4 }
      world.slowDisk = Math.min(world.slowDisk, CALM_DISK)
      for (const host of world.hosts) {
        host.full = false
        if (host.process?.paused === true) world.resume(host.process)
      }
    }
  }
}
