import { SkeinError } from '../base/errors.ts'
import type { CatalogDriver } from '../federation/driver.ts'
import type { ServeDeps } from './serve-mcp.ts'

/**
 * What other nodes may call here is exactly what our own record says: a hidden server, a hidden tool, or a tool whose
 * definition changed since the caller listed it, is not found. Prompts, resources, completion and listening come with the server.
 */
export function publishedCheck(catalog: CatalogDriver, self: string): ServeDeps['check'] {
  return (server, tool, digest) => {
    const entry = catalog.record(self)?.servers.find((published) => published.name === server)
    if (entry === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `this node offers no server named "${server.slice(0, 64)}"`)
    if (tool === undefined) return
    const listed = entry.tools.find((published) => published.name === tool)
    if (listed === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `server "${server}" of this node offers no tool named "${tool.slice(0, 128)}"`)
    if (digest !== undefined && digest !== listed.digest) {
      throw new SkeinError('SKEIN_NOT_FOUND', `tool "${tool}" of server "${server}" has changed since it was listed: list the tools again`)
    }
  }
}
