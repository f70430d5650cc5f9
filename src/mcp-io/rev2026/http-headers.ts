import type { Json, JsonRpcRequest } from '../../wire/json-rpc.ts'

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'

/** The revision that a request names in its envelope; undefined: one of the older era. */
export function envelopeVersion(request: JsonRpcRequest): string | undefined {
  const version = (request.params?._meta as Json | null | undefined)?.[VERSION_KEY]
  return typeof version === 'string' ? version : undefined
}

/** What a request of this era says in its headers beside `given` (`Mcp-Name`, `Mcp-Param-*`): it must agree with the body. */
export function requestHeaders(request: JsonRpcRequest, version: string, given: Readonly<Record<string, string>>): Record<string, string> {
  return { ...given, 'mcp-protocol-version': version, 'mcp-method': request.method }
}
