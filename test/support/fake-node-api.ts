import { SkeinError } from '../../src/base/errors.ts'
import { createTallyBook } from '../../src/net/discovery/stats.ts'
import type { CallToolOptions, ConsensusProposal, ConsensusStatus, DrainStatus, Health, MemberChange, MemberInfo, NodeApi, NodeStatus, RouteExplanation, TopologyInfo, TopologyNodeInfo } from '../../src/node/api.ts'
import { dashboardOf } from '../../src/node/views/dashboard.ts'

export interface FakeNodeApi extends NodeApi {
  /** What was asked, in order. */
  readonly asked: { what: string; input: unknown }[]
  health(): Health
  setHealth(health: Partial<Health>): void
  /** Runs instead of the echo. */
  onCall(fn: (name: string, args: Record<string, unknown>, options: CallToolOptions) => Promise<Record<string, unknown>>): void
  /** Tells everyone who listens to changes of members. */
  changeMember(change: MemberChange): void
  /** How many listen to changes of members. */
  memberListeners(): number
  setDrain(status: DrainStatus): void
  /** Runs when the node is told to stop. */
  onStop(fn: () => Promise<void>): void
}

const ECHO = {
  name: 'graph__echo',
  server: 'graph',
  tool: 'echo',
  description: 'Says it back.',
  digest: 'd1',
  repeatable: true,
  providers: [
    { peer: '12D3KooWA', name: 'alpha', local: true },
    { peer: '12D3KooWB', name: 'beta', local: false, rtt: 12.4 }
  ]
}

const STATUS: NodeStatus = {
  name: 'alpha',
  peer: '12D3KooWA',
  version: '0.1.0',
  pid: process.pid,
  uptimeSeconds: 3725,
  federation: { id: 'fedid', name: 'home', issuer: true },
  credentialExpires: 4_000_000_000_000,
  dataDir: '/data',
  addresses: ['/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWA', '/ip6/2001:db8::1/tcp/4001/p2p/12D3KooWA'],
  mcpUrl: 'http://127.0.0.1:8080/mcp',
  metricsUrl: 'http://127.0.0.1:9090/metrics',
  joinCommand: 'npx skein join skein1abc',
  servers: [{ name: 'graph', state: 'ready', kind: 'stdio', exposed: false, tools: 3, restarts: 0, pids: [42] }],
  peers: 1,
  members: { total: 2, healthy: 1 },
  tools: 1,
  notices: ['server memory is down']
}

export const MEMBERS: MemberInfo[] = [
  { peer: '12D3KooWA', name: 'alpha', state: 'alive', self: true, tier: 'leaf', region: 'eu', version: '0.1.0', addresses: ['/ip4/192.0.2.1/tcp/4001'], incarnation: 1_700_000_000_000, since: 1_700_000_000_000, linked: false, pools: ['root'] },
  { peer: '12D3KooWB', name: 'beta', state: 'suspect', self: false, tier: 'leaf', region: 'eu', version: '0.1.0', addresses: ['/ip4/192.0.2.2/tcp/4001'], incarnation: 1_700_000_000_001, since: 1_700_000_060_000, rtt: 12.4, linked: true, pools: ['root'] },
  { peer: '12D3KooWC', name: 'gamma', state: 'left', self: false, tier: 'regional', region: '', version: '0.1.0', addresses: [], incarnation: 1_700_000_000_002, since: 1_700_000_120_000, linked: false, pools: ['root'] }
]

const FIGURES = { relayed: false, service: 5, ahead: 0, capacity: 256, reliability: 1, standing: 'good', warmth: 1, dampedFor: 0, near: false } as const
const ROUTE: RouteExplanation = {
  tool: ECHO.name,
  server: 'graph',
  choice: { peer: '12D3KooWA', name: 'alpha', path: ['12D3KooWA'], why: 'local', expected: 5 },
  candidates: [
    { ...FIGURES, peer: '12D3KooWA', name: 'alpha', local: true, path: 0, pathFrom: 'local', expected: 5, cost: 5, near: true },
    { ...FIGURES, peer: '12D3KooWB', name: 'beta', local: false, path: 12.4, pathFrom: 'measured', expected: 17.4, cost: 17.4, whyNot: 'an answer takes 12.4 ms longer' }
  ]
}

