import type { OfferedServer as CatalogServer, OfferedTool } from '../../federation/catalog/offers.ts'
import { readAbout, type About } from '../../wire/about.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { Offered, OfferedServer } from '../../mcp/view-types.ts'

/** Where a call to one listed tool may go. */
export interface ToolTarget {
  /** Server name in the lists of this node. */
  advertised: string
  /** Name under `mcp.servers` at the providers. */
  server: string
  tool: string
  digest: string
  repeatable: boolean
  /** Longest silence of a call, ms, if the server says so. */
  timeout?: number
  /** Peer ids, in this node's pools; our own for local ones. Empty: `distant` is set, and a call has to resolve that first. */
  providers: readonly string[]
  /** There are providers of this very definition beyond this node's pools: the key of its server (wire/summary-types.ts). */
  distant?: string
  notice?: string
}

/** One server as this node's clients see it. */
export interface VisibleServer extends OfferedServer<ToolTarget> {
  /** The name its clients see: that of `server` in views. */
  advertised: string
  /** Name under `mcp.servers` at the providers. */
  name: string
  /** For everything but tool calls. Empty: `distant` is set, as with tools. */
  providers: readonly string[]
  /** There are providers beyond this node's pools: the key under which they are resolved. */
  distant?: string
  /** Longest silence of a call, ms, if the server says so. */
  timeout?: number
  notice?: string
}

interface Kept {
  offer: CatalogServer
  visible: VisibleServer
  /** Nothing waits to be fetched. */
  complete: boolean
}

/**
 * Joins offers with definitions; tools and documents that have not been fetched yet are left out until they are. What only changed
 * stays as it was until the new text is there: else each change would take it from clients for a moment. A server that did not change
 * is the same object as before, so that what was built of it is kept.
 */
export function createVisible(definitionOf: (digest: string) => Json | undefined): (offers: readonly CatalogServer[]) => VisibleServer[] {
  let kept = new Map<string, Kept>()
  const abouts = new WeakMap<Json, About>()

  function aboutOf(digest: string | undefined): About | undefined {
    const document = digest === undefined ? undefined : definitionOf(digest)
    if (document === undefined) return undefined
    const known = abouts.get(document)
    if (known !== undefined) return known
    const about = readAbout(document)
    abouts.set(document, about)
    return about
  }

  function build(offer: CatalogServer, before: Kept | undefined): Kept {
    const { advertised, server, notice, timeout, providers, distant, hops } = offer
    const fetched = aboutOf(offer.about)
    const last = before !== undefined && continues(before.offer, offer) ? before.visible : undefined
    const about = fetched ?? (offer.about === undefined ? undefined : last?.about)
    const extra = { ...(timeout === undefined ? {} : { timeout }), ...(notice === undefined ? {} : { notice }) }
    const old = new Map(before?.visible.tools.map((tool) => [tool.tool, tool]))
    const tools: Offered<ToolTarget>[] = []
    let complete = offer.about === undefined || fetched !== undefined
    for (const tool of offer.tools) {
      const same = old.get(tool.tool)
      const known = definitionOf(tool.digest)
      if (known === undefined) complete = false
      const definition = known ?? (last === undefined ? undefined : same?.definition)
      if (definition === undefined) continue
      const target: ToolTarget = { advertised, server, ...tool, ...extra }
      tools.push(same !== undefined && same.definition === definition && sameTarget(same.target, target) ? same : { server: advertised, tool: tool.tool, definition, target })
    }
    // For views a server is as far as the nearest of its providers.
    const far = { ...(distant === undefined ? {} : { distant }), ...(isNear(offer) || hops === undefined ? {} : { distance: hops + 1 }) }
    return { offer, visible: { server: advertised, advertised, name: server, providers, about, tools, ...far, ...extra }, complete }
  }

  return (offers) => {
    const next = new Map<string, Kept>()
    for (const offer of offers) {
      const before = kept.get(offer.advertised)
      next.set(offer.advertised, before?.complete === true && sameOffer(before.offer, offer) ? before : build(offer, before))
    }
    kept = next
    return [...next.values()].map(({ visible }) => visible)
  }
}

function isNear({ providers, tools }: CatalogServer): boolean {
  return providers.length > 0 || tools.some((tool) => tool.providers.length > 0)
}

/** Whether it is still the same server, whatever it says by now. */
function continues(before: CatalogServer, offer: CatalogServer): boolean {
  const isKept = before.distant !== undefined && before.distant === offer.distant
  return before.server === offer.server && (isKept || before.providers.some((peer) => offer.providers.includes(peer)))
}

function sameOffer(a: CatalogServer, b: CatalogServer): boolean {
  return (
    a.server === b.server && a.about === b.about && a.distant === b.distant && a.hops === b.hops && a.timeout === b.timeout && a.notice === b.notice && sameList(a.providers, b.providers) &&
    a.tools.length === b.tools.length && a.tools.every((tool, index) => sameTool(tool, b.tools[index] as OfferedTool))
  )
}

function sameTarget(a: ToolTarget, b: ToolTarget): boolean {
  return a.server === b.server && a.timeout === b.timeout && a.notice === b.notice && sameTool(a, b)
}

function sameTool(a: Omit<OfferedTool, 'providers'> & { providers: readonly string[] }, b: typeof a): boolean {
  return a.tool === b.tool && a.digest === b.digest && a.repeatable === b.repeatable && a.distant === b.distant && sameList(a.providers, b.providers)
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
