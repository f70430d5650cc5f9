import type { Outcome } from '../../../src/federation/quorum/events.ts'
import { HUB_KEY } from '../../../src/federation/quorum/types.ts'
import { Violation } from '../frame/violation.ts'
import { KEYS } from './clients.ts'
import type { Clients } from './clients.ts'
import { textOf } from './history.ts'
import type { Manager } from './manager.ts'
import type { Process, World } from './world-types.ts'

/**
 * ms of calm within which everybody must be able to change a register: what the storm left (proposals of at most 9 s that are settled for a while), a
 * damaged voter removed and brought back, and a few duels.
 */
export const CHANGES_WITHIN = 90_000
/** ms of calm within which all know the same: beyond that, decisions are compared with one member each 30 s; rounds enough for ten members. */
export const CONVERGES_WITHIN = 400_000
/** ms between looks. */
const LOOK = 2_000
/** ms for one attempt of a change in the calm. */
const WITHIN = 5_000
/** ms for the reads at the end, which everybody asks for at once. */
const READ_WITHIN = 20_000

/** The storm is over: everybody runs and hears everybody. Returns ms until all was well, and the bound. */
export function calmDown(world: World, { clients, manager }: { clients: Clients; manager: Manager }): { converged: number; bound: number } {
  const began = world.now
  const passed = () => world.now - began
  for (const { index, process, disk } of world.hosts) {
    // A full disk has room again, but only a new process may vote: its supervisor starts one.
    if (process !== undefined && !disk.damaged && process.machine.status().damaged.length > 0) world.crash(process, false)
    if (world.hosts[index]!.process === undefined) world.start(index)
  }
  const everybody = world.running()
  for (const process of everybody) world.handle(process, { type: 'members', peers: everybody.filter((other) => other !== process).map(({ peer }) => peer) })

  const waiting = new Map(everybody.map((process) => [process, 'was not asked']))
  for (const process of everybody) again(process)
  function again(process: Process): void {
    clients.change(process, 'other', WITHIN, (outcome: Outcome) => {
      if (outcome.type === 'decided') return void waiting.delete(process)
      waiting.set(process, `${outcome.type}: ${'why' in outcome ? outcome.why : ''}`)
      world.later(500, () => again(process))
    })
  }

  let mending = false
  for (;;) {
    world.run(LOOK)
    if (!mending && manager.damaged().length > 0) {
      mending = manager.mend(() => {
        mending = false
      })
    }
    if (waiting.size === 0 && manager.damaged().length === 0) break
    if (passed() > CHANGES_WITHIN) {
      const stuck = [...waiting].map(([{ peer }, why]) => `${peer} cannot change anything (${why})`)
      const ill = manager.damaged().map((index) => `q${index} is damaged: ${JSON.stringify(world.hosts[index]!.process?.machine.status())}`)
      throw new Violation('liveness', `after ${passed()} ms of calm ${[...stuck, ...ill].join('; ')}`)
    }
  }

  for (;;) {
    const wrong = difference(everybody)
    if (wrong === undefined) break
    if (passed() > CONVERGES_WITHIN) throw new Violation('convergence', `after ${passed()} ms of calm ${wrong}`)
    world.run(LOOK)
  }
  const converged = passed()
  finalReads(world, clients, everybody)
  return { converged, bound: CONVERGES_WITHIN }
}

/** What two nodes hold different ideas of. */
function difference(everybody: readonly Process[]): string | undefined {
  const [first, ...others] = everybody
  const view = (process: Process) => new Map(process.machine.all().map(({ key, data }) => [key, textOf(data)]))
  const mine = view(first!)
  for (const other of others) {
    const theirs = view(other)
    const key = [...new Set([...mine.keys(), ...theirs.keys()])].find((each) => mine.get(each) !== theirs.get(each))
    if (key !== undefined) return `${first!.peer} knows ${key} as ${mine.get(key)}, ${other.peer} as ${theirs.get(key)}`
  }
  return undefined
}

/** What is there in the end, as everybody reads it: the last word of the history. */
function finalReads(world: World, clients: Clients, everybody: readonly Process[]): void {
  const until = world.now + READ_WITHIN
  const waiting = new Map<string, string>()
  const read = (process: Process, key: string) => {
    waiting.set(`${process.peer} ${key}`, 'no answer')
    clients.read(process, key, WITHIN, (outcome) => {
      if (outcome.type === 'decided') return void waiting.delete(`${process.peer} ${key}`)
      // A change of voters that was asked for in the storm may still come to its end.
      waiting.set(`${process.peer} ${key}`, outcome.why)
      if (world.now < until) world.later(500, () => read(process, key))
    })
  }
  for (const process of everybody) for (const key of [...KEYS, HUB_KEY]) read(process, key)
  while (waiting.size > 0 && world.now < until + WITHIN) world.run(LOOK)
  for (const [what, why] of waiting) throw new Violation('liveness', `${what} cannot be read in the calm: ${why}`)
}