const HUB: TopologyNodeInfo = {
  peer: '12D3KooWA', name: 'alpha', tier: 'global', region: 'eu', role: 'hub', pool: 'root', alive: true, draining: false, load: 0.25, servers: 0, self: true,
  children: [
    { peer: '12D3KooWB', name: 'beta', tier: 'regional', region: 'us', role: 'hub', pool: '12D3KooWB', alive: true, draining: true, load: 0, rtt: 12.44, servers: 1, self: false, children: [], more: 3 },
    { peer: '12D3KooWC', name: '', tier: 'leaf', region: '', role: 'member', alive: false, draining: false, servers: 2, self: false, children: [] }
  ]
}
export const TOPOLOGY: TopologyInfo = { federation: 'fedid', peer: '12D3KooWA', tiered: true, nodes: [HUB] }

export const CONSENSUS: ConsensusStatus = {
  peer: '12D3KooWA',
  groups: [
    {
      pool: 'root', name: '', tier: 'global', version: 3, settled: true,
      voters: [
        { peer: '12D3KooWA', name: 'alpha', alive: true, left: false, self: true },
        { peer: '12D3KooWB', name: 'beta', alive: true, left: false, self: false },
        { peer: '12D3KooWC', name: 'gamma', alive: false, left: false, self: false }
      ],
      needed: { lease: 2, settings: 3 }, survives: { lease: 0, settings: 0 },
      lease: { holder: { peer: '12D3KooWA', name: 'alpha' }, token: 4, ttl: 15_000, tier: 'global', region: 'eu', alive: true, resigned: false },
      damaged: [], problems: ['3 of 3 votes are needed for settings and bans, but gamma is dead: start it again.']
    }
  ],
  settings: [{ key: 'setting/max_tools', value: 2_000, version: 1 }]
}

export const PROPOSAL: ConsensusProposal = {
  id: '0a', pool: 'root', key: 'setting/max_tools', what: 'change', state: 'expired', started: 1_700_000_000_000, ms: 10_004, rounds: 3, needed: 3, votes: 2, reason: 'gamma did not answer'
}

