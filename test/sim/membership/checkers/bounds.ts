import type { Process, World } from '../../../support/swim-world-types.ts'
import type { Checker } from './watch.ts'

/** Messages that one step may cause: an answer, news of 16 pieces with an event, a count, a probe and a word to the suspect each, and a word to everybody. */
const EFFECTS = { base: 80, perMember: 16 }
/** Of each other member: one probe, one that is relayed for each who may ask, twice when the first asker has given up. */
const PROBES_PER_PAIR = 2
/** Ticks in a second, beyond those for messages: more means that the machine asks to be woken for nothing. */
const TICKS_PER_SECOND = 300

/** Everything a machine holds or does is bounded by the number of members. */
export function bounded(world: () => World): Checker {
  let known = 0
  const ticks = new Map<Process, { second: number; count: number }>()
  return {
    name: 'bounded',
    started(process) {
      known = new Set(world().hosts.map(({ peer }) => peer)).size
      ticks.set(process, { second: 0, count: 0 })
    },
    ended: (process) => void ticks.delete(process),
    stepped(process, event, effects, fail) {
      if (effects.length > EFFECTS.base + EFFECTS.perMember * known) fail(`${effects.length} effects of one ${event.type}`)
      const { queued, queuedBytes, suspicions, members, links, probes } = process.swim.stats()
      const { alive, suspect, dead, left } = members
      const size = alive + suspect + dead + left
      if (size > known) fail(`${size} members, ${known} exist`)
      if (Math.min(alive, suspect, dead, left, queued, queuedBytes, suspicions, links, probes) < 0) fail(`negative counts: ${JSON.stringify(process.swim.stats())}`)
      // One word of each member, and an accusation of each by each.
      if (queued > known * (known + 1)) fail(`${queued} pieces of news wait`)
      if (queuedBytes > queued * 1_024) fail(`${queuedBytes} bytes in ${queued} pieces`)
      if (suspicions > known || links > known) fail(`${suspicions} suspicions, ${links} links`)
      if (probes > PROBES_PER_PAIR * known * known) fail(`${probes} probes on their way`)
      if (event.type !== 'tick') return
      const tick = ticks.get(process)
      const second = Math.floor(world().now / 1_000)
      if (tick === undefined) return
      if (tick.second !== second) Object.assign(tick, { second, count: 0 })
      if (++tick.count > TICKS_PER_SECOND) fail(`${tick.count} ticks in a second`)
    }
  }
}

/** Dials in any second: at most 5 of new members and 2 of those that came back, and one of each pace that was free just before. */
const DIALS_PER_SECOND = 5 + 2 + 2

/** Dials are paced, and there is one at a time to each member. */
export function dialsPaced(world: () => World): Checker {
  const dials = new Map<Process, { recent: number[]; open: Set<string> }>()
  return {
    name: 'dials-paced',
    started: (process) => void dials.set(process, { recent: [], open: new Set() }),
    ended: (process) => void dials.delete(process),
    stepped(process, event, effects, fail) {
      const of = dials.get(process)
      if (of === undefined) return
      if (event.type === 'dialled') of.open.delete(event.peer)
      for (const effect of effects) {
        if (effect.type !== 'dial') continue
        if (effect.peer === process.peer) fail('dials itself')
        if (of.open.has(effect.peer)) fail(`a second dial to ${effect.peer} while one is on its way`)
        of.open.add(effect.peer)
        of.recent.push(world().now)
        while (of.recent[0]! <= world().now - 1_000) of.recent.shift()
        if (of.recent.length > DIALS_PER_SECOND) fail(`${of.recent.length} dials in a second`)
      }
    }
  }
}

/** One that left or was superseded says nothing more. */
export function silence(): Checker {
  const silent = new Map<Process, boolean>()
  return {
    name: 'silence',
    ended: (process) => void silent.delete(process),
    stepped(process, event, effects, fail) {
      if (event.type === 'start') silent.set(process, false)
      if (silent.get(process) === true) {
        const said = effects.find(({ type }) => type === 'send' || type === 'dial' || type === 'knock' || type === 'event')
        if (said !== undefined) fail(`a ${said.type} after it fell silent`)
      }
      if (event.type === 'leave' || effects.some(({ type }) => type === 'superseded')) silent.set(process, true)
    }
  }
}
