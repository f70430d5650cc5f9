import { randomInt } from '../../../src/base/random.ts'
import { CREDENTIAL, forge } from '../../support/swim-seal.ts'
import type { Process, World } from '../../support/swim-world-types.ts'
import { createFaults as createFrameFaults } from '../frame/faults.ts'
import type { Faults as FrameFaults } from '../frame/faults.ts'

/** Everything that can go wrong, with its highest chance per tick. */
export const FAULTS = {
  loss: 0, duplication: 0, jitter: 0, latency: 0,
  weather: 0.002,
  partition: 0.004, oneway: 0.004, crash: 0.003, vanish: 0.001, restart: 0.02, amnesia: 0.004, leave: 0.0015, rejoin: 0.01, pause: 0.002, slow: 0.001,
  block: 0.004, clock: 0.002, move: 0.001, sever: 0.004, twin: 0.0006, forge: 0.01, replay: 0.01
} as const

export type Fault = keyof typeof FAULTS

export const FAULT_NAMES = Object.keys(FAULTS) as Fault[]

const AIR = { loss: 0.6, duplication: 0.15, jitter: 120, latency: 80, power: 2 } as const
/** ms */
const LONGEST_CUT = 40_000
const HOUR = 3_600_000

export interface Faults extends Pick<FrameFaults<Fault>, 'tick' | 'counts'> {
  /** Ends all of them: whoever stands still goes on, cuts heal, copies go. */
  calm(): void
}

export function createFaults(world: World, options: { seed: number; members: number; masked: ReadonlySet<Fault> }): Faults {
  const { members } = options
  const faults = createFrameFaults<Fault, Process>(world, {
    ...options, chances: FAULTS, air: AIR, hosts: members, drawsAll: true,
    usable: (process) => !process.ended && !process.left && !process.superseded,
    kinds: ({ on, after, isStormy, partition, oneway }) => ({
      partition: partition(LONGEST_CUT),
      oneway: oneway(LONGEST_CUT),
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
            if (process.ended || !isStormy() || world.now > until) return
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
    })
  })

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
    ...faults,
    calm() {
      faults.calm({ loss: 0, duplication: 0, latency: 2, jitter: 2 })
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
