import type { OfferedServer } from '../federation/offers.ts'
import type { Json } from '../wire/json-rpc.ts'
import type { Offered } from '../mcp/views.ts'

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
  /** Peer ids; our own for local ones. */
  providers: readonly string[]
  notice?: string
}

/** One server as this node's clients see it. */
export interface VisibleServer {
  advertised: string
  server: string
  providers: readonly string[]
  /** Longest silence of a call, ms, if the server says so. */
  timeout?: number
  notice?: string
  tools: Offered<ToolTarget>[]
}

/** Joins offers with definitions; tools whose definition has not been fetched yet are left out until it is. */
export function visibleServers(offers: readonly OfferedServer[], definitionOf: (digest: string) => Json | undefined): VisibleServer[] {
  return offers.map(({ advertised, server, notice, timeout, tools }) => ({
    advertised,
    server,
    providers: [...new Set(tools.flatMap((tool) => tool.providers))],
    ...(timeout === undefined ? {} : { timeout }),
    ...(notice === undefined ? {} : { notice }),
    tools: tools.flatMap((tool) => {
      const definition = definitionOf(tool.digest)
      if (definition === undefined) return []
      const target: ToolTarget = { advertised, server, ...tool, ...(timeout === undefined ? {} : { timeout }), ...(notice === undefined ? {} : { notice }) }
      return [{ server: advertised, tool: tool.tool, definition, target }]
    })
  }))
}
