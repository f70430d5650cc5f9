import type { Json } from '../../../wire/json-rpc.ts'
import type { ServerIdentity } from '../connection-ports.ts'
import type { Link } from '../link.ts'
import { SkeinError } from '../../../base/errors.ts'
import { isObject } from '../../../base/is-object.ts'
import { VERSIONS_2025 } from '../../../wire/mcp-spec.ts'

/**
 * `initialize`, and after a good answer `notifications/initialized`. Rejects with the link's error, or SKEIN_UPSTREAM_INVALID for a
 * server that refuses (one that speaks only newer revisions, for example) or names a version we do not know.
 */
export async function legacyHandshake(link: Link, ours: { version: string; capabilities: Json }, timeout: number): Promise<ServerIdentity> {
  const answer = await link.request('initialize', { protocolVersion: VERSIONS_2025[0], capabilities: ours.capabilities, clientInfo: { name: 'skein', version: ours.version } }, timeout)
  if ('error' in answer) throw invalid(`refused initialize: ${answer.error.message} (${answer.error.code})`)
  const { protocolVersion, capabilities, serverInfo, instructions } = answer.result
  if (typeof protocolVersion !== 'string' || !VERSIONS_2025.includes(protocolVersion)) {
    throw invalid(`speaks protocol version ${String(protocolVersion).slice(0, 40)}, which this version of skein does not know; known: ${VERSIONS_2025.join(', ')}`)
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
