import type { McpOutcome } from '../../ports.ts'
import type { Json, JsonRpcError } from '../../../wire/json-rpc.ts'
import { negotiateVersion, UNSUPPORTED_VERSION, VERSIONS_2025 } from './versions.ts'

export interface Hello {
  clientInfo: { name: string; version: string }
  capabilities: Json
  /** The revision both sides speak from now on. */
  version: string
}

/** Longer names are somebody else's data in our logs. */
const MAX_INFO = 128

const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value.slice(0, MAX_INFO) : otherwise)

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads the params of `initialize`; a JSON-RPC error if they are not an initialize of 2025-11-25 or older. */
export function readInitialize(params: Json | undefined): Hello | JsonRpcError {
  if (params === undefined || typeof params['protocolVersion'] !== 'string') {
    return { code: -32602, message: 'initialize needs params.protocolVersion, such as "2025-11-25".' }
  }
  const { clientInfo, capabilities, protocolVersion } = params
  if (capabilities !== undefined && !isObject(capabilities)) return { code: -32602, message: 'params.capabilities of initialize must be an object.' }
  const info = isObject(clientInfo) ? clientInfo : {}
  return {
    clientInfo: { name: text(info['name'], 'unknown'), version: text(info['version'], '0') },
    capabilities: isObject(capabilities) ? capabilities : {},
    version: negotiateVersion(protocolVersion)
  }
}

/** The answer to `initialize`. `announced` is what the backend has beside tools. */
export function initializeResult(hello: Hello, announced: Json, version: string): Json {
  const capabilities: Json = { ...announced, tools: { listChanged: true } }
  // tasks/* would need a home for the task between two requests; refused until there is one, so never announced.
  delete capabilities['tasks']
  return { protocolVersion: hello.version, capabilities, serverInfo: { name: 'skein', version } }
}

/** The answer to the modern era's probe: speak a revision of this list, by initialize. */
export function discoverAnswer(params: Json | undefined): McpOutcome {
  const meta = isObject(params?.['_meta']) ? params['_meta'] : {}
  const requested = meta['io.modelcontextprotocol/protocolVersion']
  return {
    error: {
      code: UNSUPPORTED_VERSION,
      message: 'This endpoint speaks revisions 2025-11-25 and older: start with initialize.',
      data: { supported: [...VERSIONS_2025], ...(typeof requested === 'string' ? { requested } : {}) }
    }
  }
}
