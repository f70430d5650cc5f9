import { LATENCY_BUCKETS, type Counter, type Gauge, type Histogram, type Meter } from '../../base/meter.ts'
import type { Audiences } from './audiences.ts'
import type { Shelf } from './shelf.ts'
import type { Sources } from './sources.ts'

/** `read`: tables of others. `told`: tables for others. */
export type TableUse = 'read' | 'told'
export type SyncResult = 'same' | 'changed' | 'later' | 'refused' | 'unreadable' | 'failed'
export type ChangeResult = 'sent' | 'unsent' | 'taken' | 'gap' | 'foreign'
export type AskResult = 'found' | 'none' | 'failed'

export interface SummaryMetrics {
  entries(use: TableUse, direction: 'up' | 'down'): Gauge
  bytes(use: TableUse, direction: 'up' | 'down'): Gauge
  distant: Gauge
  hidden: Gauge
  heldBack: Gauge
  syncs(result: SyncResult): Counter
  changes(result: ChangeResult): Counter
  resolves(result: AskResult): Counter
  searches(result: AskResult): Counter
  cached: Counter
  resolveTime: Histogram
}

export function createSummaryMetrics(meter: Meter): SummaryMetrics {
  const entries = meter.gauge(
    'skein_summary_servers',
    'Servers in the tables of what is offered beyond a pool, by whether they are read or told, up or down the tree. Told ones are counted for each different reader. When very high, give the hubs fewer children.',
    ['use', 'direction']
  )
  const bytes = meter.gauge('skein_summary_bytes', 'What those tables weigh on the wire; in memory, tables share what is equal. When very high, give the hubs fewer children.', ['use', 'direction'])
  const distant = meter.gauge('skein_summary_distant_servers', 'Servers beyond the pools of this node that it offers. When lower than expected, look at the hubs: skein topology.')
  const hidden = meter.gauge('skein_summary_hidden_servers', 'Servers beyond the pools of this node that it knows and does not list, because there are over catalog.max_tools tools. When above 0, clients find them by search, or raise catalog.max_tools.')
  const heldBack = meter.gauge('skein_summary_held_back_servers', 'Servers of child hubs that this hub does not tell upward, because one child has more than its share. When above 0, look at that child: skein topology.')
  const syncs = meter.counter(
    'skein_summary_sync_total',
    'Comparisons of tables that this node asked hubs and child hubs for. When `changed` keeps growing on a quiet federation, changes get lost: look at the sessions; when `failed` or `refused` grows, hub and child disagree: skein topology; when `unreadable` grows, what a hub tells does not add up: the log of this node names it.',
    ['result']
  )
  const changes = meter.counter('skein_summary_changes_total', 'Changes of tables told and heard. When `gap` or `unsent` grows, sessions between hubs are bad; when `foreign` grows, somebody believes to be hub here who is not.', ['result'])
  const resolves = meter.counter('skein_summary_resolve_total', 'Questions which nodes provide a distant server, of this node and of others to it. When `failed` grows, hubs do not answer: skein topology.', ['result'])
  const searches = meter.counter('skein_summary_search_total', 'Searches in the whole federation, of this node and of others to it. When `failed` grows, hubs do not answer, and only what is near is found.', ['result'])
  const cached = meter.counter('skein_summary_resolve_cached_total', 'Such questions answered from memory. When it is most of them, callers ask without need.')
  const resolveTime = meter.histogram('skein_summary_resolve_seconds', 'Time until the providers of a distant server are known. When high, the way up and down the tree is slow.', LATENCY_BUCKETS)
  return {
    entries: (use, direction) => entries.with(use, direction),
    bytes: (use, direction) => bytes.with(use, direction),
    distant: distant.with(),
    hidden: hidden.with(),
    heldBack: heldBack.with(),
    syncs: (result) => syncs.with(result),
    changes: (result) => changes.with(result),
    resolves: (result) => resolves.with(result),
    searches: (result) => searches.with(result),
    cached: cached.with(),
    resolveTime: resolveTime.with()
  }
}

/** Sets the gauges to how large the tables are now. */
export function collect(metrics: SummaryMetrics, { sources, audiences, view }: { sources: Sources; audiences: Audiences; view: Shelf }): void {
  const read = [...sources.all()].map(({ direction, table }) => ({ direction, size: table.rows.size, bytes: table.bytes }))
  const told = [...audiences.all()].map(({ direction, table }) => ({ direction, size: table.size, bytes: table.bytes }))
  for (const [use, tables] of [['read', read], ['told', told]] as const) {
    for (const direction of ['up', 'down'] as const) {
      const those = tables.filter((one) => one.direction === direction)
      metrics.entries(use, direction).set(those.reduce((sum, { size }) => sum + size, 0))
      metrics.bytes(use, direction).set(those.reduce((sum, { bytes }) => sum + bytes, 0))
    }
  }
  metrics.distant.set(view.table.rows.size)
  metrics.hidden.set(view.hidden)
  metrics.heldBack.set([...sources.below()].reduce((sum, { share }) => sum + share.waiting, 0))
}
