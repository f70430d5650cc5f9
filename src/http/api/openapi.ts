import { ERROR_CODES } from '../../base/error-codes.ts'
import type { ApiRoute, ApiRoutes } from './route.ts'
import { object, oneOf, text, type JsonSchema } from './schema.ts'

const json = (schema: object) => ({ 'application/json': { schema } })
const ERROR_REF = { $ref: '#/components/schemas/Error' }

const ERROR: JsonSchema = object({ error: { ...object({ code: oneOf(Object.keys(ERROR_CODES)), message: text('A sentence that says what to do.') }), additionalProperties: true } })

/** What every route may answer beside its own. */
const REFUSALS: Record<string, string> = {
  400: 'The request is wrong: the message names the place.',
  401: 'The token is missing or wrong.',
  403: 'This Host or Origin is not served.',
  413: 'The body is larger than 64 KiB.',
  415: 'The body is not JSON.',
  429: 'Too often, or the node is busy: try again in a moment.',
  500: 'The node failed; its log says why.',
  504: 'It took too long.'
}

function isRefusalOf({ body }: ApiRoute, method: string, status: string): boolean {
  return !['413', '415'].includes(status) || (method === 'POST' && body !== undefined)
}

function operationOf(key: string, route: ApiRoute): Record<string, unknown> {
  const [method, path] = key.split(' ') as [string, string]
  const { summary, tag, parameters = {}, requiredParameters = [], body, answer, status = 200, admin = false } = route
  const refusals = Object.entries(REFUSALS).filter(([code]) => isRefusalOf(route, method, code))
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[/.-](\w)/g, (_all, letter: string) => letter.toUpperCase())}`,
    summary, tags: [tag],
    ...(admin ? { 'x-skein-changes': true } : {}),
    ...(Object.keys(parameters).length === 0
      ? {}
      : { parameters: Object.entries(parameters).map(([name, { description, ...schema }]) => ({ name, in: 'query', required: requiredParameters.includes(name), description, schema })) }),
    ...(body === undefined ? {} : { requestBody: { required: (body.required ?? []).length > 0, content: json(body) } }),
    responses: {
      [status]: { description: 'What was asked for.', content: json(answer) },
      ...Object.fromEntries(refusals.map(([code, description]) => [code, { description, content: json(ERROR_REF) }]))
    }
  }
}

/** The routes as an OpenAPI 3.1 document. */
export function openApiDocument(routes: ApiRoutes, version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [key, route] of Object.entries(routes)) {
    const [method, path] = key.split(' ') as [string, string]
    ;(paths[path] ??= {})[method.toLowerCase()] = operationOf(key, route)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'skein node', version,
      description: 'Questions and orders to one node, on its HTTP port. HEAD goes with every GET; OPTIONS tells the methods of a path.'
    },
    servers: [{ url: 'http://127.0.0.1:8080', description: 'The default of a node; `skein status` shows the real one.' }],
    security: [{ token: [] }],
    tags: [
      { name: 'node', description: 'This node itself.' },
      { name: 'federation', description: 'The federation as this node sees it.' },
      { name: 'tools', description: 'What clients may call.' },
      { name: 'consensus', description: 'What the federation decides by vote.' },
      { name: 'gossip', description: 'What goes over gossip.' },
      { name: 'operations', description: 'Taking a node out, and back in.' }
    ],
    paths,
    components: {
      schemas: { Error: ERROR },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The text in the file `api-token` of the data directory.' } }
    }
  }
}
