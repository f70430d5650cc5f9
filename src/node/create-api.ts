import type { Clock } from '../base/clock.ts'
import { errorMessage, SkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { MetricSnapshot } from '../base/meter.ts'
import { randomHex, type Random } from '../base/random.ts'
import { CONNECTIONS_PER_MEMBER } from '../config/finish.ts'
import type { Config } from '../config/types.ts'
import type { CatalogDriver } from '../federation/catalog/driver.ts'
import type { ApplyResult, UpstreamHost } from '../mcp/upstream/host.ts'
import type { PoolMembers } from '../membership/pools.ts'
import type { Mesh } from '../net/discovery/mesh.ts'
import type { Host } from '../net/host.ts'
import type { Reach } from '../rpc/reach/types.ts'
import type { Rpc } from '../rpc/types.ts'
import { readOutcome } from '../wire/json-rpc.ts'
import type { Admission } from '../security/admission.ts'
import type { CreatedToken, Health, NodeApi, NodeStatus, PeerInfo, ReloadResult, ServerStatus, TokenInfo, ToolInfo } from './api.ts'
import type { Backend } from './calls/backend.ts'
import type { ToolTarget } from './calls/offered.ts'
import type { Distant } from './distant/distant.ts'
import type { Drain } from './drain.ts'
import { isPublished } from './local-servers.ts'
import { joinAddresses } from './members/join-addresses.ts'
import type { TierParts } from './pools/tiers-setup.ts'
import { clockNotice } from './views/clock-notice.ts'
import { createTiersOverview } from './views/create-tiers-overview.ts'
import { createMemberViews } from './views/member-views.ts'
import { runNetTest } from './views/net-test.ts'
import type { NodeOverview } from './views/overview.ts'
import { createRouteViews } from './views/route-views.ts'
import { saidPlace } from './views/said-place.ts'

/** Reads the configuration again; the node applies what may change live. */
export type Reloader = () => Promise<{ config: Config; needsRestart: string[] }>

export interface ApiParts {
  admission: Admission
  backend: Backend
  catalog: CatalogDriver
  host: Host
  membership: PoolMembers
  mesh: Mesh
  rpc: Rpc
  reach: Pick<Reach, 'path'>
  upstreams: UpstreamHost
  clock: Clock
  random: Random
  logger: Logger
  version: string
  /** On the clock, ms. */
  started: number
  health(): Health
  drain: Drain
  overview: NodeOverview
  place: TierParts
  distant: Pick<Distant, 'provider'>
  /** Id of the federation. */
  federation: string
  metrics(): MetricSnapshot[]
  config(): Config
  reload: Reloader
  applyConfig(config: Config): Promise<ApplyResult>
  stop(): Promise<void>
}

/** A day less than this left on the credential is worth a person's attention. */
const CREDENTIAL_NOTICE_MS = 3 * 86_400_000

/** The node's public surface: questions and orders of the edges, answered from its parts. */
export function createNodeApi(parts: ApiParts): NodeApi {
  const { admission, backend, catalog, host, membership, rpc, upstreams, clock, random, logger } = parts
  const memberViews = createMemberViews({ membership, host, clock, rtt: (peer) => parts.reach.path(peer)?.rtt, record: (peer) => catalog.record(peer) })
  const routeViews = createRouteViews({ self: host.self, backend, nameOf, via: (peer) => parts.reach.path(peer)?.via ?? [] })

  const { tiersStatus, ...tiersApi } = createTiersOverview({
    self: host.self, federation: parts.federation, clock, nameOf, quorum: parts.place.quorum, tiers: parts.place.tiers,
    members: (pool) => membership.members(pool),
    record: (peer) => catalog.record(peer),
    rtt: (peer) => parts.reach.path(peer)?.rtt,
    proposalTimeout: () => parts.config().consensus.proposalTimeout
  })

  function nameOf(peer: string): string {
    return membership.member(peer)?.name ?? catalog.record(peer)?.name ?? parts.distant.provider(peer)?.name ?? ''
  }

  function rttOf(peer: string): { rtt?: number } {
    const rtt = parts.reach.path(peer)?.rtt
    return rtt === undefined ? {} : { rtt }
  }

  function toolInfo(name: string, target: ToolTarget): ToolInfo {
    return {
      name,
      server: target.advertised,
      tool: target.tool,
      description: String(catalog.definition(target.digest)?.['description'] ?? ''),
      digest: target.digest,
      repeatable: target.repeatable,
      providers: target.providers.map((peer) => ({ peer, name: nameOf(peer), local: peer === host.self, ...rttOf(peer) })),
      ...(target.notice === undefined ? {} : { notice: target.notice })
    }
  }

  function serverStatus(): ServerStatus[] {
    const { mcp } = parts.config()
    return upstreams.list().map((server) => ({ ...server, exposed: isPublished(mcp, server.name) }))
  }

  function peers(): PeerInfo[] {
    const connected = new Set(host.peers())
    const records = new Map(catalog.records().map((record) => [record.peer, record]))
    const entries = new Map(parts.mesh.entries().map((entry) => [entry.peer ?? entry.key, entry]))
    const members = new Map(membership.members().flatMap((member) => (member.state === 'left' ? [] : [[member.peer, member]])))
    const ids = new Set([...connected, ...records.keys(), ...members.keys(), ...entries.keys()])
    ids.delete(host.self)
    return [...ids].sort().map((peer) => {
      const record = records.get(peer)
      const member = members.get(peer)
      const entry = entries.get(peer)
      const isConnected = connected.has(peer)
      const via = isConnected ? [] : (parts.reach.path(peer)?.via ?? [])
      return {
        peer,
        name: member?.name ?? record?.name ?? '',
        state: isConnected ? 'connected' : via.length > 0 ? 'relayed' : 'known',
        ...(via.length > 0 ? { via: via.map((relay) => nameOf(relay) || relay) } : {}),
        addresses: isConnected ? host.addressesOf(peer) : [...(member?.addresses ?? record?.addresses ?? entry?.addresses ?? [])],
        ...saidPlace(record, member),
        ...rttOf(peer),
        servers: record?.servers.map((server) => server.name) ?? [],
        ...(isConnected || entry?.lastError === undefined ? {} : { lastError: entry.lastError })
      }
    })
  }

  function notices(credentialExpires: number): string[] {
    const left = credentialExpires - clock.wall()
    const { maxConnections } = parts.config().network
    const { total } = memberViews.counts()
    return [
      ...(parts.drain.status().state === 'serving' ? [] : ['this node takes no calls, for it was drained: `skein drain --undo` takes it back into service']),
      ...[parts.place.bans.notice(), parts.place.notice(), parts.place.tiers.state().unmet, clockNotice({ self: host.self, members: membership.members(), hasRecord: (peer) => catalog.record(peer) !== undefined, now: clock.now() })].filter((notice) => notice !== undefined),
      ...catalog.offers().notices,
      ...catalog.problems(),
      ...backend.notices(),
      ...upstreams.list().flatMap(({ name, state, error }) => (state === 'failed' || state === 'backoff' ? [`server "${name}" is down: ${error ?? state}`] : [])),
      ...(maxConnections < total * CONNECTIONS_PER_MEMBER
        ? [`network.max_connections is ${maxConnections}, but the pool has ${total} members: set it to ${total * CONNECTIONS_PER_MEMBER} or more, or members are refused`]
        : []),
      ...(left < CREDENTIAL_NOTICE_MS ? [`the credential ends on ${new Date(credentialExpires).toISOString()}: connect to an issuer, or join again`] : [])
    ]
  }

  return {
    ...parts.overview,
    ...tiersApi,
    mcp: backend,
    status(): NodeStatus {
      const { id, name, issuer } = admission.federation() as { id: string; name: string; issuer: boolean }
      const credentialExpires = admission.myCredential().credential.expires
      const config = parts.config()
      const tiers = tiersStatus()
      return {
        name: config.node.id,
        peer: host.self,
        version: parts.version,
        pid: process.pid,
        uptimeSeconds: Math.round((clock.now() - parts.started) / 1000),
        federation: { id, name, issuer },
        credentialExpires,
        dataDir: config.node.dataDir,
        addresses: host.addresses().map((address) => `${address}/p2p/${host.self}`),
        // The edges know their ports: they fill these in.
        mcpUrl: '',
        metricsUrl: undefined,
        joinCommand: undefined,
        servers: serverStatus(),
        peers: host.peers().length,
        members: memberViews.counts(),
        tools: backend.targets().size,
        ...(tiers === undefined ? {} : { tiers }),
        notices: [...notices(credentialExpires), ...(tiers === undefined ? [] : tiersApi.consensus().groups.flatMap(({ problems }) => problems))]
      }
    },
    peers,
    members: memberViews.all,
    onMember: memberViews.onChange,
    tools: () => [...backend.targets()].map(([name, target]) => toolInfo(name, target)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    tool(name) {
      const target = backend.targets().get(name)
      if (target === undefined) return undefined
      return { ...toolInfo(name, target), definition: catalog.definition(target.digest) ?? {} }
    },
    async call(name, args, options) {
      const token = randomHex(random, 4)
      const correlation = randomHex(random, 8)
      const traced = options.onTrace === undefined ? undefined : routeViews.trace(correlation)
      const running = backend.run(
        {
          view: undefined,
          method: 'tools/call',
          params: { name, arguments: args, ...(options.onProgress === undefined ? {} : { _meta: { progressToken: token } }) },
          // Nobody is there to answer questions, and no line of a server's log is wanted.
          client: { session: undefined, clientInfo: { name: 'skein', version: parts.version }, capabilities: {}, logLevel: undefined },
          ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
          correlation,
          ...(traced === undefined ? {} : { onAttempt: traced.onAttempt })
        },
        {
          notification({ method, params }) {
            if (method === 'notifications/progress' && params !== undefined) options.onProgress?.(params as { progress: number })
          }
        }
      )
      const onAbort = () => running.cancel('the caller went away')
      options.signal.addEventListener('abort', onAbort, { once: true })
      if (options.signal.aborted) onAbort()
      try {
        const outcome = readOutcome(await running.outcome)
        if ('result' in outcome && outcome.result['resultType'] === 'input_required') {
          throw new SkeinError('SKEIN_BAD_REQUEST', 'the tool asks questions that the command line cannot answer: call it from an MCP client')
        }
        if ('result' in outcome) return outcome.result
        throw new SkeinError('SKEIN_BAD_REQUEST', `the server refused the call: ${outcome.error.message}`, { data: outcome.error })
      } finally {
        options.signal.removeEventListener('abort', onAbort)
        if (traced !== undefined) options.onTrace?.(traced.trace)
      }
    },
    searchTools: (query, options) => backend.searchTools(query, options),
    explainRoute: routeViews.explain,
    async createToken(options): Promise<CreatedToken> {
      const { expires, uses, tier, region, roles } = options
      const { text, token } = admission.issueTokenText({
        ...(expires === undefined ? {} : { expires: clock.wall() + expires * 1000 }),
        ...(uses === undefined ? {} : { uses }),
        tier: tier ?? 'leaf',
        region: region ?? '',
        roles: roles ?? [],
        addresses: joinAddresses(host.addresses(), host.self)
      })
      return { ...token, token: text, command: `npx skein join ${text}` }
    },
    tokens: (): TokenInfo[] => admission.tokens(),
    async reload(): Promise<ReloadResult> {
      const { config, needsRestart } = await parts.reload()
      const { attached, detached, restarted, updated, unchanged } = await parts.applyConfig(config)
      logger.info('configuration reloaded', { attached, detached, restarted, updated, needsRestart })
      return { attached, detached, restarted, unchanged: [...unchanged, ...updated], needsRestart }
    },
    netTest: (address, options) => runNetTest({ host, rpc, clock }, address, options),
    drain: ({ within } = {}) => parts.drain.drain(within === undefined ? {} : { within }),
    drainStatus: parts.drain.status,
    undrain: parts.drain.undrain,
    health: parts.health,
    metrics: parts.metrics,
    async stop() {
      await parts.stop().catch((error: unknown) => logger.error('stopping failed', { error: errorMessage(error) }))
    }
  }
}
