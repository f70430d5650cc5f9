import type { HubFacts } from './catalog-types.ts'
import type { Fields } from './cbor.ts'

/** As of node records: a pool's id is a peer id, or `root`. */
const MAX_POOL = 64
/** Far more than any hub takes. */
const MAX_COUNT = 100_000
/** The load travels in quarters, for documents of ours have no floats. */
const QUARTERS = 4

export const TIERS = ['global', 'regional', 'local', 'leaf'] as const

/** The map `hub` of a node record (protocols/catalog.md). */
export function encodeHub({ pool, tier, token, children, hubRoom, leafRoom, load }: HubFacts): Record<string, unknown> {
  return { pool, tier, token, children, hubs: hubRoom, leaves: leafRoom, load: Math.round(Math.min(1, Math.max(0, load)) * QUARTERS) }
}

/** Throws SKEIN_PROTOCOL naming the field that is wrong. */
export function readHub(map: Fields): HubFacts {
  const count = (name: string) => map.int(name, { max: MAX_COUNT })
  return {
    pool: map.string('pool', { max: MAX_POOL }),
    tier: map.oneOf('tier', TIERS),
    token: map.int('token'),
    children: count('children'),
    hubRoom: count('hubs'),
    leafRoom: count('leaves'),
    load: map.int('load', { max: QUARTERS }) / QUARTERS
  }
}
