import type { NodeApi } from '../../node/api.ts'
import type { JsonSchema } from './schema.ts'

/** Where a route stands in the document of the API. */
export type ApiTag = 'node' | 'federation' | 'tools' | 'consensus' | 'gossip' | 'operations'

export interface ApiInput {
  /** The parameters after `?`, as texts that keep the route's schemas; those of routes that take none are not looked at. */
  query: Readonly<Record<string, string>>
  /** The body, which keeps the route's schema; `{}` where there is none. */
  body: Readonly<Record<string, unknown>>
  /** Aborts when the time of the route is over or the client goes away. */
  signal: AbortSignal
}

/** One question to the node, or one order. The key of its table is `<METHOD> <path>`, such as `POST /admin/drain`; paths have no variables. */
export interface ApiRoute {
  /** A sentence without its full stop: what it does. */
  summary: string
  tag: ApiTag
  /** It changes the node or makes the federation work, so the document marks it. @default false */
  admin?: boolean
  /** Parameters after `?`: each a schema of a string. */
  parameters?: Readonly<Record<string, JsonSchema & { type: 'string'; description: string }>>
  /** Those of `parameters` that must be there. @default none */
  requiredParameters?: readonly string[]
  /** An object; a request may leave the whole body out when nothing in it is required. Without a schema only `{}` is taken. */
  body?: JsonSchema
  answer: JsonSchema
  /** Of an answer that went well. @default 200 */
  status?: 200 | 202
  /** The longest that it may take, ms. @default 10000 */
  deadline?: number
  /** Throws SkeinErrors: they become the status of `respond.ts` and `{ error: { code, message } }`. */
  run(api: NodeApi, input: ApiInput): object | Promise<object>
}

export type ApiRoutes = Readonly<Record<string, ApiRoute>>
