import { SkeinError } from '../../base/errors.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { ServerEntry } from '../../wire/catalog-types.ts'
import type { ServeDeps } from './serve-mcp.ts'

/** Digests of published tools by server and name. */
type Published = ReadonlyMap<string, ReadonlyMap<string, string>>

/**
 * What other nodes may call here is what our own record says, in whichever pool: a hidden server, or a tool that is not what the caller listed any
 * more, is not found. Which tools a server hides is for its gate to see: of servers of the 2025 era clients may know tools that no
 * record has, and call them without a digest. Prompts, resources, completion and listening come with the server.
 */
export function publishedCheck(catalog: Pick<CatalogDriver, 'published'>): ServeDeps['check'] {
  // Asked for every call: a record has thousands of tools, and its servers are the same array until something changes.
  let of: readonly ServerEntry[] | undefined
  let published: Published = new Map()

  function current(): Published {
    const servers = catalog.published()
    if (servers === of) return published
    of = servers
    published = new Map(servers.map(({ name, tools }) => [name, new Map(tools.map((tool) => [tool.name, tool.digest]))]))
    return published
  }

  return (server, tool, digest) => {
    const tools = current().get(server)
    if (tools === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `this node offers no server named "${server.slice(0, 64)}"`)
    if (tool === undefined) return
    const listed = tools.get(tool)
    // A tool that the server has for this client only: it answers itself, and `expose` holds there too.
    if (listed === undefined && digest === undefined) return
    if (listed === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `server "${server}" of this node offers no tool named "${tool.slice(0, 128)}"`)
    if (digest !== undefined && digest !== listed) {
      throw new SkeinError('SKEIN_NOT_FOUND', `tool "${tool.slice(0, 128)}" of server "${server}" has changed since it was listed: list the tools again`)
    }
  }
}
