import type { Json } from '../../../wire/json-rpc.ts'
import type { ClientContext } from '../../ports.ts'
import { isObject } from '../../../base/is-object.ts'
import { META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION, VERSION_2026 } from '../../../wire/mcp-spec.ts'
import { withoutTasks } from '../announced.ts'
import { withoutReserved } from '../messages.ts'

/** `_meta` of requests of our own, such as `tools/list`. */
export function ownEnvelope(version: string): Json {
  return { [META_PROTOCOL_VERSION]: VERSION_2026, [META_CLIENT_INFO]: { name: 'skein', version }, [META_CLIENT_CAPABILITIES]: {} }
}

/** A client's params with what this era wants in `_meta`; all else in it stays. */
export function withEnvelope(params: Json, { clientInfo, capabilities, logLevel }: ClientContext): Json {
  const _meta: Json = {
    ...(isObject(params._meta) ? withoutReserved(params._meta) : undefined),
    [META_PROTOCOL_VERSION]: VERSION_2026,
    [META_CLIENT_INFO]: clientInfo,
    [META_CLIENT_CAPABILITIES]: withoutTasks(capabilities)
  }
  if (logLevel !== undefined) _meta[META_LOG_LEVEL] = logLevel === 'default' ? 'info' : logLevel
  return { ...params, _meta }
}
