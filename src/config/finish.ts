import { dirname, resolve } from 'node:path'
import { addressProblem } from './addresses.ts'
import type { Finding } from './check.ts'
import { commaList } from './overlay.ts'
import { defaultDataDir, expandHome, type Env } from './paths.ts'
import type { ParsedConfig } from './schema.ts'
import { serverConfig } from './servers.ts'
import type { Config, Origin, Problem } from './types.ts'
import { viewConfigs } from './views-section.ts'
import { readBounded, type ConfigFile } from './yaml-file.ts'

/** A join token has under 4 KiB. */
const MAX_TOKEN_BYTES = 16_384
const OTHERS_MAY_READ = 0o004
/** ms, of the operations guide: the higher, the farther its peers and the less often their tables change. Leaves: as in a flat federation. */
const GOSSIP_INTERVALS: Record<Config['node']['hubTier'], number> = { global: 2_000, regional: 1_000, local: 500, leaf: 1_000 }

/** Two members that dial each other have two connections for a moment. */
export const CONNECTIONS_PER_MEMBER = 2

export interface FinishInput {
  file: ConfigFile | undefined
  sources: ReadonlyMap<string, Origin>
  env: Env
  cwd: string
  /** mcp.servers before variables were replaced. */
  writtenServers: Readonly<Record<string, unknown>>
  /** A problem of a key; its place is looked up. */
  report: (finding: Finding) => void
  /** Something odd that does not keep the node from starting. */
  warn: (finding: Finding) => void
  /** A problem that knows its place. */
  refuse: (problem: Problem) => void
}

/** What is allowed, and cannot be meant. */
function warnOfTiers({ node, network, federation }: ParsedConfig, warn: (key: string, message: string) => void): void {
  const { parent, maxClusters, maxRegionalHubs, maxChildHubs } = federation
  const { hubTier } = node
  if (parent !== undefined && hubTier === 'global') warn('federation.parent', 'has no effect: nothing is above a global hub (node.hub_tier)')
  if (parent === node.id) warn('federation.parent', `is node.id of this node itself ("${parent}"): no other hub of this name is likely to be found`)
  if (parent?.startsWith('/') === true && !parent.includes('/p2p/')) warn('federation.parent', 'has no effect without a peer id: let the multiaddr end in /p2p/<peer id> (`skein status` of the hub prints it)')
  const below = maxClusters + (hubTier === 'global' ? maxRegionalHubs : hubTier === 'regional' ? maxChildHubs : 0)
  if (hubTier === 'leaf' || network.maxConnections >= CONNECTIONS_PER_MEMBER * below) return
  warn('federation.max_clusters', `a ${hubTier} hub takes ${below} nodes with these limits, but network.max_connections is ${network.maxConnections}: set that to ${CONNECTIONS_PER_MEMBER * below} or more, or they are refused before`)
}

/** The Config of checked values: paths made absolute, the token read, servers resolved, and the rules that span several keys. */
export function finishConfig(parsed: ParsedConfig, input: FinishInput): Config {
  const { file, sources, env, cwd, report } = input
  const { node, network, security } = parsed
  const problem = (key: string, message: string) => report({ path: key.split('.'), at: 'value', message })
  const base = file === undefined ? cwd : dirname(file.path)
  const pathOf = (key: string, path: string) => resolve(sources.get(key) === 'file' ? base : cwd, expandHome(path, env))

  const { latitude, longitude } = node.coordinates
  if ((latitude === undefined) !== (longitude === undefined)) problem('node.coordinates', 'needs both latitude and longitude, or neither')
  if (parsed.monitoring.metricsEnabled && network.httpPort !== 0 && network.httpPort === parsed.monitoring.metricsPort) {
    problem('monitoring.metrics_port', `is the same port as network.http_port (${network.httpPort}); choose another`)
  }
  if (parsed.mcp.graph.enabled && Object.hasOwn(parsed.mcp.servers, 'graph')) {
    problem('mcp.servers.graph', 'the bundled server has this name; choose another one or set mcp.graph.enabled: false')
  }
  if (network.maxConnections < 2 * network.meshSize) {
    // Said where somebody set one of the two.
    const key = sources.has('network.max_connections') ? 'network.max_connections' : 'network.mesh_size'
    const message = `max_connections (${network.maxConnections}) is less than twice mesh_size (${network.meshSize}): when that many members join at once, connections are refused; set max_connections to ${2 * network.meshSize} or more`
    input.warn({ path: key.split('.'), at: 'value', message })
  }
  warnOfTiers(parsed, (key, message) => input.warn({ path: key.split('.'), at: 'value', message }))
  if (parsed.breaker.openAtMost < parsed.breaker.openFor) problem('breaker.open_at_most', 'must not be shorter than breaker.open_for')
  const bootstrapEnvironment = commaList(env['SKEIN_BOOTSTRAP'] ?? '')
  for (const address of bootstrapEnvironment) {
    const message = addressProblem(address)
    if (message !== undefined) input.refuse({ where: 'environment variable SKEIN_BOOTSTRAP', key: '', message })
  }
  if (sources.get('security.token') === 'file' && file !== undefined && (file.mode & OTHERS_MAY_READ) !== 0) {
    problem('security.token', `every user of this machine can read this secret; run: chmod 600 ${file.path}`)
  }
  const tokenFile = security.tokenFile === undefined ? undefined : pathOf('security.token_file', security.tokenFile)
  const token = security.token ?? (tokenFile === undefined ? undefined : readToken(tokenFile, problem))
  const servers = Object.entries(parsed.mcp.servers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, server]) => serverConfig(name, server, input.writtenServers[name], { base, timeout: parsed.mcp.requestTimeout }))

  return deepFreeze({
    ...parsed,
    node: {
      ...node,
      coordinates: latitude === undefined || longitude === undefined ? undefined : { latitude, longitude },
      dataDir: node.dataDir === undefined ? defaultDataDir(env) : pathOf('node.data_dir', node.dataDir)
    },
    network: {
      ...network,
      bootstrapFile: network.bootstrapFile === undefined ? undefined : pathOf('network.bootstrap_file', network.bootstrapFile),
      bootstrapEnvironment
    },
    gossip: { ...parsed.gossip, interval: parsed.gossip.interval ?? GOSSIP_INTERVALS[node.hubTier] },
    security: { ...security, token, tokenFile },
    mcp: { ...parsed.mcp, views: viewConfigs(parsed.mcp.views), servers }
  })
}

function readToken(path: string, problem: (key: string, message: string) => void): string | undefined {
  try {
    const { text, mode } = readBounded(path, MAX_TOKEN_BYTES)
    if ((mode & OTHERS_MAY_READ) !== 0) problem('security.token_file', `every user of this machine can read the secret in ${path}; run: chmod 600 ${path}`)
    if (text.trim() === '') problem('security.token_file', `${path} is empty; put the text of the join token into it`)
    return text.trim()
  } catch (error) {
    problem('security.token_file', `${path} ${(error as Error).message}`)
    return undefined
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
