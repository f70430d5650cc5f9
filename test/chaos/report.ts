import { loadavg } from 'node:os'
import { parseExposition } from '../support/exposition.ts'
import { descendants } from '../support/processes.ts'
import type { Home } from './world.ts'

const MIB = 1_048_576

/** What is looked at, its unit, and how much more the last third may have than the first: what differs by chance. */
const COLUMNS = {
  rss: { unit: 'MiB', share: 0.15, more: 10 },
  heap: { unit: 'MiB', share: 0.15, more: 4 },
  handles: { unit: '', share: 0.2, more: 15 },
  children: { unit: '', share: 0.2, more: 6 },
  lagP99: { unit: 'ms', share: 0.5, more: 10 },
  lagWorst: { unit: 'ms', share: 1, more: 100 },
  // Questions that nobody answers stay for ten minutes: until then there are more and more.
  parked: { unit: '', share: 0.2, more: 6 },
  listeners: { unit: '', share: 0.2, more: 4 },
  sessions: { unit: '', share: 0.2, more: 6 },
  running: { unit: '', share: 0.5, more: 6 },
  open: { unit: '', share: 0.5, more: 6 }
}
type Column = keyof typeof COLUMNS
export type Sample = Record<Column, number>
const NAMES = Object.keys(COLUMNS) as Column[]

export interface Report {
  /** Measures every node that is there, prints a line each, and keeps it for the table. */
  sample(homes: readonly Home[], seconds: number): Promise<Map<string, Sample>>
  /** Medians of the first and the last third of each node's samples; false: something grew. */
  table(): boolean
}

async function gauges(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text()
  const { samples } = parseExposition(text)
  return (name) => samples.reduce((sum, sample) => (sample.name === name ? sum + sample.value : sum), 0)
}

async function measure({ node, inspector }: Home): Promise<Sample> {
  const gauge = await gauges(node.metricsUrl())
  const { rss, heap, handles, delay, delayP99 } = await inspector.measure()
  return {
    rss: rss / MIB,
    heap: heap / MIB,
    handles,
    children: descendants(node.child.pid as number).length,
    lagP99: delayP99,
    lagWorst: delay,
    parked: gauge('skein_upstream_parked'),
    listeners: gauge('skein_upstream_listeners'),
    sessions: gauge('skein_mcp_sessions'),
    running: gauge('skein_mcp_calls_running'),
    open: gauge('skein_mcp_http_stateless_open')
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length === 0 ? Number.NaN : sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** Medians of the first and the last third. */
function thirds(values: readonly number[]): { first: number; last: number } {
  const third = Math.max(1, Math.floor(values.length / 3))
  return { first: median(values.slice(0, third)), last: median(values.slice(-third)) }
}

const shown = (column: Column, value: number) => value.toFixed(column === 'rss' || column === 'heap' || column === 'lagP99' ? 1 : 0)

export function createReport(): Report {
  const samples = new Map<string, Sample[]>()
  const loads: number[] = []
  return {
    async sample(homes, seconds) {
      const now = new Map<string, Sample>()
      for (const home of homes) {
        // Gone while we look.
        const found = home.away ? undefined : await measure(home).catch(() => undefined)
        if (found === undefined) {
          console.log(`${seconds}s ${home.name} is away`)
          continue
        }
        now.set(home.name, found)
        samples.set(home.name, [...(samples.get(home.name) ?? []), found])
        const values = NAMES.map((column) => `${column} ${shown(column, found[column])}${COLUMNS[column].unit === '' ? '' : ` ${COLUMNS[column].unit}`}`)
        console.log(`${seconds}s ${home.name} up ${Math.round(home.inspector.age() / 1000)}s ${values.join(' ')}`)
      }
      const load = loadavg()
      loads.push(load[0] as number)
      console.log(`${seconds}s load average ${load.map((each) => each.toFixed(1)).join(' ')}`)
      return now
    },
    table() {
      let flat = true
      const load = thirds(loads)
      console.log(`machine load average first third ${load.first.toFixed(1)} last third ${load.last.toFixed(1)}`)
      // Whatever else runs on the machine delays the nodes too.
      const busier = Math.max(1, load.last / load.first)
      for (const [name, all] of samples) {
        for (const column of NAMES) {
          const { first, last } = thirds(all.map((sample) => sample[column]))
          const { unit, share, more } = COLUMNS[column]
          const grew = last > first * (1 + share) * (column.startsWith('lag') ? busier : 1) + more
          if (grew) flat = false
          console.log(`${name} ${column.padEnd(9)} first third ${shown(column, first).padStart(7)} last third ${shown(column, last).padStart(7)} ${unit.padEnd(3)} ${grew ? 'GREW' : 'flat'}`)
        }
      }
      return flat
    }
  }
}
