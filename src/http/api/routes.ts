import type { NodeApi } from '../../node/api.ts'

/** What `GET /api/<name>` answers, as JSON; a SkeinError becomes its HTTP status. One line for each question. */
export const API_ROUTES = {
  members: (api) => ({ members: api.members() })
} as const satisfies Record<string, (api: NodeApi) => object | Promise<object>>

export type ApiRouteName = keyof typeof API_ROUTES

/** The route of a path; undefined: there is none. */
export function apiRouteOf(path: string): ApiRouteName | undefined {
  const name = path.slice('/api/'.length)
  return Object.hasOwn(API_ROUTES, name) ? (name as ApiRouteName) : undefined
}
