import { MAX_UPDATES, MAX_UPDATES_BYTES } from '../wire/swim.ts'
import type { Core } from './core.ts'
import { isLiving } from './table.ts'

/** News of one step, and of the steps right after it, leave together, ms. */
const EAGER = 10

export interface Gossip {
  /** There is news. */
  wake(): void
  due(): void
  nextDue(): number
}

/** Rounds of news to a few members at random: the first at once, then one each gossipInterval while there is any. */
export function createGossip(core: Core): Gossip {
  const { profile, table, links, options } = core
  let at = Infinity

  /** Living members, and the dead who may still object. */
  function mayHear(peer: string): boolean {
    const entry = table.get(peer)
    return entry !== undefined && (isLiving(entry.state) || (entry.state === 'dead' && core.now - entry.view.since < profile.deadGossipTime))
  }

  /** False if nobody is there to hear. */
  function round(): boolean {
    const able = links.linked().filter(mayHear)
    const count = Math.min(profile.gossipFanout, able.length)
    for (let index = 0; index < count && core.queue.depth > 0; index++) {
      const other = index + Math.floor(options.random.float() * (able.length - index))
      ;[able[index], able[other]] = [able[other] as string, able[index] as string]
      core.send(able[index] as string, { kind: 'gossip', updates: core.queue.take(MAX_UPDATES_BYTES, MAX_UPDATES) })
    }
    return able.length > 0
  }

  return {
    wake() {
      at = Math.min(at, core.now + EAGER)
    },
    due() {
      if (core.now < at) return
      // The next link wakes it.
      at = round() && core.queue.depth > 0 ? core.now + profile.gossipInterval : Infinity
    },
    nextDue: () => at
  }
}
