import { decodeQuorumRequest, encodeQuorumAnswer } from '../../wire/quorum.ts'
import { errorMessage, SkeinError } from '../../base/errors.ts'
import { createListeners, type Listeners } from '../../base/listeners.ts'
import type { Quorum, QuorumGroup, QuorumLearned } from './driver-types.ts'
import { createGroupDriver, type GroupDriver } from './group-driver.ts'
import { createQuorumMetrics } from './metrics.ts'
import type { QuorumDeps, StoredRow } from './ports.ts'
import { lostRow } from './rows.ts'
import type { Certificate } from '../../wire/quorum-types.ts'
import { createVoteSeal } from './seal.ts'
import type { Decided } from './types.ts'

export type { Quorum, QuorumGroup, QuorumLearned } from './driver-types.ts'

/** Pools at one node: its home, those above whose hub it is, and what it learns of root. */
const MAX_GROUPS = 16

export interface QuorumOptions {
  /** Own peer id. */
  self: string
  federation: string
}

/** The quorum groups of one node (protocols/quorum.md): one for each pool it is in, and what it learns of those it is not in. */
export function createQuorum(deps: QuorumDeps, options: QuorumOptions): Quorum {
  const metrics = createQuorumMetrics(deps.meter)
  const seal = deps.seal ?? createVoteSeal(deps.signer)
  const open = new Map<string, GroupDriver>()
  /** Groups of pools this node is not in: they only learn. */
  const observed = new Map<string, GroupDriver>()
  const listeners = new Map<string, Listeners<[Decided]>>()
  /** With their first voters, [] where they are not known. */
  const followed = new Map<string, readonly string[]>()
  const members = new Map<string, readonly string[]>()
  const audience = new Map<string, readonly string[]>()
  let stopped = false

  metrics.onCollect(({ running, damaged, registers }) => {
    const all = [...open.values()]
    const sum = (count: (driver: GroupDriver) => number) => all.reduce((total, driver) => total + count(driver), 0)
    running(sum(({ machine }) => machine.proposals().filter(({ ended }) => ended === undefined).length))
    damaged(sum(({ machine }) => machine.status().damaged.length))
    registers(sum(({ machine }) => machine.all().length))
  })

  function make(pool: string, how: Pick<Parameters<typeof createGroupDriver>[1], 'genesis' | 'tier' | 'threshold' | 'rows' | 'known' | 'isObserver'>): GroupDriver {
    if (stopped) throw new SkeinError('SKEIN_GOAWAY', 'this node is stopping: ask another one')
    if (open.size + observed.size >= MAX_GROUPS) throw new SkeinError('SKEIN_LIMIT', `this node is in ${MAX_GROUPS} pools already: leave one first`)
    const driver = createGroupDriver(deps, { ...options, pool, seal, metrics, ...how })
    driver.group.onDecided((decided) => listeners.get(pool)?.tell(decided))
    driver.setMembers(members.get(pool) ?? [])
    driver.setAudience(audience.get(pool) ?? [])
    return driver
  }

  /** Its rows are loaded too: what this node voted there before it left must never be forgotten. */
  function observe(pool: string): GroupDriver {
    const found = open.get(pool) ?? observed.get(pool)
    if (found !== undefined) return found
    return observeWith(pool, [])
  }

  function observeWith(pool: string, known: readonly Certificate[]): GroupDriver {
    const made = make(pool, { genesis: followed.get(pool) ?? [], tier: 'global', rows: readable(pool), known, isObserver: true })
    observed.set(pool, made)
    return made
  }

  /** Who only follows a pool needs no rows; without them it gives no vote there. */
  function readable(pool: string): StoredRow[] {
    try {
      return deps.store.load(pool)
    } catch (error) {
      deps.logger.error('what this node has voted in a pool cannot be read: it does not vote there', { pool, error: errorMessage(error) })
      return [lostRow()]
    }
  }

  function drop(from: Map<string, GroupDriver>, pool: string): void {
    from.get(pool)?.close()
    from.delete(pool)
  }

  const current = (pool: string) => open.get(pool) ?? observed.get(pool)

  function hasVote(pool: string): boolean {
    const followedHere = observed.get(pool)
    if (followedHere !== undefined) return followedHere.group.voters().peers.includes(options.self)
    const driver = make(pool, { genesis: [], tier: 'global', rows: readable(pool), known: [], isObserver: true })
    driver.close()
    return driver.group.voters().peers.includes(options.self)
  }

  return {
    open(pool, { genesis, tier, threshold }): QuorumGroup {
      const found = open.get(pool)
      if (found !== undefined) return found.group
      const known = observed.get(pool)?.machine.certificates()
      const rows = deps.store.load(pool)
      drop(observed, pool)
      const driver = make(pool, { genesis, tier, threshold, known, rows })
      open.set(pool, driver)
      return driver.group
    },
    close(pool) {
      const known = open.get(pool)?.machine.certificates()
      drop(open, pool)
      // Somebody follows it still, from below now.
      if (known !== undefined && followed.has(pool)) observeWith(pool, known)
      else if (!observed.has(pool)) {
        members.delete(pool)
        audience.delete(pool)
      }
    },
    group: (pool) => open.get(pool)?.group,
    votesIn: () => deps.store.pools().filter((pool) => !open.has(pool) && hasVote(pool)),
    groups: () => [...open.values()].map(({ group }) => group),
    setMembers(pool, peers) {
      members.set(pool, peers)
      current(pool)?.setMembers(peers)
    },
    setAudience(pool, peers) {
      audience.set(pool, peers)
      current(pool)?.setAudience(peers)
    },
    peerUp(peer) {
      for (const driver of [...open.values(), ...observed.values()]) driver.peerUp(peer)
    },
    async answer(method, body, from) {
      const request = decodeQuorumRequest(method, body)
      const driver = current(request.pool)
      if (driver === undefined) return encodeQuorumAnswer({ kind: 'refused', reason: 'closed', why: 'this node is not in that pool' })
      return driver.answer(request, from)
    },
    learned(pool, { genesis } = { genesis: followed.get(pool) ?? [] }): QuorumLearned {
      followed.set(pool, genesis)
      if (!stopped) observe(pool)
      return {
        pool,
        // Still answers, with nothing, when the node has stopped.
        voters: () => current(pool)?.group.voters() ?? { version: 0, peers: [], settled: true },
        known: (key) => current(pool)?.group.known(key),
        all: () => current(pool)?.group.all() ?? [],
        proposals: () => current(pool)?.group.proposals() ?? [],
        onDecided(listener) {
          const mine = listeners.get(pool) ?? createListeners<[Decided]>(deps.logger, 'a listener of the quorum')
          listeners.set(pool, mine)
          return mine.add(listener)
        }
      }
    },
    async change(pool, key, change, options) {
      return observe(pool).group.change(key, change, options)
    },
    start() {
      stopped = false
    },
    stop() {
      stopped = true
      for (const pool of open.keys()) drop(open, pool)
      for (const pool of observed.keys()) drop(observed, pool)
    }
  }
}
