import { randomInt } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import { twoSides } from '../../support/swim-paths.ts'
import { CREDENTIAL, forge } from '../../support/swim-seal.ts'
import { stream } from '../../support/swim-world.ts'
import type { Process, World } from '../../support/swim-world-types.ts'

/** Everything that can go wrong, with its highest chance per tick. */
export const FAULTS = {
  loss: 0, duplication: 0, jitter: 0, latency: 0,
  weather: 0.002,
  partition: 0.004, oneway: 0.004, crash: 0.003, vanish: 0.001, restart: 0.02, amnesia: 0.004, leave: 0.0015, rejoin: 0.01, pause: 0.002, slow: 0.001,
  block: 0.004, clock: 0.002, move: 0.001, sever: 0.004, twin: 0.0006, forge: 0.01, replay: 0.01
} as const

export type Fault = keyof typeof FAULTS

export const FAULT_NAMES = Object.keys(FAULTS) as Fault[]

/** The four that are always in the air while they are on. */
const AIR = { loss: 0.6, duplication: 0.15, jitter: 120, latency: 80 } as const
/** A quarter of the seeds do without a given fault, so that the others are seen alone. */
const WITHOUT = 0.25
const HOUR = 3_600_000

export interface Faults {
  tick(): void
  /** Ends all of them: whoever stands still goes on, cuts heal, copies go. */
  calm(): void
  readonly counts: Record<Fault, number>
}

/**
 * Draws faults tick by tick. Each kind has its own stream of chance and draws whether or not it can be done or is masked,
 * so that masking one leaves the schedule of the others as it is.
 */
