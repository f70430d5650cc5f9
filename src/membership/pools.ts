import { createHash } from 'node:crypto'
import { createListeners } from '../base/listeners.ts'
import { seededRandom } from '../base/random.ts'
import { createPeerKeys } from '../wire/swim-peers.ts'
import { poolOf } from '../wire/swim-pool.ts'
import { createAway } from './away.ts'
import { createBudgets } from './budget.ts'
import { createVivaldi } from './coordinates/vivaldi.ts'
import { createMembership, type Membership } from './driver.ts'
import { createMemberLog } from './log.ts'
import { createMerger, merged } from './merger.ts'
import { createMembershipMetrics } from './metrics.ts'
import { createNetworkShare } from './network-share.ts'
import type { PoolMembers, PoolMembersDeps, PoolMembersOptions, SupersededBy } from './pools-types.ts'
import type { MembershipShared } from './ports.ts'
import { createRefusals } from './refusals.ts'
import type { SwimStats } from './swim.ts'
import { isLiving } from './table.ts'
import type { Counted, LocalMember, Member, MemberEvent } from './types.ts'

export type { PoolMembers, PoolMembersDeps, PoolMembersOptions } from './pools-types.ts'

/** Stalls noticed within this time by several machines are one, ms: they wake one after another. */
const ONE_STALL = 250

