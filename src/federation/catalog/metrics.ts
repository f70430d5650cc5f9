import type { Counter, Gauge, Meter } from '../../base/meter.ts'
import type { UpdateSource } from './events.ts'
import type { UpdateResult } from './records.ts'

export interface CatalogMetrics {
  records: Gauge
  tools: Gauge
  definitions: Gauge
  definitionBytes: Gauge
  updates(source: UpdateSource, result: UpdateResult): Counter
  sync(result: 'ok' | 'failed'): Counter
  pushes(result: 'ok' | 'failed'): Counter
  fetches(result: 'ok' | 'failed' | 'bad' | 'full'): Counter
  relayBytes: Gauge
  relayed(result: 'ok' | 'missing'): Counter
}

export function createCatalogMetrics(meter: Meter): CatalogMetrics {
  const gauge = (name: string, help: string) => meter.gauge(name, help).with()
  const updates = meter.counter(
    'skein_catalog_updates_total',
    'Records received from other nodes. When `bad` or `conflict` grows, find the sender in the log and restart or remove it; when `expired` grows, check the clocks of the machines; when `waiting` grows without end, a node passes on records of nodes that are no members.',
    ['source', 'result']
  )
  const sync = meter.counter('skein_catalog_sync_total', 'Digest exchanges with other nodes. When `failed` grows, look at the sessions: skein peers.', ['result'])
  const pushes = meter.counter('skein_catalog_push_total', 'Records pushed to nodes that asked, and the own one to all members when this node is drained or back. When `failed` grows, look at the sessions: skein peers.', ['result'])
  const fetches = meter.counter(
    'skein_catalog_definitions_total',
    'Requests for tool definitions. When `bad` grows, a node sends definitions that do not match its record; when `full` grows, the federation has more tools than this node keeps: use /mcp/<server>.',
    ['result']
  )
  const relayed = meter.counter(
    'skein_catalog_relayed_definitions_total',
    'Tool definitions that this node fetched for members, or for a search. When `missing` grows, hubs tell of tools that are gone, or cannot be reached: skein topology.',
    ['result']
  )
  return {
    records: gauge('skein_catalog_records', 'Nodes whose record this node holds. When higher than the number of nodes, some left without a word; they go after 10 minutes.'),
    tools: gauge('skein_catalog_tools', 'Tools offered at this node, all servers together. When very high, clients should use /mcp/<server> instead of /mcp.'),
    definitions: gauge('skein_catalog_definitions', 'Tool definitions of other nodes kept in memory. At 20 000 no more are fetched: expose fewer tools.'),
    definitionBytes: gauge('skein_catalog_definitions_bytes', 'Memory of those definitions. At 64 MiB no more are fetched: expose fewer tools.'),
    updates: (source, result) => updates.with(source, result),
    sync: (result) => sync.with(result),
    pushes: (result) => pushes.with(result),
    fetches: (result) => fetches.with(result),
    relayBytes: gauge('skein_catalog_relay_bytes', 'Memory of tool definitions fetched for others. At 16 MiB the oldest go and are fetched again when asked for: nothing to do unless the hub is slow.'),
    relayed: (result) => relayed.with(result)
  }
}
