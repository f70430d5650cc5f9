import { isObject } from '../../../base/is-object.ts'
import type { Json, JsonRpcError } from '../../../wire/json-rpc.ts'
import { INVALID_PARAMS, isLogLevel, LOG_LEVELS, META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION } from '../../../wire/mcp-spec.ts'
import type { ClientContext } from '../../ports.ts'
import { MAX_NAMED } from '../errors.ts'

export interface Envelope {
  /** As the request names it: not necessarily one that we speak. */
  version: string
  client: ClientContext
}

/** Capabilities a server may ask by; each is an object or absent. */
const CAPABILITIES = ['sampling', 'elicitation', 'roots', 'experimental', 'extensions'] as const

function metaOf(params: Json | undefined): Json | undefined {
  const meta = params?.['_meta']
  return isObject(meta) ? meta : undefined
}

/** Whether a message is of the era without sessions: its `_meta` names a revision, however badly. */
export function claimsRevision(params: Json | undefined): boolean {
  const meta = metaOf(params)
  return meta !== undefined && META_PROTOCOL_VERSION in meta
}

/** What every request of this era says of itself in `_meta`, or a JSON-RPC error that names the key and what is wrong with it. */
export function readEnvelope(params: Json | undefined): Envelope | { error: JsonRpcError } {
  const meta = metaOf(params)
  if (meta === undefined) return wrong('_meta', 'missing')
  const { [META_PROTOCOL_VERSION]: version, [META_CLIENT_CAPABILITIES]: capabilities, [META_CLIENT_INFO]: info, [META_LOG_LEVEL]: logLevel, progressToken } = meta
  if (version === undefined) return wrong(META_PROTOCOL_VERSION, 'missing')
  if (capabilities === undefined) return wrong(META_CLIENT_CAPABILITIES, 'missing')
  if (typeof version !== 'string') return wrong(META_PROTOCOL_VERSION, 'must be a string')
  if (!isObject(capabilities)) return wrong(META_CLIENT_CAPABILITIES, 'must be an object')
  const bad = CAPABILITIES.find((name) => capabilities[name] !== undefined && !isObject(capabilities[name]))
  if (bad !== undefined) return wrong(`${META_CLIENT_CAPABILITIES}.${bad}`, 'must be an object')
  if (info !== undefined && !isInfo(info)) return wrong(META_CLIENT_INFO, 'must be an object with name and version')
  if (logLevel !== undefined && !isLogLevel(logLevel)) return wrong(META_LOG_LEVEL, `must be one of ${LOG_LEVELS.join(', ')}`)
  if (progressToken !== undefined && typeof progressToken !== 'string' && !Number.isSafeInteger(progressToken)) {
    return wrong('progressToken', 'must be a string or an integer')
  }
  const { name, version: clientVersion } = info ?? { name: 'unknown', version: '0' }
  return {
    version,
    client: { session: undefined, clientInfo: { name: name.slice(0, MAX_NAMED), version: clientVersion.slice(0, MAX_NAMED) }, capabilities, logLevel }
  }
}

function wrong(key: string, problem: string): { error: JsonRpcError } {
  return { error: { code: INVALID_PARAMS, message: `The envelope of the request (params._meta) is wrong: ${key} ${problem === 'missing' ? 'is missing' : problem}.`, data: { envelope: { key, problem } } } }
}

function isInfo(value: unknown): value is { name: string; version: string } {
  return isObject(value) && typeof value['name'] === 'string' && typeof value['version'] === 'string'
}
