import type { JsonRpcNotification, JsonRpcRequest } from '../../wire/json-rpc.ts'

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'

/** How a client speaks: with sessions (2025-11-25 and older) or without (2026-07-28). `unknown`: it names a revision we do not have. */
export type Era = 'sessions' | 'stateless' | 'unknown'

export interface Revisions {
  readonly versions: readonly string[]
  readonly statelessVersions: readonly string[]
}

/** What the header MCP-Protocol-Version says; clients of the first revision with sessions send none. */
export function eraOfHeader(version: string | undefined, known: Revisions): Era {
  if (version === undefined || known.versions.includes(version)) return 'sessions'
  return known.statelessVersions.includes(version) ? 'stateless' : 'unknown'
}

/**
 * Requests and notifications of the stateless era name their revision in `_meta` too, and the body counts: proxies lose headers.
 * Whether both agree is that era's own rule.
 */
export function eraOfMessage(message: JsonRpcRequest | JsonRpcNotification, header: Era): Era {
  const meta = message.params?.['_meta']
  return typeof meta === 'object' && meta !== null && VERSION_KEY in meta ? 'stateless' : header
}

/** The first revision whose clients take an event without data: earlier ones fail on it (SEP-1699). */
const PRIMED_SINCE = '2025-11-25'

/** Whether event streams of POSTs begin with an event that has an id only, so that a client can come back before anything was sent. */
export function isPrimed(version: string | undefined): boolean {
  return version !== undefined && version >= PRIMED_SINCE
}
