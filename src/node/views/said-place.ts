import type { NodeRecord } from '../../wire/catalog-types.ts'

interface Place {
  tier: string
  region: string
}

/**
 * Tier and region as people are shown them: what the node says in its record, that is its `node.hub_tier` and `node.region`. Its credential has what was
 * written into its token, often nothing: that is for where there is no record.
 */
export function saidPlace(record: Pick<NodeRecord, 'tier' | 'region'> | undefined, credential: Place | undefined): Place {
  return { tier: record?.tier ?? credential?.tier ?? '', region: record?.region || (credential?.region ?? '') }
}
