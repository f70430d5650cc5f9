import type { IncomingMessage } from 'node:http'
import { SkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { isTooDeep } from '../../base/json-depth.ts'
import { readBody, type Body } from '../mcp/body.ts'
import type { ApiRoute } from './route.ts'
import { object, schemaProblem } from './schema.ts'

/** Orders have a handful of fields; nobody needs more than this for them. */
export const MAX_API_BODY_BYTES = 64 * 1024
/** Deeper than any body that a route takes; well below where recursive readers get into trouble. */
const MAX_DEPTH = 32
/** All parameters of a request together are below MAX_HEADER_BYTES of the server; this many names are more than any route has. */
const MAX_PARAMETERS = 32

const NO_FIELDS = object({})

function bad(message: string): SkeinError {
  return new SkeinError('SKEIN_BAD_REQUEST', `${message}.`)
}

/** The parameters of a route. @throws SKEIN_BAD_REQUEST */
export function readQuery({ parameters, requiredParameters = [] }: ApiRoute, search: string): Record<string, string> {
  // Such as those that only keep caches off.
  if (parameters === undefined) return {}
  const query: Record<string, string> = {}
  const given = [...new URLSearchParams(search)]
  if (given.length > MAX_PARAMETERS) throw bad('There are too many parameters')
  for (const [name, value] of given) {
    const schema = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (schema === undefined) throw bad(`There is no parameter "${name.slice(0, 64)}"; known: ${Object.keys(parameters).join(', ')}`)
    if (Object.hasOwn(query, name)) throw bad(`The parameter ${name} is there twice`)
    const problem = schemaProblem(schema, value, `The parameter ${name}`)
    if (problem !== undefined) throw bad(problem)
    query[name] = value
  }
  const missing = requiredParameters.find((name) => !Object.hasOwn(query, name))
  if (missing !== undefined) throw bad(`The parameter ${missing} is missing: ${parameters[missing]?.description ?? ''}`.replace(/\.$/, ''))
  return query
}

/** Whether something comes after the headers. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** The body of a POST, as its route wants it. @throws SKEIN_BAD_REQUEST, SKEIN_LIMIT */
export async function readFields({ body: schema = NO_FIELDS }: ApiRoute, req: IncomingMessage): Promise<Record<string, unknown>> {
  if (!hasBody(req)) {
    const problem = schemaProblem(schema, {}, 'The body')
    if (problem !== undefined) throw bad(problem)
    return {}
  }
  const body = await new Promise<Body>((resolve) => readBody(req, MAX_API_BODY_BYTES, resolve))
  if ('problem' in body) {
    if (body.problem === 'large') throw new SkeinError('SKEIN_LIMIT', `The body is larger than ${MAX_API_BODY_BYTES} bytes.`)
    throw bad('The body ended before it was complete')
  }
  const value = parse(body.text)
  const problem = schemaProblem(schema, value, 'The body')
  if (problem !== undefined) throw bad(problem)
  if (!isObject(value)) throw bad('The body must be a JSON object')
  return value
}

function parse(text: string): unknown {
  if (isTooDeep(text, MAX_DEPTH)) throw bad(`The body is nested deeper than ${MAX_DEPTH} levels`)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw bad(`The body is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : 'it cannot be read'}`)
  }
}
