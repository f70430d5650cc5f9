import type { McpOutcome } from '../ports.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { Logger } from '../../base/logger.ts'
import { SkeinError } from '../../base/errors.ts'
import { isObject, METHOD_NOT_FOUND } from './messages.ts'

/** Far over any real server; a cursor that never ends must end here. */
const MAX_PAGES = 100
/** Ten times what a whole federation is expected to offer. */
const MAX_TOOLS = 10_000
/** As large as one message may be. */
const MAX_CHARS = 16 * 1024 * 1024
const PAGE_TIMEOUT = 20_000

/**
 * All tool definitions of a server. One that is not an object or has no name, or a name seen before, is left out with a warning, and
 * so is what comes after a limit. Rejects with the link's error, or SKEIN_UPSTREAM_INVALID for an answer that is no list.
 */
export async function fetchTools(request: (method: string, params: Json, timeout: number) => Promise<McpOutcome>, logger: Logger): Promise<Json[]> {
  const tools = new Map<string, Json>()
  const cursors = new Set<string>()
  let cursor: string | undefined
  let chars = 0
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await request('tools/list', cursor === undefined ? {} : { cursor }, PAGE_TIMEOUT)
    if ('error' in answer) {
      if (answer.error.code === METHOD_NOT_FOUND) return []
      throw new SkeinError('SKEIN_UPSTREAM_INVALID', `The server refused tools/list: ${answer.error.message} (${answer.error.code}).`)
    }
    if (!Array.isArray(answer.result.tools)) throw new SkeinError('SKEIN_UPSTREAM_INVALID', 'The server answered tools/list without a list of tools.')
    for (const definition of answer.result.tools as unknown[]) {
      if (!isTool(definition)) logger.warn('a tool of the server is left out: its definition has no name or is not an object', { definition: preview(definition) })
      else if (tools.has(definition.name)) logger.warn('a tool of the server is left out: its name appears twice', { tool: definition.name })
      else {
        chars += JSON.stringify(definition).length
        if (tools.size >= MAX_TOOLS || chars > MAX_CHARS) {
          logger.warn('the list of tools is cut: it is over the limit', { tools: MAX_TOOLS, chars: MAX_CHARS })
          return [...tools.values()]
        }
        tools.set(definition.name, definition)
      }
    }
    const next = answer.result.nextCursor
    if (typeof next !== 'string' || next === '') return [...tools.values()]
    if (cursors.has(next)) {
      logger.warn('the list of tools is cut: the server sends the same page for ever')
      return [...tools.values()]
    }
    cursors.add(next)
    cursor = next
  }
  logger.warn('the list of tools is cut: it has too many pages', { pages: MAX_PAGES })
  return [...tools.values()]
}

function isTool(value: unknown): value is Json & { name: string } {
  return isObject(value) && typeof value.name === 'string' && value.name !== ''
}

function preview(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 200)
}
