import type { ServerIdentity } from '../connection-ports.ts'
import type { Link } from '../link.ts'
import type { Answer } from '../messages.ts'
import { isObject } from '../../../base/is-object.ts'
import { META_SERVER_INFO, UNSUPPORTED_VERSION, VERSION_2026 } from '../../../wire/mcp-spec.ts'
import { ownEnvelope } from './envelope.ts'

/** What `server/discover` told: the server speaks this era, or perhaps another one, of these versions if it named any. */
export type Discovered = { identity: ServerIdentity } | { versions: readonly string[] }

/** `server/discover`, which servers that speak only older revisions answer with some error. Rejects with the link's error. */
export async function discover(link: Link, ours: { version: string }, timeout: number): Promise<Discovered> {
  const params = { _meta: ownEnvelope(ours.version) }
  const ask = () => link.request('server/discover', params, timeout)
  let answer = await ask()
  // Refused with the version we asked in among those it speaks: a server that is asked to choose again.
  if ('error' in answer && versionsIn(answer).includes(VERSION_2026)) answer = await ask()
  const versions = versionsIn(answer)
  return 'result' in answer && versions.includes(VERSION_2026) ? { identity: identityOf(answer.result) } : { versions }
}

/** The versions a server lists, none if it does not know the question. */
function versionsIn(answer: Answer): string[] {
  const list = 'result' in answer ? answer.result.supportedVersions : answer.error.code === UNSUPPORTED_VERSION && isObject(answer.error.data) ? answer.error.data.supported : undefined
  return Array.isArray(list) ? list.filter((version) => typeof version === 'string') : []
}

function identityOf(result: Record<string, unknown>): ServerIdentity {
  const meta = isObject(result._meta) ? result._meta : {}
  return {
    protocolVersion: VERSION_2026,
    capabilities: isObject(result.capabilities) ? result.capabilities : {},
    serverInfo: isObject(meta[META_SERVER_INFO]) ? meta[META_SERVER_INFO] : {},
    instructions: typeof result.instructions === 'string' ? result.instructions : undefined
  }
}
