import { createHash } from 'node:crypto'
import type { AliveStatement, DeadStatement, DigestEntry, LeaveStatement, Sealed, SuspectStatement } from '../wire/swim-types.ts'
import type { Place } from './coordinates/vivaldi.ts'
import type { Suspicion } from './suspicion.ts'
import type { Member, MemberState } from './types.ts'

/** Members and tombstones held; pools have some hundreds of members, above this somebody misbehaves. */
export const MAX_MEMBERS = 4_096
const HASH_BYTES = 16

/** What one member knows of another (or of itself). */
export interface Entry {
  readonly peer: string
  state: MemberState
  incarnation: number
  /** The latest word of the subject; undefined for one that is only known to have left. */
  alive: Sealed<AliveStatement> | undefined
  /** Why it is dead or left; or the word of another that its suspicion has run out there. */
  ending: Sealed<DeadStatement> | Sealed<LeaveStatement> | undefined
  /** The accusations by which it was found dead at once, so that others can follow. */
  proof: readonly Sealed<SuspectStatement>[]
  standing: { tier: string; region: string }
  suspicion: Suspicion | undefined
  /** Of the present incarnation, by accuser. */
  accusations: Map<string, Sealed<SuspectStatement>>
  /** When a dead or left one is forgotten, on the clock. */
  forgetAt: number
  /** When it was last told what it is accused of. */
  toldAt: number
  /** When a newer process of it took the place of another. */
  rebootedAt: number
  /** When all who are linked were last told of its joining. */
  announcedAt: number
  /** Where it said it is, and how far that was; undefined until it has answered a probe itself. */
  place: Place | undefined
  view: Member
}

/** All members by peer id, the own one included. */
export interface Table {
  get(peer: string): Entry | undefined
  add(entry: Entry): void
  remove(peer: string): void
  /** Call after every change of an entry: counts, hash and the public view follow. */
  changed(entry: Entry, now: number): void
  entries(): IterableIterator<Entry>
  readonly size: number
  readonly counts: Readonly<Record<MemberState, number>>
  /** Alive and suspect ones. */
  readonly up: number
  /** The same on two members if they hold the same members up at the same incarnations. 16 bytes. */
  hash(): Uint8Array
  digest(): DigestEntry[]
}

/** A member of which nothing is known yet but its name. */
export function newEntry(peer: string, state: MemberState, incarnation: number): Entry {
  return {
    peer, state, incarnation, alive: undefined, ending: undefined, proof: [], standing: { tier: '', region: '' }, suspicion: undefined, accusations: new Map(),
    forgetAt: Infinity, toldAt: -Infinity, rebootedAt: -Infinity, announcedAt: -Infinity, place: undefined,
    view: { peer, state, incarnation, boot: 0, name: '', version: '', addresses: [], tier: '', region: '', since: -Infinity }
  }
}

/** What convinces others that it is dead or has left: its last word first, for who missed that would not know of what incarnation the rest speaks. */
export function endingOf({ alive, proof, ending }: Entry): Sealed[] {
  return ending === undefined ? [] : [...(alive === undefined ? [] : [alive]), ...proof, ending]
}

/** Alive or suspect: a member. Undefined: none. */
export function isLiving(state: MemberState | undefined): boolean {
  return state === 'alive' || state === 'suspect'
}

/** A member, or one that may come back: not one that has left, nor a peer that is linked for another pool's sake. */
export function isOfPool(entry: Entry | undefined): boolean {
  return entry !== undefined && entry.state !== 'left'
}

export function createTable(): Table {
  const entries = new Map<string, Entry>()
  const counts: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 }
  /** What of each entry is in the counts and in the hash. */
  const noted = new Map<string, { state: MemberState; incarnation: number; hash: Uint8Array | undefined }>()
  const sum = new Uint8Array(HASH_BYTES)

  /** Exclusive or: order does not matter, and taking out is the same as putting in. */
  function mix(hash: Uint8Array | undefined): void {
    if (hash === undefined) return
    for (let index = 0; index < HASH_BYTES; index++) sum[index] = (sum[index] as number) ^ (hash[index] as number)
  }

  function unnote(peer: string): void {
    const before = noted.get(peer)
    if (before === undefined) return
    counts[before.state]--
    mix(before.hash)
    noted.delete(peer)
  }

  return {
    get: (peer) => entries.get(peer),
    add: (entry) => void entries.set(entry.peer, entry),
    remove(peer) {
      unnote(peer)
      entries.delete(peer)
    },
    changed(entry, now) {
      const before = noted.get(entry.peer)
      const up = isLiving(entry.state)
      const hash = !up ? undefined : before?.hash !== undefined && before.incarnation === entry.incarnation ? before.hash : hashOf(entry)
      unnote(entry.peer)
      noted.set(entry.peer, { state: entry.state, incarnation: entry.incarnation, hash })
      counts[entry.state]++
      mix(hash)
      entry.view = viewOf(entry, before?.state === entry.state ? entry.view.since : now)
    },
    entries: () => entries.values(),
    get size() {
      return entries.size
    },
    counts,
    get up() {
      return counts.alive + counts.suspect
    },
    hash: () => sum.slice(),
    digest: () => [...entries.values()].filter((entry) => isLiving(entry.state)).map(({ peer, incarnation }) => ({ peer, incarnation, standing: 'up' }))
  }
}

function hashOf({ peer, incarnation }: Entry): Uint8Array {
  return createHash('sha256').update(`${peer} ${incarnation}`).digest().subarray(0, HASH_BYTES)
}

function viewOf({ peer, state, incarnation, alive, standing }: Entry, since: number): Member {
  const said = alive?.statement
  return {
    peer, state, incarnation, since,
    boot: said?.boot ?? 0, name: said?.name ?? '', version: said?.version ?? '', addresses: said?.addresses ?? [],
    tier: standing.tier, region: standing.region
  }
}
