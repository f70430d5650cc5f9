import { hash } from 'node:crypto'
import { randomInt, type Random } from '../base/random.ts'

/** Ring neighbours on each side: any two members may fail at once and the ring still holds. */
const RING_REACH = 2
/**
 * A full mesh that grew above its size stays one up to this much more, so that a pool at the border does not change its shape
 * with every member that comes and goes.
 */
const HYSTERESIS = 1.1
/** Random neighbours above the wanted number are kept up to this many: log2 N has borders too. */
const SPARE_RANDOM = 1

/**
 * The members with whom a node keeps links and whom it probes: everybody up to `fullMesh` members (self counted), above that
 * two before and two after it in the order of sha256(peer id), which is the same for all and random with respect to site and
 * name, and ceil(log2 N) random ones (the ring alone would need N/4 steps for news; with random links it is about log N).
 */
export interface Neighbourhood {
  /** A member is alive or suspect. Returns true if the neighbours are others now. */
  add(peer: string): boolean
  /** It is neither any more. */
  remove(peer: string): boolean
  /** Alive or suspect members, self excluded. */
  readonly size: number
  /** A new set at each change, never changed afterwards. */
  readonly current: ReadonlySet<string>
}

/** Adding and removing cost O(size) in a mesh and a shift of an array (plus O(log N)) in a ring. */
export function createNeighbourhood(self: string, options: { fullMesh: number; random: Random }): Neighbourhood {
  const { fullMesh, random } = options
  const members = new Set<string>()
  let ring: Ring | undefined
  let randoms = new Set<string>()
  let current = new Set<string>()

  function reshape(): void {
    const count = members.size + 1
    if (ring === undefined && count > fullMesh * HYSTERESIS) ring = createRing(self, members)
    if (ring === undefined || count > fullMesh) return
    ring = undefined
    randoms = new Set()
  }

  function rebuild(): boolean {
    reshape()
    let next = members
    if (ring !== undefined) {
      const near = ring.near()
      randoms = fillRandoms(ring, near, randoms, random)
      next = new Set([...near, ...randoms])
    }
    if (sameSet(next, current)) return false
    current = new Set(next)
    return true
  }

  return {
    add(peer) {
      if (peer === self || members.has(peer)) return false
      members.add(peer)
      ring?.add(peer)
      return rebuild()
    },
    remove(peer) {
      if (!members.delete(peer)) return false
      ring?.remove(peer)
      randoms.delete(peer)
      return rebuild()
    },
    get size() {
      return members.size
    },
    get current() {
      return current
    }
  }
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false
  for (const peer of a) if (!b.has(peer)) return false
  return true
}

function wantedRandoms(others: number): number {
  return Math.ceil(Math.log2(others + 1))
}

/** Keeps the old ones; of too many the oldest go, too few are filled up by chance. */
function fillRandoms(ring: Ring, near: ReadonlySet<string>, old: ReadonlySet<string>, random: Random): Set<string> {
  const wanted = Math.min(wantedRandoms(ring.size), ring.size - near.size)
  const kept = [...old].filter((peer) => !near.has(peer))
  // One that has become a ring neighbour is not forgotten: it may stop being one with the next member that joins.
  const chosen = new Set(kept.length > wanted + SPARE_RANDOM ? kept.slice(-wanted) : old)
  for (let missing = wanted - kept.length; missing > 0; missing--) {
    const start = randomInt(random, ring.size)
    for (let step = 0; step < ring.size; step++) {
      const peer = ring.at(start + step)
      if (near.has(peer) || chosen.has(peer)) continue
      chosen.add(peer)
      break
    }
  }
  return chosen
}

interface Ring {
  add(peer: string): void
  remove(peer: string): void
  /** Those next to self, fewer than four in a tiny ring. */
  near(): Set<string>
  at(index: number): string
  readonly size: number
}

/**
 * Sorted arrays of places and peers: at 1 000 members a shift costs less than the pointers of a tree, and a simulation holds
 * a million entries. A place is six bytes of the hash: as good an order as all of it; equal ones go by peer id.
 */
function createRing(self: string, members: Iterable<string>): Ring {
  const entries = [...members].map((peer) => ({ peer, place: placeOf(peer) }))
  entries.sort((a, b) => a.place - b.place || (a.peer < b.peer ? -1 : 1))
  const places = entries.map(({ place }) => place)
  const peers = entries.map(({ peer }) => peer)

  /** The first index whose entry is not before this peer. */
  function indexOf(peer: string, place: number): number {
    let low = 0
    let high = peers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = places[middle] as number
      if (other < place || (other === place && (peers[middle] as string) < peer)) low = middle + 1
      else high = middle
    }
    return low
  }

  const ownPlace = placeOf(self)
  const at = (index: number) => peers[((index % peers.length) + peers.length) % peers.length] as string
  return {
    add(peer) {
      const place = placeOf(peer)
      const index = indexOf(peer, place)
      places.splice(index, 0, place)
      peers.splice(index, 0, peer)
    },
    remove(peer) {
      const index = indexOf(peer, placeOf(peer))
      if (peers[index] !== peer) return
      places.splice(index, 1)
      peers.splice(index, 1)
    },
    near() {
      const index = indexOf(self, ownPlace)
      const near = new Set<string>()
      for (let step = 0; step < RING_REACH && peers.length > 0; step++) {
        near.add(at(index + step))
        near.add(at(index - 1 - step))
      }
      return near
    },
    at,
    get size() {
      return peers.length
    }
  }
}

function placeOf(peer: string): number {
  return hash('sha256', peer, 'buffer').readUIntBE(0, 6)
}
