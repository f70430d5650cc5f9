import { join } from 'node:path'
import { systemClock, type Clock, type Timer } from '../base/clock.ts'
import { createLifecycle } from '../base/lifecycle.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter, MetricSnapshot } from '../base/meter.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { Config } from '../config/types.ts'
import { createCatalogDriver } from '../federation/catalog/driver.ts'
import type { Descriptor } from '../federation/catalog/ports.ts'
import { createUpstreamConnector } from '../mcp-io/connect.ts'
import { createDownstream, type Downstream } from '../mcp/downstream/create-downstream.ts'
import { createUpstreamHost } from '../mcp/upstream/host.ts'
import { createPoolMembers, type PoolMembers } from '../membership/pools.ts'
import type { LocalMember } from '../membership/types.ts'
import { createMesh } from '../net/discovery/mesh.ts'
import { createHost, type HostOptions } from '../net/host.ts'
import { createMemberNetwork } from '../net/member-network.ts'
import { settleListen, withPort } from '../net/ports-in-use.ts'
import { createRpc } from '../rpc/rpc.ts'
import type { Rpc } from '../rpc/types.ts'
import { createAdmission } from '../security/admission.ts'
import { verifyToken } from '../security/token.ts'
import { openDatastore } from '../store/datastore.ts'
import { openStore } from '../store/store.ts'
import { signerFromSeed } from '../wire/envelope.ts'
import type { Health, NodeApi } from './api.ts'
import { createBackend } from './calls/backend.ts'
import { createNodeGuards, forgetGone } from './calls/guards.ts'
import { createRemoteRunner } from './calls/mcp-over-rpc.ts'
import { createBackendMetrics } from './calls/metrics.ts'
import { createVisible } from './calls/offered.ts'
import { publishedCheck } from './calls/published.ts'
import { createRouting } from './calls/routing.ts'
import { serveMcpCalls } from './calls/serve-mcp.ts'
import { createNodeApi, type Reloader } from './create-api.ts'
import { setUpDistant } from './distant/distant-setup.ts'
import { wantsStrangers } from './distant/strangers.ts'
import { farTools, listLimits } from './distant/summary-links.ts'
import { setUpDrain } from './drain-setup.ts'
import { localServers, serverSpecs } from './local-servers.ts'
import { admissionRules, serveForwardedAdmission } from './members/admission-rules.ts'
import { catalogNetwork, linkCatalog } from './members/catalog-links.ts'
import { checkLeftoverToken, createRenewal, joinAgain, joinWithToken } from './members/credential.ts'
import { loadIdentity } from './members/identity-file.ts'
import { linkMembership } from './members/membership-links.ts'
import { localMember, membershipProfile, nextBoot } from './members/membership-setup.ts'
import { meshOptions } from './members/mesh-options.ts'
import { createOrigins } from './members/origins.ts'
import { pathOptions, startWideDiscovery } from './members/paths-setup.ts'
import { createReachLinks, followMembers } from './members/reach-links.ts'
import { settleIn } from './members/settle-in.ts'
import { createStatementSeals } from './members/statement-seal.ts'
import { setUpTiers, type TierParts } from './pools/tiers-setup.ts'
import { createOverview } from './views/create-overview.ts'
import { checkHealth } from './views/health.ts'
import { answerNetTests } from './views/net-test.ts'

export interface NodeDeps {
  logger: Logger
  meter: Meter & { snapshot(): MetricSnapshot[] }
  libp2pMetrics?: HostOptions['libp2pMetrics']
  clock?: Clock
  random?: Random
}

export interface NodeOptions {
  config: Config
  version: string
  /** A join token, for a node without a credential. */
  token: string | undefined
  /** Nobody chose the p2p port: a busy default one moves to a free one. */
  listenMovable: boolean
  /** Loads the configuration anew, for reload. */
  reload: Reloader
  /** Gives up a start that is under way; what was started is stopped. */
  signal?: AbortSignal
}

