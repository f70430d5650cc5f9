/** The revision without sessions. */
export const VERSION_2026 = '2026-07-28'

export const VERSIONS_2026 = [VERSION_2026] as const

/** The headers of a request do not say what its body says. */
export const HEADER_MISMATCH = -32020

/** -32022: with the list of revisions that do work, so that clients of several can go on. */
export const UNSUPPORTED_VERSION = -32022

/** Reserved `_meta` keys of requests. */
export const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'
export const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
export const CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
export const LOG_LEVEL = 'io.modelcontextprotocol/logLevel'

/** Reserved `_meta` keys of what we send. */
export const SERVER_INFO = 'io.modelcontextprotocol/serverInfo'
export const SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'
