import { isObject } from '../base/is-object.ts'
import type { Json } from './json-rpc.ts'
import type { Era } from './mcp-spec.ts'

/** What one MCP server says about itself beside its tools (protocols/catalog.md). The same object until something changes. */
export interface About {
  /** As in its handshake: `initialize` or `server/discover`. */
  capabilities: Json
  serverInfo: Json
  instructions?: string
  /** Revisions with `initialize` (2025-11-25 and older) or without (2026-07-28). Nodes of earlier versions do not say. */
  protocol?: Era
  /** Its lists as it gives them; bounded where they are fetched. */
  prompts: readonly Json[]
  resources: readonly Json[]
  resourceTemplates: readonly Json[]
  /** Lists left empty because they are too large: `prompts`, `resources`, `resourceTemplates`. */
  partial?: readonly string[]
}

/** Lists of a server beside its tools; the order in which they are given up when all do not fit. */
export const ABOUT_LISTS = ['resources', 'resourceTemplates', 'prompts'] as const

/**
 * A document of another node as `About`, for whatever has passed the digest is still that node's word: parts of a wrong type count
 * as absent.
 */
export function readAbout(document: Json): About {
  const { capabilities, serverInfo, instructions, protocol, partial } = document
  return {
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: isObject(serverInfo) ? serverInfo : {},
    ...(typeof instructions === 'string' ? { instructions } : {}),
    ...(protocol === '2025' || protocol === '2026' ? { protocol } : {}),
    prompts: entries(document['prompts'], 'name'),
    resources: entries(document['resources'], 'uri'),
    resourceTemplates: entries(document['resourceTemplates'], 'uriTemplate'),
    ...(Array.isArray(partial) ? { partial: ABOUT_LISTS.filter((list) => partial.includes(list)) } : {})
  }
}

/** Entries with the text that names them. */
function entries(value: unknown, key: string): Json[] {
  return Array.isArray(value) ? value.filter((entry): entry is Json => isObject(entry) && typeof entry[key] === 'string') : []
}
