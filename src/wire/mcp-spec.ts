/** Names and numbers that the MCP specification fixes, as far as more than one part of a node has to know them. */

/** The two families of revisions: with `initialize` and sessions (2025-11-25 and older), and without (2026-07-28). */
export type Era = '2025' | '2026'

/** Revisions with `initialize` and sessions, newest first: what we offer, and what we accept as an answer. */
export const VERSIONS_2025: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07']

/** The revision without sessions. */
export const VERSION_2026 = '2026-07-28'
export const VERSIONS_2026: readonly string[] = [VERSION_2026]

/** JSON-RPC. */
export const PARSE_ERROR = -32700
export const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601
export const INVALID_PARAMS = -32602
export const INTERNAL_ERROR = -32603
/** What servers of the SDK use for anything of their own. */
export const SERVER_ERROR = -32000

/** The headers of a request do not say what its body says. Like the next two of revision 2026-07-28. */
export const HEADER_MISMATCH = -32020
/** The client did not declare what the call needs: `data.requiredCapabilities`. */
export const MISSING_CAPABILITY = -32021
/** With the list of revisions that do work (`data.supported`), so that clients of several can go on. */
export const UNSUPPORTED_VERSION = -32022

/** Keys in `_meta` of requests of revision 2026-07-28; they belong to one leg of the way. */
export const META_PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'
export const META_CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
export const META_CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
export const META_LOG_LEVEL = 'io.modelcontextprotocol/logLevel'
/** The same of what servers send. */
export const META_SERVER_INFO = 'io.modelcontextprotocol/serverInfo'
export const META_SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'

/** From most to least verbose. */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export function isLogLevel(value: unknown): value is LogLevel {
  return LOG_LEVELS.includes(value as LogLevel)
}
