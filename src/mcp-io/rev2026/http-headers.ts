import type { Json, JsonRpcRequest } from '../../wire/json-rpc.ts'
import { META_PROTOCOL_VERSION } from '../../wire/mcp-spec.ts'

/** The revision that a request names in its envelope; undefined: one of the older era. */
export function envelopeVersion(request: JsonRpcRequest): string | undefined {
  const version = (request.params?._meta as Json | null | undefined)?.[META_PROTOCOL_VERSION]
  return typeof version === 'string' ? version : undefined
}

/** The headers of a request of this era: `given` (`Mcp-Name`, `Mcp-Param-*`), and what the message itself says. All must agree with the body. */
export function requestHeaders(request: JsonRpcRequest, version: string, given: Readonly<Record<string, string>>): Record<string, string> {
  return { ...given, 'mcp-protocol-version': version, 'mcp-method': request.method }
}