/** Runs one membership machine for each pool of this node (protocols/swim.md, "Pools"). */
export function createPoolMembers(deps: PoolMembersDeps, options: PoolMembersOptions): PoolMembers {
  const { clock } = deps
  const { self, federation, profile, fullMesh } = options
  const logger = deps.logger.child({ area: 'membership' })
  const machines = new Map<string, Membership>()
  /** Every link, for pools that are entered later. */
  const links = new Map<string, { address: string; dialled: boolean }>()
  const budgets = createBudgets()
  const peers = createPeerKeys()
  const metrics = createMembershipMetrics(deps.meter, () => stats())
  const refusals = createRefusals({ logger, metrics, nameOf: (peer) => member(peer)?.name })
  // Of its own chance, which need not be secret: directions only have to differ from member to member.
  const vivaldi = createVivaldi(seededRandom(createHash('sha256').update(self).digest().readUInt32BE()))
  const shared: MembershipShared = { budgets, peers, refusals, vivaldi, metrics: { ...metrics, counted } }
  const log = createMemberLog(logger, (peer) => member(peer))
  const merger = createMerger({ self, clock, isKnown: (peer) => member(peer) !== undefined })
  const network = createNetworkShare(deps.network, { livesBut, keep: (peer) => deps.keep?.(peer) ?? false })
  const eventListeners = createListeners<[MemberEvent]>(logger, 'a listener of the membership')
  const poolListeners = createListeners<[string, MemberEvent]>(logger, 'a listener of the membership')
  const supersededListeners = createListeners<[SupersededBy]>(logger, 'a listener of the membership')
  const away = createAway({ clock, logger, seal: deps.seal, network: deps.network, peers }, { self, federation })
  let life: { local: LocalMember; boot: number } | undefined
  let silent = false
  let stalledAt = -Infinity

  /** The process stands still for all pools at once. */
  function counted(what: Counted, value: number | undefined): void {
    if (what === 'stall') {
      const known = clock.now() - stalledAt < ONE_STALL
      stalledAt = clock.now()
      if (known) return
    }
    metrics.counted(what, value)
  }

  /** @param now in a step with several events a machine is ahead of each but the last: this is how it saw the member at one of them */
  function viewsOf(peer: string, now?: { pool: string; member: Member }): Member[] {
    const views: Member[] = []
    for (const [pool, machine] of machines) {
      const view = pool === now?.pool ? now.member : machine.member(peer)
      if (view !== undefined) views.push(view)
    }
    return views
  }

  function member(peer: string, pool?: string): Member | undefined {
    return pool === undefined ? merged(viewsOf(peer)) : machines.get(pool)?.member(peer)
  }

  function members(pool?: string): Member[] {
    const [only] = machines.values()
    if (pool !== undefined) return machines.get(pool)?.members() ?? []
    if (machines.size <= 1) return only?.members() ?? []
    const known = new Map<string, Member[]>()
    for (const machine of machines.values()) {
      for (const view of machine.members()) {
        const views = known.get(view.peer)
        if (views === undefined) known.set(view.peer, [view])
        else views.push(view)
      }
    }
    return [...known.values()].map((views) => merged(views) as Member)
  }

  /** Whether another pool has it alive or suspect. */
  function livesBut(pool: string | undefined, peer: string): boolean {
    for (const [other, machine] of machines) if (other !== pool && isLiving(machine.member(peer)?.state)) return true
    return false
  }

  function tell(event: MemberEvent): void {
    if (event.type === 'failed') metrics.failures.inc()
    log.event(event)
    eventListeners.tell(event)
  }

  function open(pool: string, through: readonly string[] | undefined): void {
    const machine = createMembership(
      { ...deps, seal: deps.seal(pool), network: network.of(pool), shared },
      { self, scope: { federation, pool }, profile, ...(fullMesh === undefined ? {} : { fullMesh }) }
    )
    machines.set(pool, machine)
    machine.onEvent((event) => {
      if (machines.get(pool) !== machine) return
      poolListeners.tell(pool, event)
      const joint = merger.changed(event.member.peer, viewsOf(event.member.peer, { pool, member: event.member }), event)
      if (joint !== undefined) tell(joint)
    })
    machine.onSuperseded((by) => {
      if (machines.get(pool) === machine) fallSilent(by)
    })
    for (const [peer, at] of links) machine.linkUp(peer, { ...at, ...(through === undefined || through.includes(peer) ? {} : { quiet: true }) })
    begin(pool, machine)
  }

  function begin(pool: string, machine: Membership): void {
    if (life === undefined) return
    const above = away.lastWord(pool)
    machine.start(life.local, life.boot, above === undefined ? {} : { above })
    merger.changed(self, viewsOf(self))
  }

  function fallSilent(by: SupersededBy): void {
    if (silent) return
    silent = true
    for (const machine of machines.values()) machine.stop()
    log.superseded(by)
    supersededListeners.tell(by)
  }

  /** Forgets a pool; who was known only there is gone. */
  function drop(pool: string, machine: Membership): void {
    const known = machine.members()
    machines.delete(pool)
    const own = machine.member(self)
    if (own !== undefined) away.left(pool, own.incarnation)
    for (const { peer } of known) {
      const joint = merger.changed(peer, viewsOf(peer))
      // People are told in one line that the pool was left.
      if (joint !== undefined) eventListeners.tell(joint)
    }
    logger.info('this node has left a pool', { pool, members: known.filter(({ peer, state }) => peer !== self && isLiving(state)).length })
  }

  function stats(pool?: string): SwimStats {
    const all = pool === undefined ? [...machines.values()] : [machines.get(pool)].filter((machine) => machine !== undefined)
    const each = all.map((machine) => machine.stats())
    const sum = (of: (one: SwimStats) => number) => each.reduce((total, one) => total + of(one), 0)
    const counts = { alive: 0, suspect: 0, dead: 0, left: 0 }
    for (const { state } of members(pool)) counts[state]++
    const linked = pool === undefined ? links.size : [...links.keys()].filter((peer) => isLiving(machines.get(pool)?.member(peer)?.state)).length
    return {
      health: Math.max(0, ...each.map(({ health }) => health)),
      queued: sum(({ queued }) => queued), queuedBytes: sum(({ queuedBytes }) => queuedBytes), suspicions: sum(({ suspicions }) => suspicions), probes: sum(({ probes }) => probes),
      members: counts, links: linked, coordinateError: vivaldi.own.error
    }
  }

  return {
    start(local, boot) {
      life = { local, boot }
      away.started(boot)
      for (const [pool, machine] of machines) begin(pool, machine)
    },
    update(local) {
      if (life !== undefined) life.local = local
      for (const machine of machines.values()) machine.update(local)
    },
    enter(pool, { through } = {}) {
      if (machines.has(pool) || silent) return
      open(pool, through)
    },
    async leave(pool) {
      const machine = machines.get(pool)
      if (machine === undefined) return
      // Those who were dialled after their death, too: nobody else closes that link any more.
      const linked = machine.members().filter(({ peer }) => links.has(peer))
      const gone = machine.leave()
      drop(pool, machine)
      await gone
      machine.stop()
      // Entered again meanwhile: whom it needs there it does not know yet.
      if (silent || machines.has(pool)) return
      for (const { peer } of linked) network.closeUnless(peer)
    },
    expel(peer) {
      for (const machine of machines.values()) machine.expel(peer)
    },
    async leaveAll() {
      await Promise.all([...machines.values()].map((machine) => machine.leave()))
    },
    stop() {
      silent = true
      for (const machine of machines.values()) machine.stop()
    },
    linkUp(peer, at) {
      links.set(peer, at)
      for (const machine of machines.values()) machine.linkUp(peer, at)
    },
    linkDown(peer, how) {
      links.delete(peer)
      for (const machine of machines.values()) machine.linkDown(peer, how)
    },
    received(peer, message) {
      const pool = poolOf(message)
      // What names no pool is looked at by any machine, which says what is wrong with it.
      const machine = pool === undefined ? machines.values().next().value : machines.get(pool)
      if (machine !== undefined) return machine.received(peer, message)
      const verdict = budgets.message(peer, message.length, clock.now())
      if (verdict !== 'read') refusals.refuse(peer, undefined, 'flood')
      else if (pool === undefined) refusals.refuse(peer, undefined, 'malformed')
      else {
        metrics.rejected('elsewhere')
        if (!silent) away.heard(peer, pool, message)
      }
      return verdict !== 'flood'
    },
    pools: () => [...machines.keys()],
    members,
    member,
    poolsOf: (peer) => [...machines].flatMap(([pool, machine]) => (isLiving(machine.member(peer)?.state) ? [pool] : [])),
    predicted(peer) {
      for (const machine of machines.values()) {
        const rtt = machine.predicted(peer)
        if (rtt !== undefined) return rtt
      }
      return undefined
    },
    stats,
    onEvent: (listener) => eventListeners.add(listener),
    onPoolEvent: (listener) => poolListeners.add(listener),
    onSuperseded: (listener) => supersededListeners.add(listener)
  }
}