export interface SkeinNode {
  readonly api: NodeApi
  readonly downstream: Downstream
  /** Peer id. */
  readonly self: string
  /** Another process with this node's identity was started later: this one no longer takes part and should stop. */
  onSuperseded(listener: () => void): () => void
  /** For good: tells the others, takes nothing new, says goodbye when what runs has ended or `within` ms are over. */
  drain(within: number): Promise<void>
  stop(): Promise<void>
}

/** Attaching a server usually takes well under a second; a slow one must not hold up the start. */
const FIRST_ATTACH_WAIT_MS = 2_000
const LISTEN_PORT = 'listen_port'
const DAY_MS = 86_400_000

/**
 * Joins every part of a node and starts it: the one place that sees all folders. Resolves when the node is a member of its
 * federation and serves. Whatever fails on the way, what was started is stopped again.
 */
export async function createNode(deps: NodeDeps, options: NodeOptions): Promise<SkeinNode> {
  const { logger, meter, clock = systemClock, random = systemRandom } = deps
  const { version, signal } = options
  let { config } = options
  const lifecycle = createLifecycle({ clock, logger, ...(signal === undefined ? {} : { signal }) })
  const started = clock.now()
  const state = { started: false, draining: false, superseded: false }

  try {
    const { dataDir } = config.node
    const store = openStore(dataDir, { logger })
    await lifecycle.start({ name: 'store', stop: () => store.close() })
    const identity = await loadIdentity(join(dataDir, 'identity.key'), random)
    const self = identity.peer
    const signer = signerFromSeed(identity.seed)
    const admission = createAdmission(
      { clock, random, logger, meter, signer, tokens: store.tokens, federation: store.federation, isBanned },
      { credentialLifetime: config.security.credentialLifetimeDays * DAY_MS }
    )
    const { token } = options
    if (admission.federation() !== undefined && token !== undefined) checkLeftoverToken(admission, token)
    const discovery = meshOptions(config.network, store, token === undefined ? [] : tokenAddresses(token))

    // Children take longest to start, so they start first; nobody is served before the rest stands.
    const connector = createUpstreamConnector({ clock, logger: logger.child({ area: 'upstream' }) })
    const guards = createNodeGuards({ clock, random, meter, logger: logger.child({ area: 'calls' }) }, config.breaker)
    const upstreams = createUpstreamHost({ clock, random, meter, logger: logger.child({ area: 'upstream' }), guards, connect: connector.connect }, { version })
    const onExit = () => connector.killAllGroups()
    process.once('exit', onExit)
    await lifecycle.start({
      name: 'upstream servers',
      stop: async () => {
        await upstreams.stop()
        process.off('exit', onExit)
      }
    })
    const attached = upstreams.apply(serverSpecs(config.mcp), { wait: FIRST_ATTACH_WAIT_MS })
    attached.catch(() => {})

    const datastore = openDatastore(dataDir, { logger })
    await lifecycle.start({ name: 'peer store', stop: () => datastore.close() })
    const listen = await listenAddresses()
    // Sessions exist only between members, so nothing uses this before it is set below.
    const joined: { rpc?: Rpc; membership?: PoolMembers; place?: TierParts; distant?: ReturnType<typeof setUpDistant> } = {}
    const links = new Map<string, { address: string; dialled: boolean }>()
    const host = await createHost(
      {
        clock, random, logger: logger.child({ area: 'net' }), meter,
        rules: admissionRules(admission, { rpc: () => joined.rpc as Rpc, isBanned, met: (peer, how) => joined.place?.bans.met(peer, how), towardIssuer }),
        events: {
          peerUp(peer, at) {
            links.set(peer, at)
            joined.rpc?.peerUp(peer)
            joined.membership?.linkUp(peer, at)
            // Also one that has dialled us: it took our credential.
            joined.place?.bans.met(peer, 'taken')
          },
          peerDown(peer, why) {
            links.delete(peer)
            joined.rpc?.peerDown(peer)
            joined.membership?.linkDown(peer, why)
          },
          moved: (peer) => joined.rpc?.renew(peer),
          sessionStream: (peer, stream) => (joined.rpc === undefined ? stream.abort(new Error('this node has not joined yet')) : joined.rpc.accept(peer, stream))
        }
      },
      {
        self, privateKey: identity.privateKey, datastore, listen, announce: [...config.network.announce], userAgent: `skein/${version}`,
        maxConnections: config.network.maxConnections, dialTimeout: config.network.dialTimeout,
        ...pathOptions(config.network, (peer) => joined.membership?.member(peer)),
        gossip: { interval: config.gossip.interval, fanout: config.gossip.fanout, maxMessageBytes: config.gossip.maxMessageBytes },
        ...(deps.libp2pMetrics === undefined ? {} : { libp2pMetrics: deps.libp2pMetrics })
      }
    )
    await lifecycle.start({ name: 'libp2p', start: () => host.start(), stop: () => host.stop() })

    const joining = { admission, host, clock, random, logger, bootstrap: discovery.bootstrap }
    const giveUp = signal === undefined ? {} : { signal }
    if (admission.federation() === undefined) {
      if (token === undefined) admission.found({ name: config.security.federation, tier: config.node.hubTier, region: config.node.region, roles: [] })
      else await joinWithToken(joining, token, config.node.id, giveUp)
    } else if (token !== undefined) await joinAgain(joining, token, config.node.id, giveUp)
    const federation = (admission.federation() as { id: string }).id

    const boot = nextBoot(store.meta, clock.wall())
    const rpc = createRpc(
      { clock, random, meter, logger: logger.child({ area: 'rpc' }), opener: host },
      { self, federation, bootId: BigInt(boot), limits: { maxConcurrent: config.rpc.maxInFlight, maxBody: config.rpc.maxBodyBytes } }
    )
    joined.rpc = rpc
    // Others may have found us while libp2p was still starting.
    for (const peer of host.peers()) rpc.peerUp(peer)
    await lifecycle.start({ name: 'sessions', stop: () => rpc.close() })
    const member = (peer: string) => joined.membership?.member(peer)
    const origins = createOrigins({ clock, credential: () => admission.myCredential().bundle, banned: isBanned }, { federation })
    const reach = createReachLinks(
      { clock, random, meter, logger, rpc, signer, member, ...origins, abandon: (peer) => host.abandon(peer), resolveAgain: async (peer, within) => joined.distant?.again(peer, within) },
      { self, federation }
    )
    await lifecycle.start({ name: 'ways to members', stop: () => reach.stop() })

    const catalog = createCatalogDriver(
      { clock, random, meter, logger, network: catalogNetwork(host, reach, federation, logger), holders: (digests) => joined.place?.summary.holders(digests) ?? new Map() },
      { federation, self, signer, syncEvery: config.gossip.syncInterval, maxTools }
    )
    const network = createMemberNetwork(host, { clock, logger: logger.child({ area: 'membership' }) })
    const membership = createPoolMembers(
      {
        clock, random, meter, logger, network, seal: createStatementSeals({ clock, signer, isBanned }, { federation }),
        // Calls to somebody who is dead wait for nothing: their connection goes, so that they are run elsewhere.
        keep: (peer) => joined.place?.tiers.wants(peer) === true || (member(peer)?.state !== 'dead' && joined.distant?.keeps(peer) === true)
      },
      { self, federation, profile: membershipProfile(config.membership), fullMesh: config.network.meshSize }
    )
    joined.membership = membership
    forgetGone(guards, membership)
    const wide = await startWideDiscovery({ host, catalog, clock, logger: logger.child({ area: 'mesh' }), lifecycle }, { self, federation, network: config.network })
    const mesh = createMesh({ host, clock, random, logger: logger.child({ area: 'mesh' }), isMember: (peer) => membership.member(peer) !== undefined, wanted: () => wantsStrangers(membership, self, place.isTiered) }, { ...discovery, sources: [...discovery.sources, ...wide.sources] })
    linkCatalog({ host, rpc, reach, catalog, federation })
    answerNetTests(rpc)
    followMembers(membership, reach)
    const memberLinks = linkMembership({ membership, network, catalog, store, clock, logger, self })
    for (const [peer, at] of links) membership.linkUp(peer, at)
    membership.onSuperseded(() => {
      state.superseded = true
      place.standDown()
    })
    serveForwardedAdmission(rpc, admission, towardIssuer)
    const place = setUpTiers({
      clock, random, meter, logger, signer, config, self, federation, host, rpc, reach, network, catalog, store, maxTools, describe,
      members: membership, credential: admission.myCredential().bundle, draining: () => state.draining, links,
      keeps: (peer) => joined.distant?.keeps(peer) === true
    })
    joined.place = place
    const distant = setUpDistant({ clock, logger, meter, host, rpc, reach, summary: place.summary, isMember: (peer) => membership.poolsOf(peer).length > 0, findProviders: wide.findProviders, wants: (peer) => place.tiers.wants(peer) })
    joined.distant = distant
    await lifecycle.start({ name: 'distant providers', stop: () => distant.stop() })
    const overview = createOverview({ host, rpc, reach, catalog, membership, clock, random, logger, federation, metrics: () => meter.snapshot() })

    const visible = createVisible((digest) => catalog.definition(digest))
    const backend = createBackend({
      self, clock, random, logger: logger.child({ area: 'calls' }), metrics: createBackendMetrics(meter), requestTimeout: config.mcp.requestTimeout,
      local: upstreams,
      remote: createRemoteRunner(reach, logger),
      visible: () => visible(catalog.offers().servers),
      views: () => config.mcp.views,
      limits: () => listLimits(catalog, maxTools()),
      far: farTools({ catalog, summary: place.summary, clock, logger: logger.child({ area: 'calls' }) }),
      distant,
      routing: createRouting({ self, clock, random, meter, guards, membership, catalog, local: upstreams, place: config.node.coordinates, reach, rpc, distant })
    })
    const serving = serveMcpCalls({ rpc, clock, logger: logger.child({ area: 'calls' }), local: upstreams, check: publishedCheck(catalog) })
    catalog.onChange(() => backend.changed())
    place.settings.onChange(() => backend.changed())
    reach.onChange((peer) => {
      if (reach.path(peer) !== undefined) backend.rerouted(peer)
    })

    const descriptor = (): Descriptor => ({
      name: config.node.id, region: config.node.region, tier: config.node.hubTier, addresses: host.addresses(), draining: state.draining,
      ...(config.node.coordinates === undefined ? {} : { coordinates: config.node.coordinates })
    })
    const asMember = (): LocalMember => localMember({ name: config.node.id, version, addresses: host.addresses(), credential: admission.myCredential().bundle })
    host.onAddresses(describe)
    upstreams.onChange(describe)
    await attached
    describe()
    await lifecycle.start({ name: 'catalog', start: () => catalog.start(), stop: () => catalog.stop() })
    await lifecycle.start({
      name: 'membership',
      start: () => membership.start(asMember(), boot),
      async stop() {
        await membership.leaveAll()
        membership.stop()
        network.stop()
        memberLinks.stop()
      }
    })
    await lifecycle.start({ name: 'mesh', start: () => mesh.start(), stop: () => mesh.stop() })
    await lifecycle.start({ name: 'place in the federation', start: () => place.start(), stop: () => place.stop() })
    const renewal = createRenewal({ admission, host, clock, random, logger, onRenewed: describe })
    await lifecycle.start({ name: 'renewal', start: () => renewal.start(), stop: () => renewal.stop() })

    await settleIn({ clock, self, membership, reach, catalog, known: store.peers.list().length, ...giveUp })

    const downstream = createDownstream({ backend, clock, random, meter, logger, edge: self }, { version })
    await lifecycle.start({ name: 'client sessions', stop: () => downstream.close() })

    const drain = setUpDrain({ clock, logger, meter, state, describe, catalog, tiers: place.tiers, rpc, serving, downstream, within: config.mcp.shutdownTimeout })
    const health = (): Health => checkHealth({ state, drain: drain.status(), upstreams: upstreams.list(), addresses: host.addresses(), credentialExpires: admission.myCredential().credential.expires, now: clock.wall() })
    let watch: Timer | undefined
    const watchHealth = () => {
      // Interfaces come and go (laptops, VPNs): the record follows. What is wrong shows in the log once per check.
      describe()
      for (const [part, check] of Object.entries(health().checks)) if (check.status !== 'healthy') logger.warn(`${part} is ${check.status}`, { detail: check.detail })
      watch = clock.after(config.monitoring.healthCheckInterval, watchHealth)
    }
    await lifecycle.start({ name: 'health checks', start: watchHealth, stop: () => watch?.cancel() })

    let stopping: Promise<void> | undefined
    const stop = () => (stopping ??= lifecycle.stop())
    const api = createNodeApi({
      admission, backend, catalog, host, membership, mesh, rpc, reach, upstreams, clock, random, logger, version, started, health, drain, overview, place, distant, federation, stop,
      metrics: () => meter.snapshot(),
      config: () => config,
      reload: options.reload,
      async applyConfig(next) {
        config = next
        // Views may have changed, whether servers did or not.
        backend.changed()
        const result = await upstreams.apply(serverSpecs(next.mcp), { wait: FIRST_ATTACH_WAIT_MS })
        describe()
        return result
      }
    })
    state.started = true
    return {
      api, downstream, self, stop,
      onSuperseded: (listener) => membership.onSuperseded(listener),
      async drain(within) {
        await drain.drain({ within, final: true })
        await membership.leaveAll()
      }
    }

    /** Whom to ask for what only the issuer can do; in a federation with hubs it mostly is in a pool above. */
    function towardIssuer(issuer?: string): string | undefined {
      const wanted = issuer ?? joined.place?.founder
      return wanted !== undefined && joined.rpc?.session(wanted) !== undefined ? wanted : joined.place?.tiers.edges().up?.peer
    }

    function isBanned(peer: string): boolean {
      return joined.place?.settings.isBanned(peer) === true
    }

    function maxTools(): number {
      return joined.place?.settings.setting('max_tools') ?? config.catalog.maxTools
    }

    function describe(): void {
      // The newer process speaks for this identity now.
      if (state.superseded || joined.place === undefined) return
      const { tiers } = joined.place
      catalog.setLocal(localServers(config.mcp, upstreams, store.claims, clock.wall()), descriptor(), (pool) => tiers.hubFacts(pool))
      membership.update(asMember())
      wide.offer()
    }

    async function listenAddresses(): Promise<string[]> {
      const { network } = config
      const remembered = Number(store.meta.get(LISTEN_PORT) ?? 0)
      const wanted = options.listenMovable && remembered > 0 ? withPort(network.listen, remembered) : [...network.listen]
      const settled = await settleListen(wanted, { movable: options.listenMovable })
      if (settled.movedTo !== undefined) {
        logger.warn('the default p2p port is in use; this node moves to a free one and keeps it', { port: settled.movedTo })
        store.meta.set(LISTEN_PORT, String(settled.movedTo))
      }
      return settled.listen
    }

    function tokenAddresses(text: string): readonly string[] {
      try {
        return verifyToken(text, clock.wall()).addresses
      } catch {
        // A token that has expired since it was used still stands in many a configuration file.
        return []
      }
    }
  } catch (error) {
    await lifecycle.stop()
    throw error
  }
}
