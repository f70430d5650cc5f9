import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { Summary } from '../../federation/summary/driver.ts'
import type { ViewLimits } from '../../mcp/views.ts'
import type { BackendDeps } from '../calls/backend.ts'
import { createFarTools } from './far-tools.ts'

/** A hub tells of whole servers until the next one does not fit: from here on there may well be one. */
const NEARLY_FULL = 0.75

export interface SummaryLinkDeps {
  catalog: Pick<CatalogDriver, 'setDistant' | 'onChange'>
  summary: Pick<Summary, 'distant' | 'onChange' | 'catalogChanged'>
  /** The hub above, asked for definitions that no table names; undefined: this node leads the top pool, or nobody does. */
  up(): string | undefined
}

/** Joins what hubs tell with the catalog, both ways. Returns what is to be called when the hub above is another one. */
export function linkSummary({ catalog, summary, up }: SummaryLinkDeps): () => void {
  const tell = () => {
    const peer = up()
    catalog.setDistant(summary.distant(), peer === undefined ? [] : [peer])
  }
  summary.onChange(tell)
  // Also when only distant servers or definitions came: then the records are found unchanged.
  catalog.onChange(() => summary.catalogChanged())
  tell()
  return tell
}

/** What the backend needs to find tools that are in no list of this node. */
export function farTools(deps: { catalog: CatalogDriver; summary: Pick<Summary, 'search' | 'interest'>; clock: Clock; logger: Logger }): NonNullable<BackendDeps['far']> {
  const { catalog, summary, clock, logger } = deps
  const definition = (digest: string) => catalog.definition(digest)
  const search = createFarTools({
    clock, logger, definition,
    search: (query, options) => summary.search(query, options),
    interest: (key) => summary.interest(key),
    offers: () => catalog.offers(),
    fetch: (digests) => catalog.fetch(digests)
  })
  return { search, definition }
}

/** How long the lists of this node are, and whether a search would find more than they have. */
export function listLimits(catalog: Pick<CatalogDriver, 'distant'>, maxTools: number): Required<ViewLimits> {
  const tools = catalog.distant().reduce((sum, server) => sum + server.tools.length, 0)
  return { maxTools, more: tools >= maxTools * NEARLY_FULL }
}
