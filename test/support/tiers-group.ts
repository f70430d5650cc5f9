import { SkeinError } from '../../src/base/errors.ts'
import type { TierDecided, TierGroup } from '../../src/federation/tiers/ports.ts'
import type { Tier } from '../../src/wire/admission-documents.ts'

type Voters = { version: number; peers: readonly string[]; settled: boolean }
type Row = { version: number; data: Uint8Array | undefined; at: number }

/** What a voter keeps on disk. */
export interface Desk {
  voters: Voters
  rows: Map<string, Row>
}

export interface GroupWorld {
  now(): number
  /** Calls `fn` at this process after a way there and back. */
  later(fn: () => void): void
  /** The desk of `voter`, if this process and that one reach each other now. */
  desk(voter: string): { desk: Desk; permits(key: string, current: TierDecided | undefined, next: TierDecided, age: number): true | string; tell(): void } | undefined
  /** Others of the pool that this process reaches. */
  others(): readonly string[]
}

export function newDesk(genesis: string): Desk {
  return { voters: { version: 0, peers: [genesis], settled: true }, rows: new Map() }
}

/**
 * A register with compare-and-set over voters, as QuorumGroup promises it, without its messages: a change happens at one moment, at those
 * voters that the proposer reaches then. Written before the real one; a simulation with that one is K's.
 */
export function createFakeGroup(pool: string, tier: Tier, own: Desk, world: GroupWorld): TierGroup & { tell(): void } {
  const listeners = new Set<(decided: TierDecided) => void>()
  const told = new Map<string, number>()
  const decided = (key: string, row: Row): TierDecided => ({ key, version: row.version, data: row.data })

  function tell(): void {
    for (const [key, row] of own.rows) {
      if (row.version <= (told.get(key) ?? 0)) continue
      told.set(key, row.version)
      for (const listener of listeners) listener(decided(key, row))
    }
  }

  function majority(): { desks: NonNullable<ReturnType<GroupWorld['desk']>>[]; needed: number } {
    const desks = own.voters.peers.flatMap((voter) => world.desk(voter) ?? [])
    for (const { desk } of desks) if (desk.voters.version > own.voters.version) own.voters = desk.voters
    return { desks, needed: Math.floor(own.voters.peers.length / 2) + 1 }
  }

  function attempt(key: string, expect: number, data: Uint8Array | undefined): TierDecided {
    const { desks, needed } = majority()
    if (desks.length < needed) throw new SkeinError('SKEIN_NO_QUORUM', 'no quorum')
    const newest = desks.map(({ desk }) => desk.rows.get(key)).reduce((a, b) => ((b?.version ?? 0) > (a?.version ?? 0) ? b : a), undefined)
    if (newest !== undefined && newest.version > (own.rows.get(key)?.version ?? 0)) {
      own.rows.set(key, { ...newest, at: world.now() })
      tell()
    }
    if ((newest?.version ?? 0) !== expect) throw new SkeinError('SKEIN_CONFLICT', 'another change came first')
    const next: Row = { version: expect + 1, data, at: world.now() }
    const current = newest === undefined ? undefined : decided(key, newest)
    const age = (desk: Desk) => {
      const row = desk.rows.get(key)
      return row?.version === newest?.version ? world.now() - (row?.at ?? 0) : 0
    }
    const willing = desks.filter(({ desk, permits }) => permits(key, current, decided(key, next), age(desk)) === true)
    if (willing.length < needed) throw new SkeinError('SKEIN_CONFLICT', 'the voters do not permit it')
    for (const { desk, tell: tellOther } of willing) {
      desk.rows.set(key, { ...next })
      tellOther()
    }
    own.rows.set(key, { ...next })
    tell()
    return decided(key, next)
  }

  const soon = <T>(work: () => T) => new Promise<T>((resolve, reject) => {
    world.later(() => {
      try {
        const result = work()
        world.later(() => resolve(result))
      } catch (error) {
        world.later(() => reject(error as Error))
      }
    })
  })

  return {
    pool,
    tier,
    voters: () => own.voters,
    known(key) {
      const row = own.rows.get(key)
      return row === undefined ? undefined : decided(key, row)
    },
    read: (key) =>
      soon(() => {
        const { desks, needed } = majority()
        if (desks.length < needed) throw new SkeinError('SKEIN_NO_QUORUM', 'no quorum')
        const newest = desks.map(({ desk }) => desk.rows.get(key)).reduce((a, b) => ((b?.version ?? 0) > (a?.version ?? 0) ? b : a), undefined)
        return newest === undefined ? undefined : decided(key, newest)
      }),
    change: (key, { expect, data }) => soon(() => attempt(key, expect, data)),
    changeVoters: (peers) =>
      soon(() => {
        const { desks, needed } = majority()
        const newDesks = peers.flatMap((voter) => world.desk(voter) ?? [])
        if (desks.length < needed || newDesks.length < Math.floor(peers.length / 2) + 1) throw new SkeinError('SKEIN_NO_QUORUM', 'no quorum')
        if (Math.abs(peers.length - own.voters.peers.length) !== 1) throw new SkeinError('SKEIN_CONFLICT', 'one at a time')
        for (const { desk } of desks) for (const [key, row] of desk.rows) if (row.version > (own.rows.get(key)?.version ?? 0)) own.rows.set(key, { ...row, at: world.now() })
        const voters = { version: own.voters.version + 1, peers, settled: true }
        for (const { desk, tell: tellOther } of [...desks, ...newDesks]) {
          desk.voters = voters
          for (const [key, row] of own.rows) if (row.version > (desk.rows.get(key)?.version ?? 0)) desk.rows.set(key, { ...row, at: world.now() })
          tellOther()
        }
        own.voters = voters
      }),
    wouldVote: (peer) => soon(() => world.desk(peer) !== undefined),
    onDecided(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tell
  }
}
