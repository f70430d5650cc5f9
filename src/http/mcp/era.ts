import type { JsonRpcNotification, JsonRpcRequest } from '../../wire/json-rpc.ts'
import { META_PROTOCOL_VERSION } from '../../wire/mcp-spec.ts'

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
  return typeof meta === 'object' && meta !== null && META_PROTOCOL_VERSION in meta ? 'stateless' : header
}
