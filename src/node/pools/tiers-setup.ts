import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { Config } from '../../config/types.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import { createQuorum } from '../../federation/quorum/driver.ts'
import type { Quorum } from '../../federation/quorum/driver-types.ts'
import type { QuorumStore } from '../../federation/quorum/ports.ts'
import { createSummary, type Summary } from '../../federation/summary/driver.ts'
import { createTiers } from '../../federation/tiers/driver.ts'
import type { HomeStore, KnownHubs, TierMethod } from '../../federation/tiers/ports.ts'
import type { Tiers } from '../../federation/tiers/types.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Host } from '../../net/host.ts'
import type { FrameNetwork } from '../../net/member-network.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import type { Rpc } from '../../rpc/types.ts'
import { openCredential, openIssuerCertificate, type CredentialBundle } from '../../wire/admission-documents.ts'
import type { Signer } from '../../wire/envelope.ts'
import { peerIdOfKey } from '../../wire/peer-id.ts'
import { METHOD, ROOT_POOL } from '../../wire/protocols.ts'
import { createStrangerLinks } from '../distant/stranger-links.ts'
import { wantsStrangers } from '../distant/strangers.ts'
import { linkSummary } from '../distant/summary-links.ts'
import { createBans, type Bans } from './bans.ts'
import { createFederationSettings, type FederationSettings } from './federation-settings.ts'
import { createPools } from './pools.ts'
import { createQuorumRules } from './quorum-rules.ts'
import { tierNotice } from './tier-notice.ts'

const TIER_METHODS: Record<TierMethod, number> = { attach: METHOD.TIER_ATTACH, topology: METHOD.TIER_TOPOLOGY }
const QUORUM_METHODS = [METHOD.QUORUM_PREPARE, METHOD.QUORUM_ACCEPT, METHOD.QUORUM_LEARN, METHOD.QUORUM_FORWARD]
const SUMMARY_METHODS = [METHOD.SUMMARY_SYNC, METHOD.SUMMARY_CHANGED, METHOD.SUMMARY_RESOLVE, METHOD.SUMMARY_SEARCH]
/** For a connection to a hub that is asked for a place, ms. */
const CONNECT_WITHIN = 5_000

export interface TiersSetup {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  signer: Signer
  config: Config
  self: string
  federation: string
  credential: CredentialBundle
  host: Host
  rpc: Rpc
  reach: Reach
  network: Pick<FrameNetwork, 'dial'>
  /** Connections, by peer. */
  links: ReadonlyMap<string, { dialled: boolean }>
  /** Calls beyond the pools of this node want the connection with this peer. */
  keeps(peer: string): boolean
  members: PoolMembers
  catalog: CatalogDriver
  store: { quorum: QuorumStore; hubs: KnownHubs; home: HomeStore }
  /** `catalog.max_tools`, or what the federation decided. */
  maxTools(): number
  draining(): boolean
  /** What the node says about itself has changed. */
  describe(): void
}

export interface TierParts {
  tiers: Tiers
  quorum: Quorum
  summary: Summary
  settings: FederationSettings
  bans: Bans
  /** Peer id of the federation's founder, who issues all credentials. */
  founder: string
  /** Any pool of this node has a hub, or it is to be one itself. */
  isTiered(): boolean
  /** What is wrong with the tier of this node, for its status. */
  notice(): string | undefined
  start(): Promise<void>
  /** Gives leases back, while there are still sessions; then everything stands still. */
  stop(): Promise<void>
  /** Votes, renews and resigns no more, at once and for good: another process speaks for this identity, and what it has promised is not known here. */
  standDown(): void
}

