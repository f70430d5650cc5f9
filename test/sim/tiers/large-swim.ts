import { PROFILES } from '../../../src/membership/profiles.ts'
import type { Detection, DetectionTimes } from '../../support/large-pools.ts'
import type { Process, Watcher, World } from '../../support/swim-world-types.ts'
import { stream } from '../frame/chance.ts'
import { createPool, until } from '../membership/pool.ts'

/** What the membership of one pool costs each member, and how soon it sees a death. */
export interface SwimCost {
  size: number
  detection: DetectionTimes
  /** Until everybody knew everybody, ms. */
  formed: number
  startMessages: number
  startBytes: number
  messagesPerSecond: number
  bytesPerSecond: number
  heap: number
}

const WINDOW = 30_000
const NEWS_OUT = 300_000
const LINKS_UP = 10_000
const DEATHS = 3

/** A pool of the real machines alone: it depends on nothing outside. */
export function measureSwim(size: number, seed: number, heapUsed: () => number): SwimCost {
  const deaths = { peer: '', began: 0, times: [] as number[], now: () => 0 }
  const watcher: Watcher = {
    stepped(_process, _event, effects) {
      for (const effect of effects) {
        if (effect.type === 'event' && effect.event.type === 'failed' && effect.event.member.peer === deaths.peer) deaths.times.push(deaths.now() - deaths.began)
      }
    }
  }
  const before = heapUsed()
  const pool = createPool({ seed, members: size, profile: PROFILES.lan, watcher })
  const { world } = pool
  deaths.now = () => world.now
  until(world, () => (world.running().some(({ swim }) => swim.stats().queued > 0) ? 'news still waits' : undefined), NEWS_OUT, 1_000)
  world.run(LINKS_UP)
  const heap = Math.max(0, heapUsed() - before) / size
  const start = sum(world)
  world.run(WINDOW)
  const idle = sum(world)
  const killed = watch(world, deaths, seed, world.crash)
  const silent = watch(world, deaths, seed + 1, world.vanish)
  return {
    size, formed: pool.formed, heap, detection: { killed, silent },
    startMessages: start.messages / size, startBytes: start.bytes / size,
    messagesPerSecond: (idle.messages - start.messages) / size / (WINDOW / 1_000), bytesPerSecond: (idle.bytes - start.bytes) / size / (WINDOW / 1_000)
  }
}

function sum(world: World): { messages: number; bytes: number } {
  return world.running().reduce((total, { sent }) => ({ messages: total.messages + sent.messages, bytes: total.bytes + sent.bytes }), { messages: 0, bytes: 0 })
}

/** The worst of several deaths, one after the other. */
function watch(world: World, deaths: { peer: string; began: number; times: number[] }, seed: number, die: (process: Process) => void): Detection {
  const random = stream(seed, 900)
  const worst = { first: 0, median: 0, last: 0 }
  const count = Math.min(DEATHS, world.running().length - 3)
  for (let i = 0; i < count; i++) {
    const running = world.running()
    const victim = running[2 + Math.floor(random.float() * (running.length - 2))] as Process
    deaths.peer = victim.peer
    deaths.began = world.now
    deaths.times.length = 0
    die(victim)
    for (let waited = 0; waited < 120_000 && deaths.times.length < running.length - 1; waited += 250) world.run(250)
    const sorted = deaths.times.toSorted((a, b) => a - b)
    worst.first = Math.max(worst.first, sorted[0] ?? 0)
    worst.median = Math.max(worst.median, sorted[sorted.length >> 1] ?? 0)
    worst.last = Math.max(worst.last, sorted.at(-1) ?? 0)
  }
  return worst
}
