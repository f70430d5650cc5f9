import { fileURLToPath } from 'node:url'
import type { Config, ServerConfig } from '../config/types.ts'
import type { LocalServer } from '../federation/catalog/ports.ts'
import type { UpstreamHost } from '../mcp/upstream/host.ts'
import { MAX_CONCURRENT, type ServerSpec } from '../mcp/upstream/spec.ts'
import type { NameClaims } from '../store/store.ts'
import type { About } from '../wire/about.ts'

/** The bundled server's name under `mcp.servers`; configuring one of that name replaces it. */
const GRAPH = 'graph'

/** From source the pack is TypeScript, in the built package JavaScript; this file's own name tells which. */
const GRAPH_MAIN = fileURLToPath(new URL(`../packs/graph/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

/** What the upstream host runs: the configured servers and the bundled ones. */
export function serverSpecs(mcp: Config['mcp']): Record<string, ServerSpec> {
  const specs: Record<string, ServerSpec> = {}
  if (mcp.graph.enabled) specs[GRAPH] = graphSpec(mcp)
  for (const server of mcp.servers) specs[server.name] = specOf(server)
  return specs
}

function specOf(server: ServerConfig): ServerSpec {
  const { enabled, expose, stateless, timeout, maxConcurrent, maxWaiting, isolation, protocol, repeatable, trustAnnotations } = server
  const policy = { enabled, expose: { allow: expose.allow, deny: expose.deny }, stateless, timeout, maxConcurrent, maxWaiting, isolation, protocol, repeatable, trustAnnotations }
  if (server.kind === 'http') {
    const { url, headers, proxy, caFile } = server
    return { ...policy, kind: 'http', url, headers, ...(proxy === undefined ? {} : { proxy }), ...(caFile === undefined ? {} : { caFile }) }
  }
  const { command, args, env, cwd } = server
  return { ...policy, kind: 'stdio', command, args, env, ...(cwd === undefined ? {} : { cwd }) }
}

function graphSpec({ graph, requestTimeout }: Config['mcp']): ServerSpec {
  return {
    kind: 'stdio',
    command: process.execPath,
    args: [GRAPH_MAIN],
    env: { SKEIN_GRAPH_MAX_NODES: String(graph.maxNodes), SKEIN_GRAPH_MAX_EDGES: String(graph.maxEdges) },
    enabled: true,
    expose: { allow: ['*'], deny: [] },
    stateless: false,
    timeout: requestTimeout,
    isolation: 'shared',
    repeatable: [],
    // Our own server: its annotations are true.
    trustAnnotations: true
  }
}

/** Bundled servers are for this node's clients only until they are exposed. */
export function isPublished(mcp: Config['mcp'], name: string): boolean {
  return name !== GRAPH || mcp.graph.expose || mcp.servers.some((server) => server.name === GRAPH)
}

/** Before its first handshake, and when it has failed for good, a server says nothing. */
function hasSpoken({ capabilities, serverInfo }: About): boolean {
  return Object.keys(capabilities).length > 0 || Object.keys(serverInfo).length > 0
}

/** What the catalog says of our servers. */
export function localServers(mcp: Config['mcp'], host: UpstreamHost, claims: NameClaims, now: number): LocalServer[] {
  return host.list().flatMap(({ name }) => {
    const tools = host.tools(name)
    const spec = host.spec(name)
    if (tools === undefined || spec === undefined || !spec.enabled) return []
    const exposed = isPublished(mcp, name)
    return [
      {
        name,
        claimed: claims.claim(name, now),
        stateless: spec.stateless,
        timeout: spec.timeout,
        capacity: spec.maxConcurrent ?? MAX_CONCURRENT,
        ...(hasSpoken(tools.about) ? { about: { document: tools.about, exposed } } : {}),
        tools: tools.definitions.map((definition) => ({ definition, repeatable: tools.repeatable.has(String(definition['name'])), exposed }))
      }
    ]
  })
}
