import type { Json } from '../../wire/json-rpc.ts'
import type { ViewLists } from '../ports.ts'

/** Lists whose changes are told; templates count as resources. */
export type ListKind = 'tools' | 'prompts' | 'resources'

const LIST_KINDS: readonly ListKind[] = ['tools', 'prompts', 'resources']

export const CHANGED: Readonly<Record<ListKind, string>> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed'
}

type Told = Pick<ViewLists, 'tools' | 'prompts' | 'resources' | 'resourceTemplates'>

const NOTHING: Told = { tools: [], prompts: [], resources: [], resourceTemplates: [] }

/** What one client knows of its view's lists. */
export interface ListWatch {
  /** Kinds that differ from what the client knows. */
  changed(lists: ViewLists | undefined): ListKind[]
  /** The client knows of these lists now: it read them, or was told that they changed. */
  knows(kind: ListKind, lists: ViewLists | undefined): void
}

export function createListWatch(initial: ViewLists | undefined): ListWatch {
  const told: Told = { ...NOTHING }

  function knows(kind: ListKind, lists: ViewLists | undefined): void {
    const now = lists ?? NOTHING
    told[kind] = now[kind]
    if (kind === 'resources') told.resourceTemplates = now.resourceTemplates
  }

  for (const kind of LIST_KINDS) knows(kind, initial)
  return {
    changed(lists) {
      const now = lists ?? NOTHING
      return LIST_KINDS.filter((kind) => {
        const same = sameList(told[kind], now[kind]) && (kind !== 'resources' || sameList(told.resourceTemplates, now.resourceTemplates))
        // Lists built anew that say the same take the place of the old ones, which nobody need keep.
        if (same) knows(kind, lists)
        return !same
      })
    },
    knows
  }
}

/** The last comparison of a list: all sessions of a view compare the same two. */
const compared = new WeakMap<readonly Json[], { other: readonly Json[]; same: boolean }>()

/** Whether two lists say the same: views are built anew for any change, also one in another server. */
function sameList(a: readonly Json[], b: readonly Json[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  const known = compared.get(a)
  if (known?.other === b) return known.same
  const same = a.every((entry, index) => sameEntry(entry, b[index] as Json))
  compared.set(a, { other: b, same })
  return same
}

/** Shallow: copies share what is inside. */
function sameEntry(a: Json, b: Json): boolean {
  if (a === b) return true
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
