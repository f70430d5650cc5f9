import { MORE_INSTRUCTIONS, SEARCH_INSTRUCTIONS, SEARCH_TOOLS } from './search/definitions.ts'
import type { Json } from '../wire/json-rpc.ts'
import { uriMatcher } from './uri-template.ts'
import { joinAbouts, joinInstructions, viewCapabilities, type AboutLists } from './view-about.ts'
import { cutRows } from './view-cut.ts'
import { advertisedTools, bareTools } from './view-tools.ts'
import type { OfferedServer, View, ViewLimits, ViewSpec, ViewTool, WideView } from './view-types.ts'

export type { Offered, OfferedServer, View, ViewLimits, ViewSpec, ViewTool, WideView } from './view-types.ts'

const EVERYTHING: WideView = { name: 'default', mode: 'list', allow: ['*'], deny: [], rename: {} }
const SEARCH: WideView = { ...EVERYTHING, name: 'search', mode: 'search' }

/**
 * What a view's name means: undefined is everything, `@<name>` a configured view (`@search` is there without), else a server.
 * Undefined: no view of this name is configured. Whether a server exists is for the caller to see.
 */
export function viewSpecOf(view: string | undefined, configured: readonly WideView[]): ViewSpec | undefined {
  if (view !== undefined && !view.startsWith('@')) return { server: view }
  const name = view === undefined ? EVERYTHING.name : view.slice(1)
  const found = configured.find((entry) => entry.name === name)
  if (name === SEARCH.name) return found === undefined ? SEARCH : { ...found, mode: 'search' }
  return found ?? (name === EVERYTHING.name ? EVERYTHING : undefined)
}

/**
 * What one view lists and the ways back from its names, as a pure function of what the servers offer. All servers are given, also for
 * a view of few: an advertised name depends on all of them. A list
 * with more tools than `limits` allow shows those of the nearest servers, and the search tools for the rest. Of the same {server, tool} offered twice the first counts.
 */
export function buildView<T>(servers: readonly OfferedServer<T>[], spec: ViewSpec, before?: BuiltView<T>, limits: ViewLimits = {}): View<T> {
  return 'server' in spec ? serverView(servers, spec.server) : wideView(servers, spec, before, limits)
}

/** A view of the same spec as it was before, and what it was built of: what did not change is the same object again. */
export interface BuiltView<T> {
  view: View<T>
  servers: readonly OfferedServer<T>[]
}

function serverView<T>(servers: readonly OfferedServer<T>[], name: string): View<T> {
  const server = servers.find((entry) => entry.server === name)
  const about = server?.about
  const { table, rows } = bareTools(server?.tools ?? [])
  return {
    mode: 'list',
    searches: false,
    tools: rows.map(({ definition }) => definition),
    prompts: about?.prompts ?? [],
    resources: about?.resources ?? [],
    resourceTemplates: about?.resourceTemplates ?? [],
    passesLists: true,
    passesTools: about?.protocol === '2025',
    // Before it was fetched nothing more is known than that servers usually have tools.
    capabilities: viewCapabilities(about === undefined ? [] : [about], rows.length > 0 || about === undefined),
    instructions: about?.instructions,
    table,
    rows,
    promptServers: new Map((about?.prompts ?? []).map((prompt) => [String(prompt.name), name])),
    serverOfUri: () => name,
    notices: []
  }
}

function wideView<T>(all: readonly OfferedServer<T>[], spec: WideView, before: BuiltView<T> | undefined, limits: ViewLimits): View<T> {
  const servers = spec.servers === undefined ? all : all.filter(({ server }) => spec.servers?.includes(server))
  const { table, rows, notices } = advertisedTools(all, spec)
  const lists = joinAbouts(servers, spec)
  const isSearch = spec.mode === 'search'
  const { shown, cut } = isSearch ? { shown: [], cut: undefined } : cutRows(rows, servers, spec, limits)
  const searches = isSearch || cut !== undefined || limits.more === true
  const instructions = joinInstructions(servers)
  return {
    mode: spec.mode,
    searches,
    tools: isSearch ? SEARCH_TOOLS : searches ? withSearch(shown, table) : shown.map(({ definition }) => definition),
    prompts: lists.prompts,
    resources: lists.resources,
    resourceTemplates: lists.resourceTemplates,
    passesLists: false,
    passesTools: false,
    capabilities: viewCapabilities(servers.flatMap(({ about }) => (about === undefined ? [] : [about])), true),
    instructions: isSearch ? SEARCH_INSTRUCTIONS : searches ? [MORE_INSTRUCTIONS, ...(instructions === undefined ? [] : [instructions])].join('\n\n') : instructions,
    table,
    rows,
    promptServers: lists.promptServers,
    serverOfUri: before !== undefined && sameAbouts(before.servers, all) ? before.view.serverOfUri : uriTable(lists),
    notices: [...notices, ...lists.notices, ...(cut === undefined ? [] : [cut])],
    ...(cut === undefined ? {} : { cut })
  }
}

/** Sorted by name. A tool that was renamed to the name of a search tool keeps it. */
function withSearch(rows: readonly ViewTool[], table: ReadonlyMap<string, unknown>): Json[] {
  const own = SEARCH_TOOLS.filter(({ name }) => !table.has(String(name)))
  return [...rows.map(({ definition }) => definition), ...own].sort((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1))
}

function sameAbouts(a: readonly OfferedServer<unknown>[], b: readonly OfferedServer<unknown>[]): boolean {
  return a.length === b.length && a.every(({ server, about }, index) => server === b[index]?.server && about === b[index]?.about)
}

/** A template that begins with a variable would fit what other servers have: it counts in its server's own view only. */
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/

/** Listed URIs are looked up; only what is not listed is tried against the templates, which are made ready when first needed. */
function uriTable({ resourceClaims, templateClaims }: AboutLists): (uri: string) => string | undefined {
  let matchers: { servers: readonly string[]; fits: (uri: string) => boolean }[] | undefined
  return (uri) => {
    const listed = resourceClaims.get(uri) ?? templateClaims.get(uri)
    if (listed !== undefined) return listed.length === 1 ? listed[0] : undefined
    matchers ??= [...templateClaims].flatMap(([template, servers]) => {
      const fits = SCHEME.test(template) ? uriMatcher(template) : undefined
      return fits === undefined ? [] : [{ servers, fits }]
    })
    return onlyServer(matchers, uri)
  }
}

/** The one server with templates that the URI fits; templates of many members must not cost more than a moment. */
function onlyServer(matchers: readonly { servers: readonly string[]; fits: (uri: string) => boolean }[], uri: string): string | undefined {
  let found: string | undefined
  for (const { servers, fits } of matchers) {
    if (!fits(uri)) continue
    for (const server of servers) {
      if (found !== undefined && found !== server) return undefined
      found = server
    }
  }
  return found
}
