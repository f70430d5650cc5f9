import type { Process, World } from '../../../support/swim-world-types.ts'
import type { Checker } from './watch.ts'

/** The one process that is `peer`, if exactly one is. */
function only(world: World, peer: string): Process | undefined {
  const all = world.running().filter((process) => process.peer === peer)
  return all.length === 1 ? all[0] : undefined
}

/** In the calm, once old suspicions are over, nobody who runs is declared dead. */
export function noFalseDeaths(world: () => World, calmSince: () => number): Checker {
  return {
    name: 'false-death',
    changed({ peer, before, after, event }, fail) {
      if (after.state !== 'dead' || before?.state === 'dead' || world().now < calmSince()) return
      const process = only(world(), peer)
      if (process !== undefined) fail(`${peer} runs and was declared dead by ${event?.by} (${event?.evidence}), was ${before?.state}@${before?.incarnation}`)
    }
  }
}

/** Link evidence is never wrong: who is declared dead by it has really closed the port at which it was known. */
export function trueEvidence(world: () => World): Checker {
  return {
    name: 'true-evidence',
    changed({ peer, after, event }, fail) {
      if (after.state !== 'dead' || event?.evidence !== 'refused') return
      const process = only(world(), peer)
      if (process === undefined || process.swim.member(peer)?.boot !== after.boot) return
      if (after.addresses.includes(process.address)) fail(`${peer} listens at ${process.address} and was declared dead because that refused`)
    }
  }
}
