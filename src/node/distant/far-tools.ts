import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { laterName, type OfferedServer, type Offers } from '../../federation/catalog/offers.ts'
import { advertisedName } from '../../mcp/names.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { FoundTool, FoundTools } from '../../wire/summary-types.ts'
import { summaryKey } from '../../wire/summary-types.ts'
import type { ToolTarget } from '../calls/offered.ts'

/** A model waits for a search as for any tool, but not for hubs that do not answer; what has come by then is shown, ms. */
export const SEARCH_WITHIN = 3_000
/** Tools found lately, all clients together: twenty full answers. */
export const MAX_REMEMBERED = 1_000
/** As long as a hub keeps what was asked for in the table of its child, ms. */
export const REMEMBERED_FOR = 10 * 60_000

export interface FarToolsDeps {
  clock: Clock
  logger: Logger
  /** Tools by words, in the whole federation. */
  search(query: string, options: { limit: number; signal: AbortSignal; timeout: number }): Promise<FoundTools>
  /** The hub should tell of this server from now on. */
  interest(key: string): void
  offers(): Offers
  definition(digest: string): Json | undefined
  /** Fetches definitions; resolves when they are here or nobody has them. */
  fetch(digests: readonly string[]): Promise<void>
}

/** A tool that is in no list of this node. */
export interface FarTool {
  /** As it would be advertised. */
  name: string
  target: ToolTarget
  /** Nodes that have it. */
  count: number
  /** The name of its node, where it is the only one. */
  node?: string
}

export interface FarMatches {
  tools: FarTool[]
  /** Not everybody answered in time: there may be more. */
  partial: boolean
}

/** Finds tools in the whole federation, and knows for a while what their names stand for. */
export interface FarToolSearch {
  /** The best first, without those that are offered at this node anyway. Never rejects; ends when `signal` aborts. */
  search(query: string, limit: number, signal?: AbortSignal): Promise<FarMatches>
  /** What a search found under this name; `moved`: the name is that of another server's tool by now. @param listed what the name is in the lists */
  find(name: string, listed: ToolTarget | undefined): FarTool | 'moved' | undefined
  /** Its definition, fetched again if it has to be. Tells the hub that the server is of interest. */
  describe(tool: FarTool): Promise<Json | undefined>
  /** It is called now. */
  called(tool: FarTool): void
}

export function createFarTools(deps: FarToolsDeps): FarToolSearch {
  const { clock } = deps
  /** In the order in which they were found. */
  const remembered = new Map<string, { tool: FarTool; until: number }>()

  function remember(tool: FarTool): void {
    remembered.delete(tool.name)
    remembered.set(tool.name, { tool, until: clock.now() + REMEMBERED_FOR })
    if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value as string)
  }

  function nameOf(found: FoundTool, offered: ReadonlyMap<string, OfferedServer>, taken: ReadonlySet<string>): string {
    const known = offered.get(found.key)
    if (known !== undefined) return known.advertised
    return taken.has(found.server) ? laterName(found.server, { stateless: found.owner === undefined, peer: found.owner ?? '' }) : found.server
  }

  function toFar(found: FoundTool, offered: ReadonlyMap<string, OfferedServer>, taken: ReadonlySet<string>): FarTool {
    const { server, tool, digest, repeatable, key, providers, node } = found
    const advertised = nameOf(found, offered, taken)
    const target: ToolTarget = { advertised, server, tool, digest, repeatable, providers: [], distant: key }
    return { name: advertisedName({ server: advertised, tool }), target, count: providers, ...(node === undefined ? {} : { node }) }
  }

  /** Settles when all came, or the time is over. */
  async function within<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
    const abort = new AbortController()
    const over = Promise.withResolvers<undefined>()
    const end = () => {
      abort.abort(new Error('the time for the search is over'))
      over.resolve(undefined)
    }
    const timer = clock.after(SEARCH_WITHIN, end)
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted === true) end()
    try {
      const running = work(abort.signal)
      // Whoever comes second must not be an unhandled rejection.
      running.catch(() => {})
      return await Promise.race([running, over.promise])
    } catch (error) {
      deps.logger.info('the search beyond this node failed; only tools known here were found', { error: errorMessage(error) })
      return undefined
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', end)
    }
  }

  return {
    async search(query, limit, signal) {
      const { tools: found, partial } = (await within((until) => deps.search(query, { limit, signal: until, timeout: SEARCH_WITHIN }), signal)) ?? { tools: [], partial: true }
      const { servers, taken } = deps.offers()
      const offered = new Map(servers.map((server) => [keyOf(server), server]))
      const far = found
        .filter(({ key, tool }) => offered.get(key)?.tools.some((listed) => listed.tool === tool) !== true)
        .slice(0, limit)
        .map((one) => toFar(one, offered, taken))
      const unknown = far.map(({ target }) => target.digest).filter((digest) => deps.definition(digest) === undefined)
      if (unknown.length > 0) await within(() => deps.fetch(unknown), signal)
      for (const tool of far) remember(tool)
      return { tools: far, partial }
    },
    find(name, listed) {
      const known = remembered.get(name)
      if (known === undefined) return undefined
      if (known.until <= clock.now()) {
        remembered.delete(name)
        return undefined
      }
      if (listed === undefined) return known.tool
      const offered = deps.offers().servers.find(({ advertised }) => advertised === listed.advertised)
      // It has come into the lists meanwhile: these know better where it is.
      return offered !== undefined && keyOf(offered) === known.tool.target.distant ? undefined : 'moved'
    },
    async describe({ target }) {
      if (target.distant !== undefined) deps.interest(target.distant)
      if (deps.definition(target.digest) === undefined) await within(() => deps.fetch([target.digest]), undefined)
      return deps.definition(target.digest)
    },
    called({ target }) {
      if (target.distant !== undefined) deps.interest(target.distant)
    }
  }
}

/** The key of an offered server, near or far. */
function keyOf({ server, stateless, distant, providers, tools }: OfferedServer): string {
  const owner = providers[0] ?? tools.find((tool) => tool.providers.length > 0)?.providers[0]
  if (stateless) return summaryKey({ name: server })
  return distant ?? summaryKey({ name: server, ...(owner === undefined ? {} : { owner }) })
}
