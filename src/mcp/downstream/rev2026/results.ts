import type { Json, Outcome } from '../../../wire/json-rpc.ts'
import { META_SERVER_INFO, VERSIONS_2026 } from '../../../wire/mcp-spec.ts'
import { announced } from '../capabilities.ts'
import type { ViewLists } from '../../ports.ts'

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

const QUOTE = 0x22

function typedText(raw: string): string {
  // Whatever comes first after the brace and white space: a member, or the end.
  const first = raw.charCodeAt(1) === QUOTE ? '"' : /[^\s{]/.exec(raw)?.[0]
  return first === '}' ? '{"resultType":"complete"}' : `{"resultType":"complete",${raw.slice(1)}`
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
  return { [META_SERVER_INFO]: { name: 'skein', version } }
}
