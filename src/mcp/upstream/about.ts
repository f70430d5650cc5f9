import type { About } from '../../wire/about.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { FetchedList } from './pages.ts'
import type { UpstreamConnection } from './connection-ports.ts'

/** Prompts, resources and templates together, bytes of JSON: with the rest below they stay in one document of the catalog (256 KiB). */
const MAX_LISTS = 200 * 1024
/** Far over what anybody lists to people; a model or a person cannot read more. */
const MAX_ENTRIES = 10_000
/** Bytes of JSON; real ones have a few hundred. */
const MAX_CAPABILITIES = 8 * 1024
/** Bytes of JSON: room for an icon or two as data. */
const MAX_SERVER_INFO = 16 * 1024
/** Bytes of JSON: five pages of text. */
const MAX_INSTRUCTIONS = 16 * 1024
/** Characters of a server's name and version, where there is more than fits. */
const MAX_NAME = 200

/** Where reading one list may stop: what is longer is not kept. */
export const ABOUT_LIMITS = { entries: MAX_ENTRIES, bytes: MAX_LISTS }

export interface AboutList {
  entries: readonly Json[]
  /** Of its JSON. */
  bytes: number
  /** The server has more than is kept. */
  partial: boolean
}

export interface AboutLists {
  prompts: AboutList
  resources: AboutList
  resourceTemplates: AboutList
}

export const NO_LIST: AboutList = { entries: [], bytes: 0, partial: false }

/** A list as far as it can be part of an `About`: whole or not at all, for half a list looks like a whole one. */
export function fitsAbout({ entries, cut }: FetchedList): AboutList {
  return cut === undefined ? { entries, bytes: jsonBytes(entries), partial: false } : { entries: [], bytes: 0, partial: true }
}
/** The document of what a server said and lists, bounded. What is most likely to be small comes first; a list that no longer fits is left empty and named. */
export function composeAbout(from: Pick<UpstreamConnection, 'era' | 'identity'> | undefined, lists: AboutLists): About {
  const identity = from?.identity
  let left = MAX_LISTS
  const partial: string[] = []
  const fit = (name: keyof AboutLists): readonly Json[] => {
    const { entries, bytes } = lists[name]
    if (lists[name].partial || bytes > left) {
      partial.push(name)
      return []
    }
    left -= bytes
    return entries
  }
  const instructions = identity?.instructions
  const shown = { prompts: fit('prompts'), resourceTemplates: fit('resourceTemplates'), resources: fit('resources') }
  return {
    capabilities: boundedCapabilities(identity?.capabilities ?? {}),
    serverInfo: boundedServerInfo(identity?.serverInfo ?? {}),
    ...(instructions === undefined ? {} : { instructions: boundedText(instructions) }),
    ...(from === undefined ? {} : { protocol: from.era }),
    ...shown,
    ...(partial.length === 0 ? {} : { partial })
  }
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** The members the specification knows, where there is more than fits. */
function boundedCapabilities(capabilities: Json): Json {
  if (jsonBytes(capabilities) <= MAX_CAPABILITIES) return capabilities
  const known: Json = {}
  for (const name of ['tools', 'prompts', 'resources', 'completions', 'logging']) {
    const value = capabilities[name] as { listChanged?: unknown; subscribe?: unknown } | null | undefined
    if (value === undefined || value === null) continue
    known[name] = { ...(value.listChanged === true ? { listChanged: true } : {}), ...(value.subscribe === true ? { subscribe: true } : {}) }
  }
  return known
}
function boundedServerInfo(info: Json): Json {
  if (jsonBytes(info) <= MAX_SERVER_INFO) return info
  const short = (value: unknown) => (typeof value === 'string' ? value.slice(0, MAX_NAME).toWellFormed() : '')
  return { name: short(info.name), version: short(info.version) }
}
function boundedText(text: string): string {
  let kept = text.length > MAX_INSTRUCTIONS ? text.slice(0, MAX_INSTRUCTIONS) : text
  // JSON makes up to six bytes of one character.
  while (jsonBytes(kept) > MAX_INSTRUCTIONS) kept = kept.slice(0, Math.floor(kept.length / 2))
  return kept.length === text.length ? text : kept.toWellFormed()
}
