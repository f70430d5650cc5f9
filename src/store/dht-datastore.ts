import { MemoryDatastore } from 'datastore-core'
import type { Datastore, Key, Pair, Query } from 'interface-datastore'

/** Names kept for others, some 200 bytes each … */
export const MAX_KEPT = 8_192
/** … of which those of one member, so that it cannot push out what others have published: twice what a node publishes, for those of before its last change stay for a while. */
export const MAX_KEPT_PER_MEMBER = 1_024

interface Limits {
  max: number
  maxPerOwner: number
}

/**
 * What the DHT keeps for others: in memory, for whoever published it does so again, and with a bound; libp2p's own datastore holds the
 * peers that this node knows, which a member with many names would push out of it. The oldest go.
 */
export function createDhtDatastore(limits: Limits = { max: MAX_KEPT, maxPerOwner: MAX_KEPT_PER_MEMBER }): Datastore {
  return new BoundedDatastore(limits)
}

/** `/…/provider/<key>/<peer id>` is the peer's; values belong to nobody in particular. */
function ownerOf(name: string): string {
  return /\/provider\/[^/]+\/([^/]+)$/.exec(name)?.[1] ?? ''
}

/** A class only because the library's is one. */
class BoundedDatastore extends MemoryDatastore {
  readonly #limits: Limits
  readonly #all = new Map<string, Key>()
  readonly #byOwner = new Map<string, Set<string>>()

  constructor(limits: Limits) {
    super()
    this.#limits = limits
  }

  override put(key: Key, value: Uint8Array): ReturnType<MemoryDatastore['put']> {
    const name = key.toString()
    const owner = ownerOf(name)
    const owned = this.#byOwner.get(owner) ?? new Set()
    if (!this.#all.has(name)) {
      const leaving = owned.size >= this.#limits.maxPerOwner ? first(owned) : this.#all.size >= this.#limits.max ? first(this.#all.keys()) : undefined
      if (leaving !== undefined) void this.delete(this.#all.get(leaving) as Key)
    }
    // Written again, it is the newest.
    owned.delete(name)
    owned.add(name)
    this.#byOwner.set(owner, owned)
    this.#all.delete(name)
    this.#all.set(name, key)
    return super.put(key, value)
  }

  /** Asked for the providers of one name: the library's would make a key of every entry. */
  override *_all({ prefix = '' }: Query): Generator<Pair> {
    for (const [name, key] of this.#all) if (name.startsWith(prefix)) yield { key, value: this.get(key) as Uint8Array }
  }

  override delete(key: Key): ReturnType<MemoryDatastore['delete']> {
    const name = key.toString()
    const owner = ownerOf(name)
    const owned = this.#byOwner.get(owner)
    owned?.delete(name)
    if (owned?.size === 0) this.#byOwner.delete(owner)
    this.#all.delete(name)
    return super.delete(key)
  }
}

function first(names: Iterable<string>): string | undefined {
  for (const name of names) return name
  return undefined
}