/** A node that only remembers what it was asked. */
export function createFakeNodeApi(): FakeNodeApi {
  const asked: { what: string; input: unknown }[] = []
  let health: Health = { started: true, ready: true, live: true, checks: { rpc: { status: 'healthy', detail: 'one session' } } }
  let call = async (name: string, args: Record<string, unknown>, _options: CallToolOptions): Promise<Record<string, unknown>> => {
    if (name !== ECHO.name) throw new SkeinError('SKEIN_NOT_FOUND', `There is no tool ${name}.`, { data: { name } })
    return { content: [{ type: 'text', text: JSON.stringify(args) }] }
  }
  let drained: DrainStatus = { state: 'serving', running: 0 }
  let stop = async () => {}
  let stopped: Promise<void> | undefined
  const memberListeners = new Set<(change: MemberChange) => void>()
  const note = (what: string, input: unknown) => void asked.push({ what, input })
  return {
    asked,
    setHealth(change) {
      health = { ...health, ...change }
    },
    onCall(fn) {
      call = fn
    },
    setDrain(status) {
      drained = status
    },
    onStop(fn) {
      stop = fn
    },
    changeMember(change) {
      for (const listener of memberListeners) listener(change)
    },
    memberListeners: () => memberListeners.size,
    members: () => MEMBERS,
    onMember(listener) {
      memberListeners.add(listener)
      return () => void memberListeners.delete(listener)
    },
    mcp: undefined as never,
    status: () => STATUS,
    peers: () => [
      { peer: '12D3KooWB', name: 'beta', state: 'connected', addresses: [], region: 'eu', tier: 'leaf', rtt: 12.4, servers: ['files'] },
      { peer: '12D3KooWC', name: 'gamma', state: 'known', addresses: [], region: '', tier: 'leaf', servers: [], lastError: 'refused' }
    ],
    tools: () => [ECHO],
    tool: (name) => (name === ECHO.name ? { ...ECHO, definition: { name, inputSchema: { type: 'object' } } } : undefined),
    async searchTools(query, { limit }) {
      note('searchTools', { query, limit })
      return { tools: [{ name: ECHO.name, server: ECHO.server, tool: ECHO.tool, description: ECHO.description, digest: ECHO.digest, providers: 3, distant: true, listed: false }], total: 7, partial: query === 'half' }
    },
    async call(name, args, options) {
      note('call', { name, args, timeout: options.timeout })
      options.onTrace?.({ correlation: 'c1', attempts: [{ peer: '12D3KooWB', name: 'beta', path: ['12D3KooWA', '12D3KooWB'], names: ['alpha', 'beta'], why: 'best', expected: 12.4, ms: 13, ended: 'ok' }] })
      return await call(name, args, options)
    },
    explainRoute: (tool) => (tool === ECHO.name ? ROUTE : undefined),
    async createToken(options) {
      note('createToken', options)
      if (options.tier === 'global') throw new SkeinError('SKEIN_NOT_ADMITTED', 'This node may not issue tokens for that tier.')
      const rest = { used: 0, tier: options.tier ?? 'leaf', region: options.region ?? '', roles: options.roles ?? [] }
      return { id: 't1', created: 0, expires: 86_400_000, uses: options.uses ?? 1, ...rest, token: 'skein1abc', command: 'npx skein join skein1abc' }
    },
    tokens: () => [{ id: 't1', created: 0, expires: 86_400_000, uses: 3, used: 1, tier: 'leaf', region: '', roles: [] }],
    async reload() {
      note('reload', undefined)
      return { attached: ['files'], detached: [], restarted: [], unchanged: ['graph'], needsRestart: ['network.http_port'] }
    },
    async netTest(address, { onStep }) {
      note('netTest', address)
      onStep({ step: 'parse', ok: true, detail: 'tcp', ms: 0.1 })
      const ok = !address.includes('192.0.2.9')
      onStep({ step: 'dial', ok, detail: ok ? 'connected' : 'refused', ms: 3 })
      return ok
    },
    async drain(options) {
      note('drain', options)
      drained = { state: 'draining', running: 2, since: 1_700_000_000_000 }
      return drained
    },
    drainStatus: () => drained,
    async undrain() {
      note('undrain', undefined)
      drained = { state: 'serving', running: 0 }
      return drained
    },
    registry: () => ({ peer: '12D3KooWA', federation: 'fedid', pool: 'root', records: [], missing: { total: 0, digests: [] }, lastSync: null }),
    gossip: () => ({
      gossipsub: { peers: 0, sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0, topics: [] },
      swim: { queued: 0, queuedBytes: 0, health: 0, suspicions: 0, links: 0, sent: {}, sentBytes: {}, received: {}, receivedBytes: {}, held: {} }
    }),
    async gossipTest({ within }) {
      note('gossipTest', { within })
      return { id: '00', sent: 1_700_000_000_000, ms: 12.5, reached: [{ peer: '12D3KooWB', name: 'beta', via: '12D3KooWA', ms: 12.4, path: ['12D3KooWA', '12D3KooWB'] }], missing: [] }
    },
    async topology({ depth }) {
      note('topology', { depth })
      return TOPOLOGY
    },
    consensus: () => CONSENSUS,
    proposals: () => [PROPOSAL],
    votes: () => [{ pool: 'root', key: 'hub', voter: { peer: '12D3KooWA', name: 'alpha' }, ballot: '3@12D3KooWA', voters: 1, version: 4, at: 1_700_000_000_000 }],
    async propose({ key, value, expect }) {
      note('propose', { key, value, expect })
      return { outcome: value === null ? 'refused' : 'decided', key, message: `${key} was put to the vote.`, ...(value === null ? {} : { version: 2 }) }
    },
    dashboard: () => dashboardOf({ discoveries: createTallyBook().read(), bootstraps: createTallyBook().read() }),
    health: () => health,
    metrics: () => [],
    stop(options) {
      note('stop', options)
      stopped ??= stop()
      return stopped
    }
  }
}
