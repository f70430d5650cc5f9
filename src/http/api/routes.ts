import { ADMIN_ROUTES } from './admin-routes.ts'
import { CONSENSUS_ROUTES } from './consensus-routes.ts'
import { FEDERATION_ROUTES } from './federation-routes.ts'
import { GOSSIP_ROUTES } from './gossip-routes.ts'
import { NODE_ROUTES } from './node-routes.ts'
import { openApiDocument } from './openapi.ts'
import type { ApiRoute, ApiRoutes } from './route.ts'
import { TOPOLOGY_ROUTES } from './topology-routes.ts'

export type { ApiInput, ApiRoute, ApiRoutes } from './route.ts'

const TABLES: ApiRoutes = { ...NODE_ROUTES, ...FEDERATION_ROUTES, ...TOPOLOGY_ROUTES, ...CONSENSUS_ROUTES, ...GOSSIP_ROUTES, ...ADMIN_ROUTES }

const OPENAPI: ApiRoute = {
  summary: 'Describes this API, as OpenAPI 3.1',
  tag: 'node',
  answer: { type: 'object', required: ['openapi', 'info', 'paths'] },
  run: (api) => openApiDocument(API_ROUTES, api.status().version)
}

/** All there is under /api and /admin, in the order of the document; behind the bearer token, all of it. */
export const API_ROUTES: ApiRoutes = { ...TABLES, 'GET /api/openapi.json': OPENAPI }

/** Methods by path. */
const METHODS = new Map<string, readonly string[]>()
for (const key of Object.keys(API_ROUTES)) {
  const [method, path] = key.split(' ') as [string, string]
  METHODS.set(path, [...(METHODS.get(path) ?? []), method])
}

/** Every path, for a 404 that helps and for the labels of metrics. */
export const API_PATHS: readonly string[] = [...METHODS.keys()]

/** What a path may be asked for, or undefined: there is none. HEAD goes with GET, OPTIONS always. */
export function methodsOf(path: string): readonly string[] | undefined {
  const methods = METHODS.get(path)
  if (methods === undefined) return undefined
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS']
}

/** The route of a request; HEAD is answered as GET, without the body. */
export function apiRouteOf(method: string, path: string): ApiRoute | undefined {
  const key = `${method === 'HEAD' ? 'GET' : method} ${path}`
  return Object.hasOwn(API_ROUTES, key) ? API_ROUTES[key] : undefined
}
