import type { McpOutcome } from '../ports.ts'
import type { Json } from '../../wire/json-rpc.ts'
import { SkeinError } from '../../base/errors.ts'
import { isObject } from './messages.ts'

/** Newest first: what we offer, and what we accept as an answer of the legacy era (those with `initialize`). */
const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'] as const

/** What a server said about itself. */
export interface ServerIdentity {
  protocolVersion: string
  capabilities: Json
  serverInfo: Json
  instructions: string | undefined
}

export interface HandshakeLink {
  request(method: string, params: Json): Promise<McpOutcome>
  notify(method: string): Promise<void>
}

/** The handshake of the legacy era: `initialize`, then `notifications/initialized`. */
export async function legacyHandshake(link: HandshakeLink, ours: { version: string; capabilities: Json }): Promise<ServerIdentity> {
  const answer = await link.request('initialize', {
    protocolVersion: LEGACY_VERSIONS[0],
    capabilities: ours.capabilities,
    clientInfo: { name: 'skein', version: ours.version }
  })
  if ('error' in answer) throw invalid(`refused initialize: ${answer.error.message} (${answer.error.code})`)
  const { protocolVersion, capabilities, serverInfo, instructions } = answer.result
  if (!(LEGACY_VERSIONS as readonly unknown[]).includes(protocolVersion)) {
    throw invalid(`speaks protocol version ${String(protocolVersion).slice(0, 40)}, which this version of skein does not know; known: ${LEGACY_VERSIONS.join(', ')}`)
  }
  await link.notify('notifications/initialized')
  return {
    protocolVersion: protocolVersion as string,
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: isObject(serverInfo) ? serverInfo : {},
    instructions: typeof instructions === 'string' ? instructions : undefined
  }
}

function invalid(what: string): SkeinError {
  return new SkeinError('SKEIN_UPSTREAM_INVALID', `The server ${what}. Check that it is an MCP server.`)
}
