import type { Sealed } from '../wire/swim-types.ts'

/**
 * News to pass on. What was sent least often goes first, then the longest, then the newest (the order of memberlist's queue):
 * fresh news overtakes old, and long items find room while there is some.
 */
export interface BroadcastQueue {
  /**
   * What an alive, leave or dead says replaces everything queued about its subject up to its incarnation; a suspect replaces only one by the same accuser.
   * What is queued already and says more keeps it out. Returns false if another item had to go to make room.
   */
  put(sealed: Sealed): boolean
  /** As many items as fit, each counted as sent once; what has been sent often enough leaves. */
  take(budget: number, maxItems: number): Sealed[]
  /** Forgets all that is queued about this member; with an accuser only what that one accuses it of. */
  drop(subject: string, accuser?: string): void
  /** Items. */
  readonly depth: number
  /** Their bytes, without overhead. */
  readonly bytes: number
}

interface Item {
  readonly sealed: Sealed
  /** Of arrival. */
  readonly number: number
  sent: number
}

/** The CBOR head of a byte string of up to 65535 bytes. */
const OVERHEAD = 3

/** The place of what is said of a subject as a whole; suspicions stand beside it under their accuser. No peer id is empty. */
const STANDING = ''

/**
 * `limit`: how often each item is sent: asked when an item is sent, as it changes with the number of members. `maxItems`: the bound; when full,
 * the item sent most often goes. `overhead`: bytes of framing for each item.
 */
export function createBroadcastQueue(o: { limit: () => number; maxItems: number; overhead?: number }): BroadcastQueue {
  const overhead = o.overhead ?? OVERHEAD
  const subjects = new Map<string, Map<string, Item>>()
  /** By how often they were sent; each longest first, then newest. Only as many as the limit, so a few. */
  const tiers: Item[][] = []
  let depth = 0
  let bytes = 0
  let count = 0

  const length = (item: Item) => item.sealed.bytes.length

  /** The first place in a tier that belongs behind: shorter, or as long and older. */
  const placeIn = (tier: readonly Item[], size: number, number: number) => {
    let low = 0
    let high = tier.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = tier[middle] as Item
      const before = length(other) - size || other.number - number
      if (before > 0) low = middle + 1
      else high = middle
    }
    return low
  }

  const insert = (item: Item) => {
    while (tiers.length <= item.sent) tiers.push([])
    const tier = tiers[item.sent] as Item[]
    tier.splice(placeIn(tier, length(item), item.number), 0, item)
  }

  const uproot = (item: Item) => {
    const tier = tiers[item.sent] as Item[]
    tier.splice(placeIn(tier, length(item), item.number), 1)
  }

  const slotOf = ({ statement }: Sealed) => (statement.kind === 'suspect' ? statement.accuser : STANDING)

  /** It has left its tier already. */
  const forget = (item: Item) => {
    const { subject } = item.sealed.statement
    const about = subjects.get(subject)
    about?.delete(slotOf(item.sealed))
    if (about?.size === 0) subjects.delete(subject)
    depth--
    bytes -= length(item)
  }

  const remove = (item: Item) => {
    uproot(item)
    forget(item)
  }

  const isOutdated = ({ statement }: Sealed, about: Map<string, Item>) => {
    const standing = about.get(STANDING)?.sealed.statement
    const same = statement.kind === 'suspect' ? about.get(statement.accuser)?.sealed.statement : undefined
    if (same !== undefined && same.incarnation > statement.incarnation) return true
    if (standing === undefined) return false
    if (standing.incarnation !== statement.incarnation) return standing.incarnation > statement.incarnation
    return statement.kind === 'suspect' && standing.kind !== 'alive'
  }

  const clearFor = ({ statement }: Sealed, about: Map<string, Item>) => {
    for (const [slot, item] of about) {
      const covers = statement.kind === 'suspect' ? slot === statement.accuser : item.sealed.statement.incarnation <= statement.incarnation
      if (covers) remove(item)
    }
  }

  const makeRoom = () => {
    let dropped = false
    for (let sent = tiers.length - 1; sent >= 0 && depth >= o.maxItems; sent--) {
      const tier = tiers[sent] as Item[]
      while (tier.length > 0 && depth >= o.maxItems) {
        forget(tier.pop() as Item)
        dropped = true
      }
    }
    return dropped
  }

  return {
    put(sealed) {
      const { subject } = sealed.statement
      const about = subjects.get(subject)
      if (about !== undefined) {
        if (isOutdated(sealed, about)) return true
        clearFor(sealed, about)
      }
      const dropped = makeRoom()
      const item = { sealed, number: count++, sent: 0 }
      const slots = subjects.get(subject) ?? new Map<string, Item>()
      slots.set(slotOf(sealed), item)
      subjects.set(subject, slots)
      depth++
      bytes += sealed.bytes.length
      insert(item)
      return !dropped
    },
    take(budget, maxItems) {
      if (depth === 0) return []
      const taken: Item[] = []
      let room = budget
      for (const tier of tiers) {
        // Infinity: in front of all that are exactly as long as the room.
        let place = placeIn(tier, room - overhead, Infinity)
        while (place < tier.length && taken.length < maxItems) {
          const item = tier.splice(place, 1)[0] as Item
          taken.push(item)
          room -= length(item) + overhead
          place = Math.max(place, placeIn(tier, room - overhead, Infinity))
        }
        if (taken.length >= maxItems) break
      }
      const limit = o.limit()
      for (const item of taken) {
        item.sent++
        if (item.sent >= limit) forget(item)
        else insert(item)
      }
      return taken.map((item) => item.sealed)
    },
    drop(subject, accuser) {
      for (const [slot, item] of subjects.get(subject) ?? []) if (accuser === undefined || slot === accuser) remove(item)
    },
    get depth() {
      return depth
    },
    get bytes() {
      return bytes
    }
  }
}
