import { isObject } from '../../../base/is-object.ts'
import type { ViewLists } from '../../ports.ts'
import type { Json, JsonRpcError } from '../../../wire/json-rpc.ts'
import { INVALID_PARAMS, VERSIONS_2025 } from '../../../wire/mcp-spec.ts'
import { announced } from '../capabilities.ts'

export interface Hello {
  clientInfo: { name: string; version: string }
  capabilities: Json
  /** The revision both sides speak from now on. */
  version: string
}

/** Longer names are somebody else's data in our logs. */
const MAX_INFO = 128

const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value.slice(0, MAX_INFO) : otherwise)

/** Reads the params of `initialize`; a JSON-RPC error if they are not an initialize of 2025-11-25 or older. */
export function readInitialize(params: Json | undefined): Hello | JsonRpcError {
  if (params === undefined || typeof params['protocolVersion'] !== 'string') {
    return { code: INVALID_PARAMS, message: 'initialize needs params.protocolVersion, such as "2025-11-25".' }
  }
  const { clientInfo, capabilities, protocolVersion } = params
  if (capabilities !== undefined && !isObject(capabilities)) return { code: INVALID_PARAMS, message: 'params.capabilities of initialize must be an object.' }
  const info = isObject(clientInfo) ? clientInfo : {}
  return {
    clientInfo: { name: text(info['name'], 'unknown'), version: text(info['version'], '0') },
    // A capability that is no object says nothing that a server could rely on.
    capabilities: Object.fromEntries(Object.entries(isObject(capabilities) ? capabilities : {}).filter(([, value]) => isObject(value))),
    version: negotiateVersion(protocolVersion)
  }
}

/** The answer to `initialize`; without lists (the view has just gone) tools are announced, which may come back. */
export function initializeResult(hello: Hello, lists: ViewLists | undefined, version: string): Json {
  return {
    protocolVersion: hello.version,
    capabilities: lists === undefined ? { tools: { listChanged: true } } : announced(lists),
    serverInfo: { name: 'skein', version },
    ...(lists?.instructions === undefined ? {} : { instructions: lists.instructions })
  }
}

/** The client's revision if we speak it, else our newest: the client then decides whether to go on. */
function negotiateVersion(requested: string): string {
  return VERSIONS_2025.includes(requested) ? requested : (VERSIONS_2025[0] as string)
}
