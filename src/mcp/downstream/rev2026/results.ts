import type { Json, Outcome } from '../../../wire/json-rpc.ts'
import { announced } from '../capabilities.ts'
import type { ViewLists } from '../../ports.ts'
import { SERVER_INFO, VERSIONS_2026 } from './versions.ts'

/**
 * How long a client may keep our own lists without asking, ms. We hear of changes within seconds and tell those who listen; this
 * is for those who do not.
 */
const TTL = 5_000

/** Lists differ between views and may differ between clients one day: no cache in between may share them. */
const CACHE = `"ttlMs":${TTL},"cacheScope":"private"`

/** An outcome with the `resultType` that this era's clients look for; text of older servers gets it in front. */
export function withType(outcome: Outcome): Outcome {
  if ('error' in outcome) return outcome
  if ('raw' in outcome) return outcome.typed ? outcome : { raw: typedText(outcome.raw), typed: true }
  return outcome.result['resultType'] === undefined ? { result: { ...outcome.result, resultType: 'complete' } } : outcome
}

function typedText(raw: string): string {
  const rest = raw.slice(1)
  return /^\s*\}$/.test(rest.slice(0, 64)) ? '{"resultType":"complete"}' : `{"resultType":"complete",${rest}`
}

/** A page of one of our own lists; `members` as `pageText` gives them. */
export function listResult(members: string): Outcome {
  return { raw: `{"resultType":"complete",${members},${CACHE}}`, typed: true }
}

export function discoverResult(lists: ViewLists, version: string): Json {
  return {
    resultType: 'complete',
    supportedVersions: [...VERSIONS_2026],
    capabilities: announced(lists),
    ...(lists.instructions === undefined ? {} : { instructions: lists.instructions }),
    ttlMs: TTL,
    cacheScope: 'private',
    _meta: serverInfo(version)
  }
}

/** Where this era's servers say who they are. */
export function serverInfo(version: string): Json {
  return { [SERVER_INFO]: { name: 'skein', version } }
}
