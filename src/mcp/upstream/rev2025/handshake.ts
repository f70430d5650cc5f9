import type { Json } from '../../../wire/json-rpc.ts'
import type { ServerIdentity } from '../connection-ports.ts'
import type { Link } from '../link.ts'
import { SkeinError } from '../../../base/errors.ts'
import { isObject } from '../messages.ts'

/** Newest first: what we offer, and what we accept as an answer of the legacy era (those with `initialize`). */
export const LEGACY_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07']

/**
 * `initialize`, and after a good answer `notifications/initialized`. Rejects with the link's error, or SKEIN_UPSTREAM_INVALID for a
 * server that refuses (one that speaks only newer revisions, for example) or names a version we do not know.
 */
export async function legacyHandshake(link: Link, ours: { version: string; capabilities: Json }, timeout: number): Promise<ServerIdentity> {
  const answer = await link.request('initialize', { protocolVersion: LEGACY_VERSIONS[0], capabilities: ours.capabilities, clientInfo: { name: 'skein', version: ours.version } }, timeout)
  if ('error' in answer) throw invalid(`refused initialize: ${answer.error.message} (${answer.error.code})`)
  const { protocolVersion, capabilities, serverInfo, instructions } = answer.result
  if (typeof protocolVersion !== 'string' || !LEGACY_VERSIONS.includes(protocolVersion)) {
    throw invalid(`speaks protocol version ${String(protocolVersion).slice(0, 40)}, which this version of skein does not know; known: ${LEGACY_VERSIONS.join(', ')}`)
  }
  link.notify('notifications/initialized')
  return {
    protocolVersion,
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: isObject(serverInfo) ? serverInfo : {},
    instructions: typeof instructions === 'string' ? instructions : undefined
  }
}

function invalid(what: string): SkeinError {
  return new SkeinError('SKEIN_UPSTREAM_INVALID', `The server ${what}. Check that it is an MCP server.`)
}
