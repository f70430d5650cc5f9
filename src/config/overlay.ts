import { nearest } from '../base/nearest.ts'
import { isGroup, type Group, type Key } from './key.ts'
import { describeConfig, sections } from './schema.ts'

/** Values from the environment or from flags, as text; `where` names them in messages. */
export interface Overlay {
  key: string
  value: unknown
  where: string
}

/** Short names, beside SKEIN_<SECTION>_<KEY>. */
const SHORT_VARIABLES: Record<string, string> = {
  SKEIN_TOKEN: 'security.token',
  SKEIN_DATA_DIR: 'node.data_dir',
  SKEIN_LOG_LEVEL: 'monitoring.log_level',
  SKEIN_REGION: 'node.region',
  SKEIN_HUB_TIER: 'node.hub_tier',
  SKEIN_PARENT: 'federation.parent',
  SKEIN_PARENT_HUB: 'federation.parent',
  SKEIN_MAX_REGIONAL_HUBS: 'federation.max_regional_hubs',
  SKEIN_MAX_CHILD_HUBS: 'federation.max_child_hubs',
  SKEIN_MAX_CLUSTERS: 'federation.max_clusters',
  SKEIN_METRICS_ENABLED: 'monitoring.metrics_enabled'
}
/** Read elsewhere: the file to load, the addresses of the bootstrap method `environment`, the limits of the graph child. */
const OTHER_VARIABLES = ['SKEIN_CONFIG', 'SKEIN_CONFIG_PATH', 'SKEIN_BOOTSTRAP', 'SKEIN_GRAPH_MAX_NODES', 'SKEIN_GRAPH_MAX_EDGES']

/** Options of `skein start` that set a key, by the name commander gives them. */
const FLAGS: Record<string, { key: string; flag: string }> = {
  nodeId: { key: 'node.id', flag: '--node-id' },
  region: { key: 'node.region', flag: '--region' },
  hubTier: { key: 'node.hub_tier', flag: '--hub-tier' },
  parent: { key: 'federation.parent', flag: '--parent' },
  dataDir: { key: 'node.data_dir', flag: '--data-dir' },
  listen: { key: 'network.listen', flag: '--listen' },
  announce: { key: 'network.announce', flag: '--announce' },
  bootstrap: { key: 'network.bootstrap', flag: '--bootstrap' },
  httpHost: { key: 'network.http_host', flag: '--http-host' },
  httpPort: { key: 'network.http_port', flag: '--http-port' },
  metricsHost: { key: 'monitoring.metrics_host', flag: '--metrics-host' },
  metricsPort: { key: 'monitoring.metrics_port', flag: '--metrics-port' },
  logLevel: { key: 'monitoring.log_level', flag: '--log-level' },
  logFormat: { key: 'monitoring.log_format', flag: '--log-format' },
  federation: { key: 'security.federation', flag: '--federation' },
  token: { key: 'security.token', flag: '--token' }
}

export interface Flags {
  nodeId?: string | undefined
  region?: string | undefined
  hubTier?: string | undefined
  parent?: string | undefined
  dataDir?: string | undefined
  listen?: readonly string[] | undefined
  announce?: readonly string[] | undefined
  bootstrap?: readonly string[] | undefined
  httpHost?: string | undefined
  httpPort?: string | number | undefined
  metricsHost?: string | undefined
  metricsPort?: string | number | undefined
  logLevel?: string | undefined
  logFormat?: string | undefined
  federation?: string | undefined
  token?: string | undefined
}

/** What the environment sets; names that start with SKEIN_ and mean nothing give a warning. Empty values count as unset. */
export function environmentOverlay(env: Readonly<Record<string, string | undefined>>): { overlays: Overlay[]; warnings: string[] } {
  const known = new Map(describeConfig().flatMap((row) => (row.variable === undefined ? [] : [[row.variable, row.key] as const])))
  const names = [...known.keys(), ...Object.keys(SHORT_VARIABLES), ...OTHER_VARIABLES]
  const overlays: Overlay[] = []
  const warnings: string[] = []
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('SKEIN_') || value === undefined) continue
    const key = known.get(name) ?? (Object.hasOwn(SHORT_VARIABLES, name) ? SHORT_VARIABLES[name] : undefined)
    if (key !== undefined) {
      // The long name is the exact one: it wins over a short one, whatever the order of the environment.
      if (value !== '') overlays[known.has(name) ? 'push' : 'unshift']({ key, value: fromText(key, value), where: `environment variable ${name}` })
    } else if (!OTHER_VARIABLES.includes(name)) {
      const meant = nearest(name, names)
      warnings.push(`environment variable ${name} is not known${meant === undefined ? '; it has no effect' : `; did you mean ${meant}?`}`)
    }
  }
  return { overlays, warnings }
}

export function flagOverlay(flags: Flags): Overlay[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    const entry = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined
    if (entry === undefined || value === undefined) return []
    return [{ key: entry.key, value: fromText(entry.key, value), where: `flag ${entry.flag}` }]
  })
}

export function commaList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** The leaf of a dotted key; undefined if there is none. */
export function findKey(path: readonly (string | number)[]): Key<unknown> | undefined {
  let entry: Key<unknown> | Group = { keys: sections, about: '' }
  for (const step of path) {
    if (!isGroup(entry)) return entry
    const next: Key<unknown> | Group | undefined = Object.hasOwn(entry.keys, step) ? entry.keys[step] : undefined
    if (next === undefined) return undefined
    entry = next
  }
  return isGroup(entry) ? undefined : entry
}

/** Text as the type of its key wants it. What does not fit stays text, for the schema to refuse. */
function fromText(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  switch (findKey(key.split('.'))?.info.kind) {
    case 'boolean':
      return { true: true, '1': true, yes: true, on: true, false: false, '0': false, no: false, off: false }[value.toLowerCase()] ?? value
    case 'integer':
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value
    case 'list':
      return commaList(value)
    case 'choice':
      return value.toLowerCase()
    default:
      return value
  }
}
