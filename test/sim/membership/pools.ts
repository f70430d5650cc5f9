import { PROFILES } from '../../../src/membership/profiles.ts'
import type { Process, Watcher, World } from '../../support/swim-world-types.ts'
import { stream } from '../frame/chance.ts'
import { createPool, until } from './pool.ts'

/** Idle and under churn, ms of each. */
const WINDOW = 30_000
/** Members that are killed and that fall silent, one after the other, each with time to be found dead. */
const DEATHS = 3
/** 1 % of the members leave or join in a minute of churn, in this many steps. */
const CHURN_SHARE = 0.01

/** What the news of a join storm may take to have been sent often enough, ms: 1 000 statements, each 16 times, 240 a second. */
const PATIENCE = 300_000

interface Times {
  first: number
  median: number
  last: number
  observers: number
}

interface Load {
  messages: number
  bytes: number
  most: number
}

/** Times at which others declare somebody dead. */
function createDeathWatch(): Watcher & { wait(peer: string): void; readonly times: number[]; readonly others: Set<string>; now: () => number; began: number } {
  const watch = {
    times: [] as number[],
    others: new Set<string>(),
    peer: '',
    began: 0,
    now: () => 0,
    wait(peer: string) {
      watch.peer = peer
      watch.times.length = 0
      watch.began = watch.now()
    },
    stepped(_process: Process, _event: unknown, effects: Parameters<NonNullable<Watcher['stepped']>>[2]) {
      for (const effect of effects) {
        if (effect.type !== 'event' || effect.event.type !== 'failed') continue
        if (effect.event.member.peer === watch.peer) watch.times.push(watch.now() - watch.began)
        else watch.others.add(effect.event.member.peer)
      }
    }
  }
  return watch
}

function timesOf(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b)
  return { first: sorted[0] ?? NaN, median: sorted[sorted.length >> 1] ?? NaN, last: sorted.at(-1) ?? NaN, observers: sorted.length }
}

function loadOver(world: World, ms: number, during: () => void = () => {}): Load {
  const before = new Map(world.running().map((process) => [process, { ...process.sent }]))
  during()
  world.run(ms)
  let messages = 0
  let bytes = 0
  let most = 0
  let count = 0
  for (const process of world.running()) {
    const was = before.get(process)
    if (was === undefined) continue
    count++
    messages += process.sent.messages - was.messages
    bytes += process.sent.bytes - was.bytes
    most = Math.max(most, process.sent.messages - was.messages)
  }
  const per = (count * ms) / 1_000
  return { messages: messages / per, bytes: bytes / per, most: (most * 1_000) / ms }
}

function inSeconds({ first, median, last, observers }: Times): string {
  return `${[first, median, last].map((ms) => (ms / 1_000).toFixed(2)).join('/')} s (${observers} observers)`
}

function perSecond({ messages, bytes, most }: Load): string {
  return `${messages.toFixed(1)} messages/s, ${(bytes / 1_000).toFixed(2)} kB/s (busiest member ${most.toFixed(1)} messages/s)`
}

/** Members that die, each found dead by all before the next dies. */
function deaths(world: World, watch: ReturnType<typeof createDeathWatch>, seed: number, die: (process: Process) => void): Times {
  const random = stream(seed, 900)
  const all: Times[] = []
  for (let i = 0; i < DEATHS; i++) {
    const running = world.running()
    const victim = running[2 + Math.floor(random.float() * (running.length - 2))]!
    watch.wait(victim.peer)
    die(victim)
    for (let waited = 0; waited < 120_000 && watch.times.length < running.length - 1; waited += 250) world.run(250)
    all.push(timesOf(watch.times))
  }
  const middle = (pick: (times: Times) => number) => all.map(pick).toSorted((a, b) => a - b)[all.length >> 1]!
  return { first: middle(({ first }) => first), median: middle(({ median }) => median), last: Math.max(...all.map(({ last }) => last)), observers: Math.min(...all.map(({ observers }) => observers)) }
}

/** Some leave, as many restart of those that left before. */
function churn(world: World, seed: number): void {
  const random = stream(seed, 901)
  const members = world.hosts.length
  const steps = Math.max(1, Math.round((members * CHURN_SHARE * WINDOW) / 60_000))
  for (let step = 0; step < steps; step++) {
    const at = (WINDOW * (step + random.float())) / steps
    const index = 2 + Math.floor(random.float() * (members - 2))
    world.later(at, () => {
      const process = world.hosts[index]!.process
      if (process === undefined) {
        world.start(index)
        return
      }
      world.leave(process)
      world.later(5_000, () => {
        if (!process.ended) world.crash(process)
        world.start(index)
      })
    })
  }
}

/**
 * Large pools: how long a death takes to be known and what each member sends. A killed process closes its connections, a silent one does not. The load per member
 * must not grow with the pool: from the first size above the full mesh to the last by no more than what log N of the ring explains.
 *
 * @returns whether that holds and nobody was declared dead who was not
 */
export function measurePools(sizes: readonly number[], seed: number, print: (line: string) => void): boolean {
  let good = true
  const loads: { size: number; idle: Load }[] = []
  for (const size of sizes) {
    const started = performance.now()
    const watch = createDeathWatch()
    const pool = createPool({ seed, members: size, profile: PROFILES.lan, watcher: watch })
    const { world } = pool
    watch.now = () => world.now
    print(`${size} members: all know all after ${(pool.formed / 1_000).toFixed(2)} s`)
    const quiet = until(world, () => (world.running().some(({ swim }) => swim.stats().queued > 0) ? 'news still waits' : undefined), PATIENCE, 1_000)
    print(`  all news is out after another ${(quiet / 1_000).toFixed(0)} s`)
    // Links are dialled at 5 a second at most.
    world.run(10_000)
    const idle = loadOver(world, WINDOW)
    loads.push({ size, idle })
    print(`  idle                  ${perSecond(idle)}`)
    print(`  killed, first/median/last      ${inSeconds(deaths(world, watch, seed, world.crash))}`)
    print(`  fell silent, first/median/last ${inSeconds(deaths(world, watch, seed + 1, world.vanish))}`)
    const victims = new Set(world.hosts.filter(({ process }) => process === undefined).map(({ peer }) => peer))
    print(`  1 % churn a minute    ${perSecond(loadOver(world, WINDOW, () => churn(world, seed)))}`)
    const wrong = [...watch.others].filter((peer) => !victims.has(peer))
    print(`  false positives ${wrong.length}; ${((performance.now() - started) / 1_000).toFixed(1)} s to compute`)
    if (wrong.length > 0) good = false
  }
  const first = loads[0]
  const last = loads.at(-1)
  if (first === undefined || last === undefined) return good
  const ratio = last.idle.messages / first.idle.messages
  const limit = Math.max(1, Math.log2(last.size) / Math.log2(first.size)) * 1.25
  print(`load per member, ${last.size} against ${first.size} members: x ${ratio.toFixed(2)} messages, x ${(last.idle.bytes / first.idle.bytes).toFixed(2)} bytes (at most x ${limit.toFixed(2)})`)
  return good && ratio <= limit
}
