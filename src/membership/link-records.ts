import { hostOf, withoutPeer } from './address-host.ts'
import type { MemberState } from './types.ts'

/** Hosts and dialled addresses remembered per peer; the oldest go. More than a machine has interfaces in use, and a roaming member's old ones end. */
const MAX_SEEN = 8

/** What is remembered about one peer with a link, or one member. */
export interface LinkRecord {
  /** Undefined for a peer that is linked and no member. */
  state: MemberState | undefined
  /** Advertised. */
  addresses: readonly string[]
  /** Since when there is a link. */
  up: number | undefined
  /** It was linked or dead before: dialled at the slower pace. */
  again: boolean
  /** Dials that failed since one succeeded for good. */
  failures: number
  /** When the count of failures was last forgiven, for a sign of life or new addresses. */
  forgivenAt: number
  /** Where its links were; left out until it had one (a pool of 1 000 has few links and many members). */
  seen: { /** At the other end. */ hosts: string[]; /** Dialled with success. */ dialled: string[] } | undefined
}

export interface LinkRecords {
  get(peer: string): LinkRecord | undefined
  /** The record of a member, made if there is none. */
  open(peer: string): LinkRecord
  forget(peer: string): void
  up(peer: string, at: { address: string; dialled: boolean; /** The only address of the dial, if there was one. */ only: string | undefined }, now: number): void
  down(peer: string): void
  linked(): readonly string[]
  direct(peer: string): readonly string[]
}

/** Bounded by the members and the links, each of which is bounded elsewhere. */
export function createLinkRecords(): LinkRecords {
  const records = new Map<string, LinkRecord>()
  const up = new Set<string>()
  let linked: readonly string[] | undefined

  function open(peer: string): LinkRecord {
    let record = records.get(peer)
    if (record === undefined) {
      record = { state: undefined, addresses: [], up: undefined, again: false, failures: 0, forgivenAt: -Infinity, seen: undefined }
      records.set(peer, record)
    }
    return record
  }

  return {
    get: (peer) => records.get(peer),
    open,
    forget(peer) {
      const record = records.get(peer)
      if (record === undefined) return
      record.state = undefined
      record.addresses = []
      if (record.up === undefined) records.delete(peer)
    },
    up(peer, { address, dialled, only }, now) {
      const record = open(peer)
      record.up ??= now
      if (!up.has(peer)) linked = undefined
      up.add(peer)
      const seen = (record.seen ??= { hosts: [], dialled: [] })
      const host = hostOf(address)
      if (host !== undefined) remember(seen.hosts, host)
      if (dialled) remember(seen.dialled, withoutPeer(address))
      // Where a name was dialled, the link shows the number behind it.
      if (only !== undefined) remember(seen.dialled, withoutPeer(only))
    },
    down(peer) {
      const record = records.get(peer)
      if (record?.up === undefined) return
      record.up = undefined
      up.delete(peer)
      linked = undefined
      if (record.state === undefined) records.delete(peer)
    },
    linked() {
      linked ??= [...up]
      return linked
    },
    direct(peer) {
      const { seen, addresses = [] } = records.get(peer) ?? {}
      if (seen === undefined) return []
      return addresses.filter((address) => {
        const host = hostOf(address)
        return host !== undefined && (seen.hosts.includes(host) || seen.dialled.includes(withoutPeer(address)))
      })
    }
  }
}

function remember(list: string[], value: string): void {
  const place = list.indexOf(value)
  if (place >= 0) list.splice(place, 1)
  list.push(value)
  if (list.length > MAX_SEEN) list.shift()
}
