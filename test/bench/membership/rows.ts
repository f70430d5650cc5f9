import { median, table } from '../table.ts'
import { sum, type Figures } from './stand.ts'

/** `middle` of all runs, the `most` of any, or `all` together. */
type Across = 'middle' | 'most' | 'all'

interface Row {
  key: string
  label: string
  across?: Across
  digits?: number
  /** What skein must reach. `serf` is the value of Serf lan, NaN without it. */
  bar?: { text: (members: number) => string; met: (value: number, serf: number, members: number) => boolean; needsSerf?: boolean }
}

const atMost = (limit: number) => ({ text: () => `<= ${limit}`, met: (value: number) => value <= limit })
const NONE = { text: () => '0', met: (value: number) => value === 0 }
const LIKE_SERF = { text: () => '<= serf lan', met: (value: number, serf: number) => value <= serf, needsSerf: true }
const BY_SIZE = { text: (members: number) => `<= ${joinLimit(members)}`, met: (value: number, _: number, members: number) => value <= joinLimit(members) }

function joinLimit(members: number): number {
  return members <= 16 ? 1.5 : 3
}

/** Lengths of the half/half cut, s. */
export const CUTS = [20, 60, 120] as const

const ROWS: readonly Row[] = [
  { key: 'join start', label: 'spawn to ready, median member, s' },
  { key: 'join all', label: 'join storm: all see all, s', bar: BY_SIZE },
  { key: 'join median member', label: '  median member sees all, s' },
  { key: 'join stragglers', label: '  members over 1 s later than the median', across: 'all', digits: 0, bar: NONE },
  { key: 'join connections', label: '  connections 10 s later', digits: 0 },
  { key: 'join mesh', label: '  all connected with all after, s', digits: 1 },
  { key: 'join cpu', label: '  CPU s of all until all see all', digits: 1 },
  { key: 'join cpu 10 s', label: '  CPU s of all in the first 10 s', digits: 1 },
  { key: 'rejoin after kill', label: 'warm rejoin after kill: all see all, s', bar: LIKE_SERF },
  { key: 'rejoin after leave', label: 'warm rejoin after leave: all see all, s', bar: LIKE_SERF },
  { key: 'kill last', label: 'kill -9: last observer, s', bar: atMost(1.5) },
  { key: 'kill first', label: '  first observer, s' },
  { key: 'kill median', label: '  median observer, s' },
  { key: 'kill first suspicion', label: '  first suspicion, s' },
  { key: 'kill false', label: '  failures of others', across: 'all', digits: 0, bar: NONE },
  { key: 'leave last', label: 'leave: last observer, s', bar: atMost(0.65) },
  { key: 'leave median', label: '  median observer, s' },
  { key: 'leave as failure', label: '  observers that saw a failure', across: 'all', digits: 0, bar: NONE },
  { key: 'leave ended', label: '  process ended after, s' },
  { key: 'silent last', label: 'silent death: last observer, s', bar: LIKE_SERF },
  { key: 'silent first', label: '  first observer, s' },
  { key: 'silent first suspicion', label: '  first suspicion, s' },
  { key: 'silent false', label: '  failures of others', across: 'all', digits: 0, bar: NONE },
  { key: 'silent healed', label: '  interface up again: all see all, s' },
  { key: 'loss false', label: '30 % loss: failures seen', across: 'all', digits: 0, bar: NONE },
  { key: 'loss false members', label: '  members they were about', across: 'most', digits: 0 },
  { key: 'loss suspicions', label: '  suspicions raised', digits: 0 },
  { key: 'loss refutations', label: '  refutations', digits: 0 },
  { key: 'loss evidence', label: '  link evidence raised', across: 'all', digits: 0, bar: NONE },
  { key: 'loss dropped', label: '  packets dropped', digits: 0 },
  { key: 'loss whole', label: '  all see all after it, s' },
  ...(['stop', 'slow'] as const).flatMap((key): Row[] => [
    { key: `${key} false`, label: `${key === 'stop' ? 'three stopped 10 s' : 'three slow members 60 s'}: healthy ones seen as failed`, across: 'all', digits: 0, bar: NONE },
    { key: `${key} accused healthy`, label: '  suspicions of healthy ones', across: 'all', digits: 0, bar: NONE },
    { key: `${key} accused by healthy`, label: '  of them by healthy ones', across: 'all', digits: 0 },
    { key: `${key} failed troubled`, label: `  the ${key === 'stop' ? 'stopped' : 'slow'} seen as failed`, across: 'all', digits: 0 },
    { key: `${key} healed`, label: '  all see all after it, s' }
  ]),
  ...CUTS.flatMap((length): Row[] => [
    { key: `cut ${length} merged`, label: `halves cut ${length} s: merged after, s`, bar: atMost(2.4) },
    { key: `cut ${length} dial peak`, label: '  dials of one member in one second, most', across: 'most', digits: 0, bar: atMost(2) },
    { key: `cut ${length} across`, label: '  failures across the cut', digits: 0 },
    { key: `cut ${length} false`, label: '  failures on the own side', across: 'all', digits: 0, bar: NONE }
  ]),
  { key: 'idle cpu', label: 'idle: CPU % of a core per member' },
  { key: 'idle rss', label: '  RSS MiB per member', digits: 1 },
  { key: 'idle packets', label: '  packets per member and s', digits: 1 },
  { key: 'idle wire bytes', label: '  bytes per member and s (loopback)', digits: 0 },
  { key: 'idle messages', label: '  own messages per member and s', digits: 1 },
  { key: 'idle message bytes', label: '  own message bytes per member and s', digits: 0 },
  { key: 'busy', label: 'machine busy %, mean over all scenarios', digits: 0 }
]

function valueOf({ key, across = 'middle' }: Row, figures: Figures): number {
  const values = figures[key] ?? []
  if (values.length === 0) return NaN
  if (across === 'all') return sum(values)
  return across === 'most' ? Math.max(...values) : key === 'busy' ? sum(values) / values.length : median(values)
}

function shown(value: number, { digits = 2 }: Row): string {
  if (Number.isNaN(value)) return ''
  return Number.isFinite(value) ? value.toFixed(digits) : 'never'
}

/** All that was measured, by contender; the first one is judged. */
export function compare(members: number, measured: ReadonlyMap<string, Figures>): string {
  const columns = [...measured]
  const serfLan = measured.get('serf lan')
  const rows = ROWS.filter(({ key }) => columns.some(([, figures]) => key in figures)).map((row) => {
    const own = valueOf(row, columns.find(([name]) => name.startsWith('skein'))?.[1] ?? {})
    const serf = serfLan === undefined ? NaN : valueOf(row, serfLan)
    const { bar } = row
    const judged = bar !== undefined && !Number.isNaN(own) && !(bar.needsSerf === true && Number.isNaN(serf))
    const verdict = !judged ? '' : bar.met(own, serf, members) ? 'ok' : 'MISS'
    return [row.label, ...columns.map(([, figures]) => shown(valueOf(row, figures), row)), bar?.text(members) ?? '', verdict]
  })
  return table([`${members} members`, ...columns.map(([name]) => name), 'bar', ''], rows)
}
