import type { ViewLists } from '../ports.ts'
import type { Json } from '../../wire/json-rpc.ts'
import { NAMED_BY } from '../rev2026/param-headers.ts'

type Capability = 'tools' | 'prompts' | 'resources' | 'completions' | 'logging'

/** Whether the view has this now. A server that lists things without declaring them is believed. */
export function has(lists: ViewLists, capability: Capability): boolean {
  if (lists.capabilities[capability] !== undefined) return true
  if (capability === 'tools' || capability === 'prompts') return lists[capability].length > 0
  return capability === 'resources' && lists.resources.length + lists.resourceTemplates.length > 0
}

/** Whether some server of the view says when a resource was updated. */
export function canSubscribe(lists: ViewLists): boolean {
  return (lists.capabilities['resources'] as { subscribe?: unknown } | undefined)?.subscribe === true
}

/**
 * What is announced to clients of both eras: exactly what the view has. Changes of lists are always told: we watch them ourselves.
 * Never `tasks`: they would need a home between two requests, so until there is one tasks/* is refused.
 */
export function announced(lists: ViewLists): Json {
  const capabilities: Json = {}
  if (has(lists, 'tools')) capabilities['tools'] = { listChanged: true }
  if (has(lists, 'prompts')) capabilities['prompts'] = { listChanged: true }
  if (has(lists, 'resources')) capabilities['resources'] = { listChanged: true, ...(canSubscribe(lists) ? { subscribe: true } : {}) }
  if (has(lists, 'completions')) capabilities['completions'] = {}
  if (has(lists, 'logging')) capabilities['logging'] = {}
  return capabilities
}

/** Methods that both eras have, by the capability they belong to. */
const BELONGS: ReadonlyMap<string, Capability> = new Map<string, Capability>([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
  ['prompts/get', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resources'],
  ['resources/read', 'resources'],
  ['completion/complete', 'completions']
])

/** The capability that a method of both eras needs, beside `tools/call`, which needs none: who has no tools has no name for it. */
export function capabilityOf(method: string): Capability | undefined {
  return BELONGS.get(method)
}

/** Params without which a request can mean nothing. */
const NAMED: ReadonlyMap<string, 'name' | 'uri'> = new Map<string, 'name' | 'uri'>([
  ...NAMED_BY,
  ['resources/subscribe', 'uri'],
  ['resources/unsubscribe', 'uri']
])

/** Why the request cannot be understood, or undefined. */
export function nameProblem(method: string, params: Json | undefined): string | undefined {
  const field = NAMED.get(method)
  if (field === undefined || typeof params?.[field] === 'string') return undefined
  return `${method} needs params.${field}, a string as the list gives it.`
}
