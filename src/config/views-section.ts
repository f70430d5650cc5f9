import * as z from 'zod'
import { key, texts, type Group } from './key.ts'
import type { ViewConfig } from './types.ts'

/** Each is one more endpoint whose lists are kept ready. */
const MAX_VIEWS = 64
const MAX_ENTRIES = 256
const VIEW_NAME = /^[A-Za-z0-9_-]{1,32}$/
const MODES = ['list', 'search'] as const
/** The one whose mode is what it is there for. */
const SEARCH = 'search'
/** `/mcp` itself: what lists and calls it by name must go on working. */
const DEFAULT = 'default'

const pattern = z.string().min(1).max(128)
const newName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, dashes or underscores')
const renameSchema = z.record(pattern, newName).superRefine((names, context) => {
  if (Object.keys(names).length > MAX_ENTRIES) context.addIssue({ code: 'custom', message: `may have at most ${MAX_ENTRIES} entries` })
})

/** The keys of one entry of mcp.views. */
export const viewKeys = {
  mode: key(z.enum(MODES).optional(), 'choice', MODES.join(', '), '', undefined, {
    about: 'list: tools are listed as they are; search: three small tools that find, describe and call all others.',
    live: true,
    defaultText: 'list; search for the view search'
  }),
  allow: texts(['*'], { about: 'Patterns of the tools (<server>__<tool>) and prompts in the view; * stands for any text.', live: true }, pattern),
  deny: texts([], { about: 'Patterns of those that are left out although an allow pattern fits.', live: true }, pattern),
  rename: key(renameSchema, 'map', 'map of texts', '', {}, { about: 'New names of tools, by their names <server>__<tool>; patterns are about the old name.', live: true }),
  servers: key(z.array(newName).max(MAX_ENTRIES).optional(), 'list', 'list of texts', '', undefined, {
    about: 'Only tools, prompts and resources of these servers.',
    live: true,
    defaultText: 'all'
  })
} satisfies Group['keys']

const viewSchema = z.strictObject(Object.fromEntries(Object.entries(viewKeys).map(([name, entry]) => [name, entry.schema])) as { [N in keyof typeof viewKeys]: (typeof viewKeys)[N]['schema'] })
export type ParsedView = z.output<typeof viewSchema>

export const viewsSchema = z.record(z.string().regex(VIEW_NAME, 'must be 1 to 32 letters, digits, dashes or underscores'), viewSchema).superRefine((views, context) => {
  if (Object.keys(views).length > MAX_VIEWS) context.addIssue({ code: 'custom', message: `may have at most ${MAX_VIEWS} views` })
  if (views[SEARCH]?.mode === 'list') context.addIssue({ code: 'custom', message: 'the view search always searches; leave mode out, or give the view another name', path: [SEARCH, 'mode'] })
  if (views[DEFAULT]?.mode === 'search') context.addIssue({ code: 'custom', message: '/mcp always lists; clients that should search connect to /mcp/@search, or to a view of another name', path: [DEFAULT, 'mode'] })
})

/** Sorted by name. */
export function viewConfigs(views: Readonly<Record<string, ParsedView>>): ViewConfig[] {
  return Object.entries(views)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, view]) => ({ name, ...view, mode: view.mode ?? (name === SEARCH ? 'search' : 'list') }))
}
