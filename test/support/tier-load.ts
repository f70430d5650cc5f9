import { setTimeout as sleep } from 'node:timers/promises'
import type { TierCall, TierProcesses } from './tier-processes.ts'
import { waitUntil } from './wait-until.ts'

/** A call ends with one of these when it provably did not run. */
const NOT_RUN = new Set(['SKEIN_BUSY', 'SKEIN_GOAWAY', 'SKEIN_NOT_FOUND', 'SKEIN_UNDELIVERED', 'SKEIN_NO_PROVIDER', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_DIAL_FAILED', 'SKEIN_BREAKER_OPEN', 'SKEIN_HOPS'])
/** … or with one of these when it may have. */
const MAY_HAVE_RUN = new Set(['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_DEADLINE'])
/** So many successes in a row and a pair works again. */
const IN_A_ROW = 3

export interface TierPair {
  from: string
  to: string
}

export interface TierLoad {
  readonly calls: readonly TierCall[]
  /** Until every pair has calls that go well again which began after `since`; rejects with those that have none. */
  recovered(pairs: readonly TierPair[], since: number, timeout: number): Promise<void>
  stop(): Promise<readonly TierCall[]>
}

export interface TierLoadOptions {
  pairs: readonly TierPair[]
  /** Between the starts of two calls of a pair, ms: it does not wait for answers, so that a call that hangs hides nothing. */
  every: number
  /** Of a call, ms. */
  timeout: number
}

/** Every leaf calls the leaf of the same letter at every other site. */
export function crossPairs(world: TierProcesses): TierPair[] {
  const leaves = world.leaves()
  return leaves.flatMap((from) => leaves.filter((to) => to.parent !== from.parent && to.id.at(-1) === from.id.at(-1)).map((to) => ({ from: from.id, to: to.id })))
}

/** The fixture log is one for the whole federation, so no two loads may use the same ids. */
let loads = 0

/** Calls that must not be repeated and calls that may be, by turns. */
export function startTierLoad(world: TierProcesses, { pairs, every, timeout }: TierLoadOptions): TierLoad {
  const calls: TierCall[] = []
  const open = new Set<Promise<void>>()
  const state = { stopped: false }
  const load = ++loads
  let issued = 0

  async function make({ from, to }: TierPair, tool: TierCall['tool'], id: string): Promise<void> {
    calls.push(await world.call(from, to, tool, id, { timeout }))
  }

  async function caller(pair: TierPair, index: number): Promise<void> {
    // Spread out, or all calls would come at the same moment.
    await sleep((every * index) / pairs.length)
    while (!state.stopped) {
      const n = issued++
      const tool = Math.floor(n / pairs.length) % 2 === 0 ? 'read' : 'append'
      const running = make(pair, tool, `${tool}-${load}-${n}`)
      open.add(running)
      void running.finally(() => open.delete(running))
      await sleep(every)
    }
  }
  const callers = pairs.map(caller)

  return {
    calls,
    async recovered(wanted, since, within) {
      const broken = () => wanted.filter((pair) => !works(calls, pair, since))
      await waitUntil('all pairs work again', () => broken().length === 0, { timeout: within, every: 100 }).catch((error: Error) => {
        throw new Error(`${error.message}: ${broken().map(({ from, to }) => `${from} -> ${to} (${calls.findLast((call) => call.from === from && call.to === to)?.code})`).join(', ')}`)
      })
    },
    async stop() {
      state.stopped = true
      await Promise.all(callers)
      await Promise.all(open)
      return calls
    }
  }
}

const ofPair = (calls: readonly TierCall[], { from, to }: TierPair, since: number) =>
  calls.filter((call) => call.from === from && call.to === to && call.began >= since).toSorted((a, b) => a.began - b.began)

function works(calls: readonly TierCall[], pair: TierPair, since: number): boolean {
  const last = ofPair(calls, pair, since).slice(-IN_A_ROW)
  return last.length === IN_A_ROW && last.every(({ code }) => code === 'ok')
}

/** How long after `since` the first call was answered after which no new one failed any more, ms; 0: none failed. */
export function recoveryOf(calls: readonly TierCall[], pair: TierPair, since: number): number {
  const mine = ofPair(calls, pair, since)
  const failed = mine.findLastIndex(({ code }) => code !== 'ok')
  if (failed === -1) return 0
  const next = mine[failed + 1]
  return next === undefined ? Infinity : next.ended - since
}

export interface Outage {
  from: number
  to: number
}

/**
 * What is wrong with the answers, held against what was really executed: a success that did not run, anything that must not be repeated and
 * ran twice, an error that says nothing. A repeatable call may only have failed if it began while a hub was away.
 */
export function faults(calls: readonly TierCall[], runs: ReadonlyMap<string, number>, outages: readonly Outage[]): string[] {
  return calls.flatMap(({ id, tool, code, from, to, began }) => {
    const ran = runs.get(id) ?? 0
    const fault = (why: string) => [`${id} (${from} -> ${to}): ${why}; it ended with ${code} and ran ${ran} times`]
    if (tool === 'append' && ran > 1) return fault('run twice')
    if (code === 'ok') return ran === 0 ? fault('a success that did not run') : []
    if (!NOT_RUN.has(code) && !MAY_HAVE_RUN.has(code)) return fault('an error of no known class')
    if (tool === 'append') return NOT_RUN.has(code) && ran > 0 ? fault('said not to have run') : []
    return outages.some((outage) => began >= outage.from && began <= outage.to) ? [] : fault('a repeatable call that was lost')
  })
}

/** `ok 412, SKEIN_NO_PROVIDER 8`, by tool. */
export function tally(calls: readonly TierCall[]): string {
  const of = (tool: TierCall['tool']) => {
    const counts = new Map<string, number>()
    for (const { code } of calls.filter((call) => call.tool === tool)) counts.set(code, (counts.get(code) ?? 0) + 1)
    return `${tool} ${[...counts].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'}`
  }
  return `${of('read')}; ${of('append')}`
}