/** Place in the tree, votes, and what is offered beyond the own pools: the three parts of federation/ that need each other, joined to sessions and members. */
export function setUpTiers(setup: TiersSetup): TierParts {
  const { clock, random, meter, logger, config, self, federation, host, rpc, reach, network, members, catalog, store } = setup
  const area = (name: string) => logger.child({ area: name })
  const founder = peerIdOfKey(openIssuerCertificate(setup.credential.certificate).document.issuer)
  const over = (open: Pick<Rpc, 'call'> | Pick<Reach, 'call'>) => async (peer: string, method: number, body: Uint8Array, options: { timeout: number; signal: AbortSignal }) =>
    (await open.call(peer, method, body, options)).body
  const viaReach = over(reach)
  const rtt = (peer: string) => reach.path(peer)?.rtt ?? members.predicted(peer)

  const rules = createQuorumRules({
    founder, group: (pool) => quorum.group(pool), isBanned: (peer) => settings.isBanned(peer), tierOf: (peer) => members.member(peer)?.tier, tiers: () => tiers
  })
  const quorum: Quorum = createQuorum(
    { clock, random, meter, logger: area('quorum'), store: store.quorum, signer: setup.signer, call: viaReach, ...rules },
    { self, federation }
  )
  const settings = createFederationSettings(quorum.learned(ROOT_POOL, { genesis: [founder] }), { logger: area('quorum') })
  const bans = createBans(
    { clock, meter, logger: area('bans'), settings, expel: (peer) => members.expel(peer), abandon: (peer) => host.abandon(peer), nameOf: (peer) => members.member(peer)?.name ?? '' },
    { self }
  )
  const summary = createSummary(
    { clock, random, meter, logger: area('summary'), call: viaReach, records: offering, rtt, way: (peer) => reach.path(peer) },
    { self, maxTools: setup.maxTools() }
  )
  const pools = createPools({ members, catalog, quorum, self, founder, threshold: config.consensus.threshold, describe: setup.describe })
  const { coordinates, hubTier, id, region } = config.node
  const { maxRegionalHubs, maxChildHubs, maxClusters, parent } = config.federation
  const tiers = createTiers(
    {
      clock, random, meter, logger, members, catalog, quorum, rtt, pools, connect,
      // A place is asked of whoever is connected, the tree of members, to whom there may only be a way around.
      ask: (peer, method, body, options) => over(method === 'attach' ? rpc : reach)(peer, TIER_METHODS[method], body, options),
      peers: () => rpc.sessions().map(({ peer }) => peer),
      addresses: () => host.addresses(),
      hubs: store.hubs,
      home: store.home,
      load: () => Math.min(1, rpc.running / config.rpc.maxInFlight),
      setting: (name) => settings.setting(name),
      complete: (pool) => summary.complete(pool),
      disowned: (pool) => summary.disowned(pool),
      draining: setup.draining
    },
    {
      self, name: id, founder, tier: hubTier, region, limits: { maxRegionalHubs, maxChildHubs, maxClusters },
      ...(coordinates === undefined ? {} : { coordinates }),
      ...(parent === undefined ? {} : { parent })
    }
  )

  /** Records of a pool whose servers can be called now. */
  function offering(pool: string) {
    const live = catalog.live(pool)
    return catalog.records(pool).filter(({ peer, draining }) => (peer === self || live.has(peer)) && !draining)
  }

  /** Resolves with a session; the connection alone is not enough to ask anything. */
  async function connect(peer: string, addresses: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    if (rpc.session(peer) !== undefined) return
    const up = Promise.withResolvers<void>()
    const stop = rpc.onSession((event) => event.type === 'up' && event.peer === peer && up.resolve())
    const timer = clock.after(CONNECT_WITHIN, () => up.reject(new SkeinError('SKEIN_DEADLINE', `no session with ${peer} within ${CONNECT_WITHIN} ms`)))
    const onAbort = () => up.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      signal.throwIfAborted()
      const dialled = network.dial(peer, addresses, { timeout: CONNECT_WITHIN, signal })
      await Promise.all([dialled, up.promise])
    } finally {
      up.promise.catch(() => {})
      timer.cancel()
      stop()
      signal.removeEventListener('abort', onAbort)
    }
  }

  function follow(): void {
    const edges = tiers.edges()
    summary.setEdges({ ...edges, pools: members.pools() })
    const { up } = edges
    const children = edges.hubOf.filter(({ pool }) => pool !== ROOT_POOL).flatMap(({ children: below }) => below.map(({ peer }) => peer))
    // What the whole federation decides travels down the tree.
    quorum.setAudience(ROOT_POOL, children)
    if (!members.pools().includes(ROOT_POOL)) quorum.setMembers(ROOT_POOL, up === undefined ? [] : [up.peer])
    tellCatalog()
    setup.describe()
  }

  const isTiered = () => config.node.hubTier !== 'leaf' || tiers.state().pools.some(({ hub }) => hub !== undefined)
  const strangers = createStrangerLinks({
    clock, logger: area('net'), links: setup.links,
    session: (peer) => rpc.session(peer),
    disconnect: (peer) => host.disconnect(peer),
    // Relays that this node is reached through may belong to other pools.
    isNeeded: (peer) => members.poolsOf(peer).length > 0 || tiers.wants(peer) || setup.keeps(peer) || host.paths()?.relays.includes(peer) === true,
    isSettled: () => tiers.state().seeking === undefined && !wantsStrangers(members, self, isTiered)
  })
  const notice = () => tierNotice(hubTier, openCredential(setup.credential.credential).document.tier, { founder: founder === self })

  type Answer = (method: number, body: Uint8Array, from: string, options: { signal: AbortSignal }) => Promise<Uint8Array>
  const answers: [readonly number[], Answer][] = [
    [QUORUM_METHODS, (method, body, from) => quorum.answer(method, body, from)],
    [SUMMARY_METHODS, (method, body, from) => summary.answer(method, body, from)],
    [[METHOD.TIER_ATTACH], (_, body, from) => tiers.answer('attach', body, from)],
    [[METHOD.TIER_TOPOLOGY], (_, body, from, options) => tiers.answer('topology', body, from, options)]
  ]
  for (const [methods, answer] of answers) {
    for (const method of methods) {
      rpc.handle(method, (exchange) => {
        const cancelled = new AbortController()
        exchange.onCancel((reason) => cancelled.abort(reason))
        answer(method, exchange.body, exchange.peer, { signal: cancelled.signal }).then(
          (body) => exchange.end(body),
          (error: unknown) => exchange.fail(toSkeinError(error))
        )
      })
    }
  }
  rpc.onSession(({ type, peer }) => {
    if (type !== 'up') return
    tiers.peerUp(peer)
    quorum.peerUp(peer)
  })
  tiers.onChange(follow)
  catalog.onChange(() => tiers.catalogChanged())
  const tellCatalog = linkSummary({ catalog, summary, up: () => tiers.edges().up?.peer })
  settings.onChange(({ banned, unbanned }) => {
    if (banned !== undefined || unbanned !== undefined) return
    summary.setMaxTools(setup.maxTools())
    tellCatalog()
    // Room for children is told in the own record.
    setup.describe()
  })

  let stoodDown = false
  return {
    tiers, quorum, summary, settings, bans,
    founder, isTiered, notice,
    async start() {
      if (stoodDown) return
      const wrong = notice()
      if (wrong !== undefined) logger.warn(wrong)
      quorum.start()
      summary.start()
      await tiers.start()
      follow()
      strangers.start()
    },
    standDown() {
      stoodDown = true
      // First: with no votes there is nothing to resign.
      quorum.stop()
      void tiers.stop()
    },
    async stop() {
      strangers.stop()
      await tiers.stop()
      bans.stop()
      summary.stop()
      quorum.stop()
    }
  }
}
