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
  /** Entries beyond this are refused unless a stale one can go. @default 50 for discovered ones */
  maxPeers: number
  /** An entry that no source has named for this long may be dropped, ms. */
  staleAfter: number
  /** Backoff after a failed dial, ms. */
  backoff: { base: number; cap: number }
}

/** Addresses per peer: interfaces of one machine; more would only slow a dial down. */
const MAX_ADDRESSES = 8

/**
 * Who could be dialled, and when: entries from all sources, merged by peer id, freshest first, bounded, with a jittered
 * backoff each. Pure: time comes as an argument.
 */
export function createAddressBook(options: AddressBookOptions, random: Random) {
  const entries = new Map<string, BookEntry>()

  function makeRoom(now: number): boolean {
    if (entries.size < options.maxPeers) return true
    const stale = [...entries.values()].filter((entry) => now - entry.seen > options.staleAfter)
    const oldest = stale.toSorted((a, b) => a.seen - b.seen)[0]
    return oldest !== undefined && entries.delete(oldest.key)
  }

  function add(candidate: Candidate, source: string, now: number): boolean {
    const key = candidate.peer ?? candidate.address
    let entry = entries.get(key)
    if (entry === undefined) {
      if (!makeRoom(now)) return false
      entry = { key, peer: candidate.peer, addresses: [], source, seen: now, attempts: 0, notBefore: now, lastError: undefined }
      entries.set(key, entry)
    }
    entry.seen = now
    if (!entry.addresses.includes(candidate.address)) entry.addresses = [candidate.address, ...entry.addresses].slice(0, MAX_ADDRESSES)
    return true
  }

  return {
    add,
    /** Replaces what is known of a peer by what it says about itself; a dial with new addresses need not wait. */
    learn(peer: string, addresses: readonly string[], source: string, now: number): void {
      if (addresses.length === 0) return
      const fresh = addresses.slice(0, MAX_ADDRESSES)
      if (!add({ peer, address: fresh[0] as string }, source, now)) return
      const entry = entries.get(peer) as BookEntry
      if (fresh.join() !== entry.addresses.join()) {
        entry.addresses = fresh
        entry.notBefore = now
      }
    },
    /** Entries that may be dialled now, freshest first. */
    due(now: number): BookEntry[] {
      return [...entries.values()].filter((entry) => entry.notBefore <= now).toSorted((a, b) => b.seen - a.seen || a.attempts - b.attempts)
    },
    succeeded(entry: BookEntry, peer: string, now: number): void {
      entries.delete(entry.key)
      const known = entries.get(peer)
      const addresses = [...new Set([...(known?.addresses ?? []), ...entry.addresses])].slice(0, MAX_ADDRESSES)
      entries.set(peer, { ...entry, key: peer, peer, addresses, attempts: 0, notBefore: now, lastError: undefined })
    },
    failed(entry: BookEntry, error: string, now: number): void {
      entry.lastError = error
      entry.notBefore = now + backoffDelay(entry.attempts++, options.backoff, random)
    },
    get: (peer: string) => entries.get(peer),
    entries: () => [...entries.values()],
    remove: (key: string) => entries.delete(key)
  }
}

export type AddressBook = ReturnType<typeof createAddressBook>
