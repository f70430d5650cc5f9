import { backoffDelay } from '../../base/backoff.ts'
import type { Random } from '../../base/random.ts'
import type { Candidate } from './ports.ts'

export interface BookEntry {
  /** Peer id, or the address itself while the id is not known. */
  key: string
  peer: string | undefined
  addresses: string[]
  source: string
  /** When a source last named it, ms. */
  seen: number
  attempts: number
  /** No dial before this moment, ms. */
  notBefore: number
  lastError: string | undefined
}

export interface AddressBookOptions {
  /** Entries beyond this are refused unless a stale or failing one can go. @default 50 for discovered ones */
  maxPeers: number
  /** An entry that no source has named for this long may be dropped, ms. */
  staleAfter: number
  /** Backoff after a failed dial, ms. */
  backoff: { base: number; cap: number }
  /** Peers that somebody else keeps in touch with: they get no entry. @default nobody */
  isMember?: (peer: string) => boolean
}

/** Addresses per peer: interfaces of one machine; more would only slow a dial down. */
const MAX_ADDRESSES = 8
/** An entry that failed this often gives way to a newcomer, or else a list of dead addresses would keep living peers out. */
const GIVES_WAY_AFTER = 5

/**
 * Who could be dialled, and when: entries from all sources, merged by peer id, freshest first, bounded, with a jittered
 * backoff each. Pure: time comes as an argument.
 */
export function createAddressBook(options: AddressBookOptions, random: Random) {
  const { isMember = () => false } = options
  const entries = new Map<string, BookEntry>()
  /** Who answered at an address that came without a peer id: or else each look at its source would dial it anew. */
  const answered = new Map<string, string>()

  function makeRoom(now: number): boolean {
    if (entries.size < options.maxPeers) return true
    const leaving = [...entries.values()].filter((entry) => now - entry.seen > options.staleAfter || entry.attempts >= GIVES_WAY_AFTER)
    const oldest = leaving.toSorted((a, b) => a.seen - b.seen || b.attempts - a.attempts)[0]
    return oldest !== undefined && entries.delete(oldest.key)
  }

  /** The candidate's entry; undefined for a member, and if there is no room. */
  function add(candidate: Candidate, source: string, now: number): BookEntry | undefined {
    const known = answered.get(candidate.address) ?? ''
    if (isMember(candidate.peer ?? known)) return undefined
    const key = candidate.peer ?? (entries.has(known) ? known : candidate.address)
    let entry = entries.get(key)
    if (entry === undefined) {
      if (!makeRoom(now)) return undefined
      entry = { key, peer: candidate.peer, addresses: [], source, seen: now, attempts: 0, notBefore: now, lastError: undefined }
      entries.set(key, entry)
    }
    entry.seen = now
    if (!entry.addresses.includes(candidate.address)) entry.addresses = [candidate.address, ...entry.addresses].slice(0, MAX_ADDRESSES)
    return entry
  }

  return {
    add,
    /** Entries that may be dialled now, freshest first. */
    due(now: number): BookEntry[] {
      return [...entries.values()].filter((entry) => entry.notBefore <= now).toSorted((a, b) => b.seen - a.seen || a.attempts - b.attempts)
    },
    succeeded(entry: BookEntry, peer: string, now: number): void {
      entries.delete(entry.key)
      const known = entries.get(peer)
      const addresses = [...new Set([...(known?.addresses ?? []), ...entry.addresses])].slice(0, MAX_ADDRESSES)
      // A peer that takes us and hangs up must not be dialled at full speed for ever.
      entries.set(peer, { ...entry, key: peer, peer, addresses, attempts: 0, notBefore: now + options.backoff.base, lastError: undefined })
      if (entry.peer !== undefined) return
      answered.delete(entry.key)
      answered.set(entry.key, peer)
      if (answered.size > options.maxPeers) answered.delete(answered.keys().next().value as string)
    },
    failed(entry: BookEntry, error: string, now: number): void {
      // Perhaps somebody else lives there now: the address alone is tried again.
      for (const [address, peer] of answered) if (peer === entry.key) answered.delete(address)
      entry.lastError = error
      entry.notBefore = now + backoffDelay(entry.attempts++, options.backoff, random)
    },
    /** Drops the entries of peers that have become members. */
    forgetMembers(): void {
      for (const [key, { peer }] of entries) if (peer !== undefined && isMember(peer)) entries.delete(key)
    },
    get: (peer: string) => entries.get(peer),
    entries: () => [...entries.values()],
    remove: (key: string) => entries.delete(key)
  }
}
