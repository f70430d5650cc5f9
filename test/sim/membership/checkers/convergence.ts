import type { World } from '../../../support/swim-world-types.ts'

/** What is still wrong in somebody's view of the pool; undefined if nothing is. `links`: whether everybody must be linked to everybody. */
export function notConverged(world: World, { links = true } = {}): string | undefined {
  const running = world.running()
  const truth = new Map(running.map((process) => [process.peer, process]))
  for (const observer of running) {
    const who = `${observer.peer}#${observer.id}`
    const seen = observer.swim.members()
    for (const [peer, process] of truth) {
      const view = observer.swim.member(peer)
      const own = process.swim.member(peer)
      if (view === undefined) return `${who} does not know ${peer}`
      if (view.state !== 'alive') return `${who} takes ${peer} for ${view.state}`
      if (view.incarnation !== own?.incarnation) return `${who} knows ${peer} at incarnation ${view.incarnation}, not ${own?.incarnation}`
      if (view.addresses.join() !== process.local.addresses.join()) return `${who} knows ${peer} at ${view.addresses.join()}`
      if (links && peer !== observer.peer && !observer.cables.has(peer)) return `${who} has no link to ${peer}`
    }
    for (const { peer, state } of seen) {
      if ((state === 'alive' || state === 'suspect') && !truth.has(peer)) return `${who} takes ${peer} for ${state}, which does not run`
    }
    const { alive } = observer.swim.stats().members
    if (alive !== running.length) return `${who} counts ${alive} alive of ${running.length}`
  }
  return undefined
}
