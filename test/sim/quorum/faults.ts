import { randomInt } from '../../../src/base/random.ts'
import { twoSides } from '../../support/swim-paths.ts'
import { createFaults as createFrameFaults } from '../frame/faults.ts'
import type { Faults as FrameFaults } from '../frame/faults.ts'
import type { Process, World } from './world-types.ts'

/** Everything that can go wrong, with its highest chance per tick. */
export const FAULTS = {
  loss: 0, duplication: 0, jitter: 0, latency: 0,
  weather: 0.004, partition: 0.012, oneway: 0.012, crash: 0.012, blackout: 0.002, restart: 0.2, pause: 0.012, unplug: 0.05, tear: 0.03, rot: 0.004, full: 0.003, rumour: 0.02
} as const

export type Fault = keyof typeof FAULTS

export const FAULT_NAMES = Object.keys(FAULTS) as Fault[]

const AIR = { loss: 0.4, duplication: 0.3, jitter: 1_500, latency: 60, power: 3 } as const
/** ms */
const LONGEST_CUT = 15_000
/** Longest fsync in the calm, ms. */
const CALM_DISK = 10

export interface Faults extends Pick<FrameFaults<Fault>, 'tick' | 'counts'> {
  /** Ends all of them: whoever stands still goes on, cuts heal. */
  calm(): void
}

export interface FaultsOptions {
  seed: number
  masked: ReadonlySet<Fault>
  /** May a row of this host be damaged? Too many damaged voters cannot be healed by anybody. */
  mayDamage: (host: number) => boolean
}

export function createFaults(world: World, { seed, masked, mayDamage }: FaultsOptions): Faults {
  const hosts = world.hosts.length
  const faults = createFrameFaults<Fault, Process>(world, {
    seed, masked, chances: FAULTS, air: AIR, hosts,
    kinds: ({ on, after, partition, oneway }) => ({
      partition: partition(LONGEST_CUT),
      oneway: oneway(LONGEST_CUT),
      crash: (random) => on(random, (process) => world.crash(process, false)),
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
        })
      },
      // While it writes, if somebody does: it is back at once, without what was not yet on disk.
      unplug: () => () => {
        const process = world.running().find(({ writing }) => writing)
        if (process === undefined) return false
        world.crash(process, false)
        world.start(process.host.index)
        return true
      },
      // The same, and its row is torn.
      tear: () => () => {
        const process = world.running().find(({ writing, host }) => writing && mayDamage(host.index))
        if (process === undefined) return false
        world.crash(process, true)
        return true
      },
      rot: (random) => on(random, (process) => {
        if (!mayDamage(process.host.index)) return false
        world.crash(process, false)
        return process.host.disk.rot(world.random)
      }),
      full: (random) => on(random, (process) => {
        process.host.full = 'unsure'
      }),
      // Who lives, as one of them sees it: right or wrong.
      rumour(random) {
        const sides = twoSides(hosts, random)
        return on(random, (process) => {
          world.handle(process, { type: 'members', peers: world.hosts.filter(({ index, peer }) => sides[index] === true && peer !== process.peer).map(({ peer }) => peer) })
        })
      }
    })
  })

  return {
    ...faults,
    calm() {
      faults.calm({ loss: 0, duplication: 0, latency: 2, jitter: 4 })
      world.slowDisk = Math.min(world.slowDisk, CALM_DISK)
      for (const host of world.hosts) {
        host.full = false
        if (host.process?.paused === true) world.resume(host.process)
      }
    }
  }
}
