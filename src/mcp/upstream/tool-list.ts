import type { Json } from '../../wire/json-rpc.ts'
import type { Logger } from '../../base/logger.ts'
import { fetchList, type Ask } from './pages.ts'

const TOOLS = { method: 'tools/list', member: 'tools', key: 'name' }

/** Entries: ten times what a whole federation is expected to offer. Bytes: as large as one message may be. */
const LIMITS = { entries: 10_000, bytes: 16 * 1024 * 1024 }

/**
 * All tool definitions of a server, as it sent them. What comes after a limit is left out with a warning. Rejects as `fetchList`
 * does: a server whose tools cannot be read does not work.
 */
export async function fetchTools(ask: Ask, logger: Logger): Promise<Json[]> {
  const { entries, cut } = await fetchList(ask, TOOLS, LIMITS, logger)
  if (cut !== undefined) logger.warn('the list of tools is cut', { reason: cut, kept: entries.length })
  return entries
}
