import type { About } from '../wire/about.ts'
import type { Json } from '../wire/json-rpc.ts'
import type { ViewLists } from './ports.ts'
import type { NamedTool } from './names.ts'

export interface Offered<T> extends NamedTool {
  /** As the server gave it, bare name inside; the same object as long as it is the same definition. */
  definition: Json
  /** What the caller needs to route a call. */
  target: T
}

/** One server of the federation under the name its clients see. */
export interface OfferedServer<T> {
  server: string
  tools: readonly Offered<T>[]
  /** Undefined until it was fetched. */
  about: About | undefined
  /** How far off it is: where a list is cut, what is near stays. @default 0 */
  distance?: number
}

/** What a view over many servers shows: `mcp.views.<name>` in the configuration. */
export interface WideView {
  /** `default` is `/mcp` itself, every other one `/mcp/@<name>`. */
  name: string
  /** `search`: three tools that find and call all others. */
  mode: 'list' | 'search'
  /** Patterns over advertised names of tools and names of prompts, before renaming. What `allow` matches and `deny` does not is shown. */
  allow: readonly string[]
  deny: readonly string[]
  /** Advertised name of a tool -> the name it has in this view. */
  rename: Readonly<Record<string, string>>
  /** Servers of the view, by the name clients see. @default all */
  servers?: readonly string[] | undefined
}

/** One server under bare names, or many under advertised names. */
export type ViewSpec = { server: string } | WideView

/** A view as it is listed and called. It never changes: a change makes a new one. */
export interface View<T> extends ViewLists {
  /** `search`: `tools` are the three search tools. */
  mode: 'list' | 'search'
  /** `tools` has the search tools, alone or beside what the list has room for: calls of them go through `searchCall`. */
  searches: boolean
  /** Name of a tool in this view -> target: the only way back from a name. It may have more than `tools`: what a search finds can be called. */
  table: ReadonlyMap<string, T>
  /** What `table` holds, sorted by name. */
  rows: readonly ViewTool[]
  /** Prompt name -> server. */
  promptServers: ReadonlyMap<string, string>
  /**
   * The server that has this resource: one that lists the URI, or this very template (as `completion/complete` names it), or the
   * only one with a template that the URI fits.
   */
  serverOfUri(uri: string): string | undefined
  /** Sentences for `status`: what was left out or not renamed, and what to do. Equal in all views that it concerns. */
  notices: readonly string[]
  /** Of these the one that says which servers are not in a list that is too long. */
  cut?: string
}

/** How much of a federation one list shows. */
export interface ViewLimits {
  /** Tools in one list (`catalog.max_tools`). @default no limit */
  maxTools?: number
  /** There are tools that this node does not know of: the search tools are listed too. @default false */
  more?: boolean
}

export interface ViewTool {
  /** In this view. */
  name: string
  server: string
  /** With the view's name inside. */
  definition: Json
}
