import type { ApiRoutes } from './route.ts'
import { count, flag, list, mapOf, number, object, oneOf, text, timeOrNull } from './schema.ts'

const SERVER = object(
  {
    name: text(),
    state: oneOf(['starting', 'ready', 'backoff', 'failed', 'stopped']),
    kind: oneOf(['stdio', 'http']),
    exposed: flag('Other nodes see it.'),
    tools: count(),
    restarts: count(),
    pids: list(count(), 'Its processes.')
  },
  { protocol: oneOf(['2025', '2026'], 'Revisions of MCP that it speaks: with sessions or without.'), error: text('Why it is down.') }
)

const NAMED = object({ peer: text('Peer id.'), name: text() })

const TIERS = object(
  {
    home: text('The pool that this node belongs to, whatever else it leads.'),
    role: oneOf(['hub', 'member'], 'hub: of at least one pool.'),
    pools: list(object({ pool: text(), name: text('Of its founder; empty where that is not known, and for root.'), tier: oneOf(['global', 'regional', 'local', 'leaf']), isHub: flag('This node leads it.') }, { hub: NAMED }), 'Those it is in, the lowest first.')
  },
  { up: NAMED },
  'Its place in the tree of pools, and whom it asks for what its pools do not have. Not there in a flat federation.'
)

const STATUS = object(
  {
    name: text(), peer: text('Peer id.'), version: text(), pid: count(),
    uptimeSeconds: count(),
    federation: object({ id: text(), name: text(), issuer: flag('It may let others in.') }),
    credentialExpires: number('Unix ms.'),
    dataDir: text(),
    addresses: list(text(), 'Multiaddrs with the peer id.'),
    mcpUrl: text(),
    servers: list(SERVER),
    peers: count('Connected ones.'),
    members: object({ total: count('Alive or suspect, this node included.'), healthy: count('The alive ones of these.') }),
    tools: count('Offered to clients of this node.'),
    notices: list(text(), 'What a person should read.')
  },
  { metricsUrl: text(), tiers: TIERS }
)

const rate = number('In percent; 0 where nothing was tried.')
const average = number('Of all of them together, ms.')

const DASHBOARD = object({
  peer_discovery: object({
    total: count('Peers found, each counted once for each attempt to connect, and sources that failed.'), successful: count('Authenticated connections.'), failed: count(),
    success_rate: rate, avg_duration_ms: average, by_source: mapOf(count(), 'Successful ones.'), last_discovery: timeOrNull('When the last attempt ended, well or not.')
  }),
  workflows: object({
    total: count(), active: count(), completed: count(), failed: count(),
    success_rate: rate, avg_duration_ms: average, by_status: mapOf(count()), last_workflow: timeOrNull('When the last one ended.')
  }),
  bootstrap: object({
    total_attempts: count('Rounds of bootstrap methods.'), successful: count('Those that brought an authenticated connection.'), failed: count(),
    success_rate: rate, avg_duration_ms: average, by_method: mapOf(count(), 'All of them.'), last_bootstrap: timeOrNull('When the last round ended, well or not.')
  })
})

/** This node itself. */
export const NODE_ROUTES: ApiRoutes = {
  'GET /api/status': {
    summary: 'Tells what this node is, where it is reached, which servers it has and what a person should know',
    tag: 'node',
    answer: STATUS,
    run(api) {
      // The command to join holds a token: it is for the terminal that the node was started in.
      const { joinCommand: _secret, ...status } = api.status()
      return status
    }
  },
  'GET /api/dashboard': {
    summary: 'Gives the numbers of peer discovery, workflows and bootstrap since the start of the node, at most 30 s old',
    tag: 'node',
    answer: DASHBOARD,
    run: (api) => api.dashboard()
  }
}