export function createFaults(world: World, options: { seed: number; members: number; masked: ReadonlySet<Fault> }): Faults {
  const { seed, members, masked } = options
  const counts = Object.fromEntries(FAULT_NAMES.map((name) => [name, 0])) as Record<Fault, number>
  const streams = new Map<Fault, Random>(FAULT_NAMES.map((name, index) => [name, stream(seed, 100 + index)]))
  const chances = new Map<Fault, number>()
  let stormy = true
  for (const name of FAULT_NAMES) {
    const random = streams.get(name)!
    const off = random.float() < WITHOUT
    const share = random.float()
    chances.set(name, off ? 0 : FAULTS[name] * share)
  }

  function air(): void {
    const weather = { loss: 0, duplication: 0, latency: 1, jitter: 1 }
    for (const name of ['loss', 'duplication', 'jitter', 'latency'] as const) {
      const random = streams.get(name)!
      const off = random.float() < WITHOUT
      // Squared: mostly mild, sometimes the worst.
      const value = random.float() ** 2 * AIR[name]
      if (off || masked.has(name)) continue
      weather[name] = value
      counts[name]++
    }
    world.paths.weather = weather
  }
  air()

  function done(name: Fault): void {
    counts[name]++
  }

  /** Undone after a while, unless the storm is over and everything undone. */
  function after(ms: number, undo: () => void): void {
    world.later(ms, () => stormy && undo())
  }

  function cutBetween(pairs: readonly (readonly [number, number])[], ms: number): void {
    for (const [from, to] of pairs) world.paths.cut(from, to)
    after(ms, () => {
      for (const [from, to] of pairs) world.paths.heal(from, to)
    })
  }

  const run: Record<Exclude<Fault, 'loss' | 'duplication' | 'jitter' | 'latency'>, (random: Random) => (() => boolean) | undefined> = {
    weather: () => () => {
      air()
      return true
    },
    partition(random) {
      const sides = twoSides(members, random)
      const ms = 500 + random.float() ** 2 * 40_000
      return () => {
        const pairs = sides.flatMap((side, a) => sides.flatMap((other, b) => (side === other ? [] : [[a, b] as const])))
        cutBetween(pairs, ms)
        return pairs.length > 0
      }
    },
    oneway(random) {
      const from = randomInt(random, members)
      const all = random.float() < 0.3
      const to = randomInt(random, members)
      const ms = 500 + random.float() ** 2 * 40_000
      return () => {
        const pairs = all ? Array.from({ length: members }, (_, other) => [other, from] as const).filter(([other]) => other !== from) : [[from, to] as const]
        if (!all && from === to) return false
        cutBetween(pairs, ms)
        return true
      }
    },
    crash: (random) => on(random, (process) => world.crash(process)),
    vanish: (random) => on(random, (process) => world.vanish(process)),
    restart: (random) => start(randomInt(random, members), true),
    amnesia: (random) => start(randomInt(random, members), false),
    leave: (random) => on(random, (process) => world.leave(process)),
    rejoin(random) {
      const index = randomInt(random, members)
      return () => {
        const process = world.hosts[index]!.process
        if (process === undefined || !process.left) return false
        world.rejoin(process)
        return true
      }
    },
    pause(random) {
      const ms = 200 + random.float() ** 2 * 30_000
      return on(random, (process) => {
        world.pause(process)
        after(ms, () => world.resume(process))
      })
    },
    slow(random) {
      const ms = 2_000 + random.float() * 30_000
      const stuck = 20 + random.float() * 400
      const open = 5 + random.float() * 100
      return on(random, (process) => {
        const until = world.now + ms
        const again = () => {
          if (process.ended || !stormy || world.now > until) return
          world.block(process, stuck)
          world.later(stuck + open, again)
        }
        again()
      })
    },
    block(random) {
      const ms = 100 + random.float() ** 2 * 8_000
      return on(random, (process) => world.block(process, ms))
    },
    clock(random) {
      const index = randomInt(random, members)
      const ms = Math.round((random.float() * 2 - 1) * HOUR)
      return () => {
        world.hosts[index]!.wallOffset += ms
        return true
      }
    },
    move(random) {
      const breakLinks = random.float() < 0.5
      return on(random, (process) => world.move(process, { breakLinks }))
    },
    sever(random) {
      const other = randomInt(random, members)
      return on(random, (process) => {
        const peer = world.hosts[other]!.process
        if (peer !== undefined && peer !== process) world.sever(process, peer)
      })
    },
    twin(random) {
      const of = randomInt(random, members)
      return () => {
        if (world.hosts[members]!.process !== undefined || world.hosts[of]!.process === undefined) return false
        world.startTwin(members, of)
        return true
      }
    },
    forge(random) {
      const subject = randomInt(random, members)
      const kind = randomInt(random, 4)
      const over = randomInt(random, 3)
      return on(random, (process) => {
        const from = `p${(subject + 1) % members}`
        const known = process.swim.member(`p${subject}`)
        const incarnation = (known?.incarnation ?? 1_700_000_000_000) + over
        const about = { subject: `p${subject}`, incarnation }
        const sealed = [
          forge({ kind: 'alive', ...about, boot: incarnation, name: 'evil', version: '6', addresses: ['/ip4/10.9.9.9/tcp/1'], credential: CREDENTIAL }),
          forge({ kind: 'leave', ...about }),
          forge({ kind: 'suspect', ...about, accuser: from, evidence: 'refused' }),
          forge({ kind: 'dead', ...about, accuser: from })
        ][kind]!
        world.inject(process, from, { kind: 'gossip', updates: [sealed] })
      })
    },
    replay(random) {
      const which = random.float()
      return on(random, (process) => {
        const { issued } = world.registry
        const sealed = issued[Math.floor(which * issued.length)]
        if (sealed !== undefined) world.inject(process, `p${(process.host.index + 1) % members}`, { kind: 'gossip', updates: [sealed] })
      })
    }
  }

  function on(random: Random, act: (process: Process) => void): () => boolean {
    const index = randomInt(random, members)
    return () => {
      const process = world.hosts[index]!.process
      if (process === undefined || process.ended || process.left || process.superseded) return false
      act(process)
      return true
    }
  }

  function start(index: number, withState: boolean): () => boolean {
    return () => {
      const host = world.hosts[index]!
      if (host.process !== undefined) return false
      host.powered = true
      world.start(index, { withState })
      return true
    }
  }

  return {
    counts,
    tick() {
      for (const [name, random] of streams) {
        const chance = chances.get(name)!
        if (chance === 0 || random.float() >= chance) continue
        const act = run[name as keyof typeof run](random)
        if (act !== undefined && !masked.has(name) && act()) done(name)
      }
    },
    calm() {
      stormy = false
      world.paths.healAll()
      world.paths.weather = { loss: 0, duplication: 0, latency: 2, jitter: 2 }
      for (const host of world.hosts) {
        const { process } = host
        host.powered = true
        if (process === undefined) continue
        if (host.index >= members) world.crash(process)
        else if (process.paused) world.resume(process)
        // Somebody must be there whom the others know by their configuration.
        else if (process.left && host.index <= 1) world.rejoin(process)
      }
    }
  }
}
