import type { About } from '../../wire/about.ts'
import type { Clock } from '../../base/clock.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { Logger } from '../../base/logger.ts'
import type { UpstreamConnection } from './connection-ports.ts'
import { errorMessage } from '../../base/errors.ts'
import { ABOUT_LIMITS, composeAbout, fitsAbout, NO_LIST, type AboutList, type AboutLists } from './about.ts'
import { fetchList, type Ask, type ListKind } from './pages.ts'
import { createRefresh } from './refresh.ts'
import { fetchTools } from './tool-list.ts'

/** A server is ready with its tools; prompts and resources that take longer than this come later. */
const LISTS_WAIT = 2_000

const PROMPTS = { method: 'prompts/list', member: 'prompts', key: 'name' }
const RESOURCES = { method: 'resources/list', member: 'resources', key: 'uri' }
const TEMPLATES = { method: 'resources/templates/list', member: 'resourceTemplates', key: 'uriTemplate' }

/** What a server may announce as changed. */
export type ListName = 'tools' | 'prompts' | 'resources'

export interface ServerLists {
  /** All tools as the server sent them; the same array until something changes. */
  readonly tools: readonly Json[]
  readonly about: About
  definition(tool: string): Json | undefined
  /** Reads what a fresh connection offers. Rejects if its tools cannot be read. */
  load(connection: UpstreamConnection): Promise<void>
  /** The server announced a change: reads that list again (see refresh.ts). A failure leaves the old list. */
  changed(list: ListName): void
  /** The server is gone. False if nothing was known of it. */
  clear(): boolean
}

const NO_TOOLS: readonly Json[] = []
const NO_LISTS: AboutLists = { prompts: NO_LIST, resources: NO_LIST, resourceTemplates: NO_LIST }
/** Of a server that never answered. */
const NOTHING: About = composeAbout(undefined, NO_LISTS)

/** What one server offers, read from its connection and kept through restarts. `onChange` is called only when something differs. */
export function createServerLists(deps: { clock: Clock; logger: Logger; onChange(): void }): ServerLists {
  const { clock, logger } = deps
  let connection: UpstreamConnection | undefined
  let tools = NO_TOOLS
  let byName = new Map<string, Json>()
  let lists = NO_LISTS
  let about = NOTHING
  const refreshes: Record<ListName, () => void> = {
    tools: refresh('tools', async (from) => apply(from, await readTools(from))),
    prompts: refresh('prompts', async (from) => apply(from, undefined, { prompts: await read(from, PROMPTS) })),
    resources: refresh('resources', async (from) => {
      const [resources, resourceTemplates] = await Promise.all([read(from, RESOURCES), read(from, TEMPLATES)])
      apply(from, undefined, { resources, resourceTemplates })
    })
  }

  const asking = (from: UpstreamConnection): Ask => (...args) => from.request(...args)
  async function readTools(from: UpstreamConnection): Promise<readonly Json[]> {
    return from.identity.capabilities.tools === undefined ? NO_TOOLS : await fetchTools(asking(from), logger)
  }
  async function read(from: UpstreamConnection, kind: ListKind): Promise<AboutList> {
    if (from.identity.capabilities[kind === PROMPTS ? 'prompts' : 'resources'] === undefined) return NO_LIST
    const list = fitsAbout(await fetchList(asking(from), kind, ABOUT_LIMITS, logger))
    if (list.partial) logger.warn(`the server's ${kind.member} are too many to be listed to everybody; they are seen in its own view only`, { server: from.identity.serverInfo.name })
    return list
  }
  /** As `read`; a list that cannot be read is no reason to do without the server. */
  async function tryRead(from: UpstreamConnection, kind: ListKind): Promise<AboutList> {
    try {
      return await read(from, kind)
    } catch (error) {
      logger.warn(`the server's ${kind.member} could not be read; it is used without them`, { error: errorMessage(error) })
      return { entries: [], bytes: 0, partial: true }
    }
  }

  function apply(from: UpstreamConnection, freshTools?: readonly Json[], freshLists?: Partial<AboutLists>): void {
    // What an older connection said no longer counts.
    if (from !== connection) return
    if (freshLists !== undefined) lists = { ...lists, ...freshLists }
    const freshAbout = composeAbout(from, lists)
    // After a restart all is nearly always the same: then nobody needs to hear of it.
    const sameTools = freshTools === undefined || JSON.stringify(freshTools) === JSON.stringify(tools)
    const sameAbout = JSON.stringify(freshAbout) === JSON.stringify(about)
    if (sameTools && sameAbout) return
    if (!sameTools) setTools(freshTools)
    if (!sameAbout) about = freshAbout
    deps.onChange()
  }
  function setTools(next: readonly Json[]): void {
    tools = next
    byName = new Map(next.map((definition) => [String(definition.name), definition]))
  }

  function refresh(name: ListName, load: (from: UpstreamConnection) => Promise<void>): () => void {
    const changed = createRefresh(clock, async () => {
      const from = connection
      if (from === undefined) return
      await load(from).catch((error: unknown) => logger.warn(`reading the ${name} again failed; the old list stays`, { error: errorMessage(error) }))
    })
    // A change announced during the handshake is read anyway right after it.
    return () => {
      if (connection !== undefined) changed()
    }
  }

  return {
    get tools() {
      return tools
    },
    get about() {
      return about
    },
    definition: (tool) => byName.get(tool),
    async load(from) {
      connection = from
      void from.closed.then(() => {
        if (connection === from) connection = undefined
      })
      const rest = Promise.all([tryRead(from, PROMPTS), tryRead(from, RESOURCES), tryRead(from, TEMPLATES)])
      const reading = rest.then(([prompts, resources, resourceTemplates]) => ({ prompts, resources, resourceTemplates }))
      const freshTools = await readTools(from)
      const { promise: late, resolve } = Promise.withResolvers<undefined>()
      const timer = clock.after(LISTS_WAIT, () => resolve(undefined))
      const freshLists = await Promise.race([reading, late])
      timer.cancel()
      apply(from, freshTools, freshLists)
      if (freshLists === undefined) void reading.then((lists) => apply(from, undefined, lists))
    },
    changed: (list) => refreshes[list](),
    clear() {
      connection = undefined
      if (about === NOTHING && tools === NO_TOOLS) return false
      lists = NO_LISTS
      about = NOTHING
      setTools(NO_TOOLS)
      return true
    }
  }
}

/** Which list a `list_changed` is about; undefined for other notifications. */
export function changedList(method: string): ListName | undefined {
  if (method === 'notifications/tools/list_changed') return 'tools'
  if (method === 'notifications/prompts/list_changed') return 'prompts'
  return method === 'notifications/resources/list_changed' ? 'resources' : undefined
}
