import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openApiPage } from '../../../scripts/gen-openapi.ts'
import { MAX_API_BODY_BYTES } from '../../../src/http/api/input.ts'
import type { JsonSchema } from '../../../src/http/api/schema.ts'
import { API_PATHS, API_ROUTES, apiRouteOf, methodsOf } from '../../../src/http/api/routes.ts'
import { TEST_EVERY } from '../../../src/node/views/gossip-test.ts'
import { constantOf, expectStated } from '../../support/stated.ts'

const page = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8')
const document = JSON.parse(openApiPage()) as { openapi: string; paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, JsonSchema> } }
interface Operation {
  operationId: string
  summary: string
  tags: string[]
  parameters?: { name: string; in: string; required: boolean }[]
  responses: Record<string, { content: { 'application/json': { schema: JsonSchema } } }>
}
const routes = Object.entries(API_ROUTES)

test('docs/openapi.json is what the routes say (else: node scripts/gen-openapi.ts)', () => {
  expect(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')).toBe(openApiPage())
})

describe('the table of routes', () => {
  test.each(routes)('%s', (key, route) => {
    expect(key).toMatch(/^(GET|POST) \/(api|admin)(\/[a-z][a-z-]*(\.json)?)+$/)
    expect(route.summary).toMatch(/^[A-Z].*[^.]$/)
    // What changes something is a POST that says so.
    expect(key.startsWith('POST ')).toBe(route.admin === true)
    if (key.startsWith('GET ')) expect(route.body).toBeUndefined()
    expect(route.answer.type).toBe('object')
    for (const name of route.requiredParameters ?? []) expect(Object.keys(route.parameters ?? {})).toContain(name)
  })

  test('HEAD goes with GET, OPTIONS with all, and nothing else is there', () => {
    expect(methodsOf('/api/members')).toEqual(['GET', 'HEAD', 'OPTIONS'])
    expect(methodsOf('/api/gossip/test-message')).toEqual(['POST', 'OPTIONS'])
    expect(apiRouteOf('HEAD', '/api/members')).toBe(API_ROUTES['GET /api/members'])
    expect(apiRouteOf('HEAD', '/api/gossip/test-message')).toBeUndefined()
    for (const path of ['/api', '/api/', '/api/nothing', '/api/members/', '/api/toString', '/admin', 'constructor']) expect([methodsOf(path), apiRouteOf('GET', path)]).toEqual([undefined, undefined])
  })

  test('every route stands in docs/api.md, and the page names no other', () => {
    const named = [...page.matchAll(/^- `((?:GET|POST) \/[\w./-]+)`/gm)].map(([, key]) => key)
    expect(named.sort()).toEqual(routes.map(([key]) => key).sort())
    const called = [...page.matchAll(/`(get|post) (\/[\w./-]+)/g)].map(([, method, path]) => `${method?.toUpperCase()} ${path}`)
    expect(new Set(called)).toEqual(new Set(routes.map(([key]) => key)))
  })

  test('limits on the page are those of the code', () => {
    expectStated(page, 'objects of at most # with', [MAX_API_BODY_BYTES])
    expectStated(page, 'It took too long: #.', [constantOf('http/api/create-api.ts', 'DEFAULT_DEADLINE')])
    expectStated(page, 'at most # s old', [constantOf('node/views/dashboard.ts', 'KEPT_FOR') / 1_000])
    const within = API_ROUTES['POST /api/gossip/test-message']?.body?.properties?.['within_ms'] as JsonSchema
    expectStated(page, '(# to #, default #)', [within.minimum as number, within.maximum as number, constantOf('node/views/gossip-test.ts', 'DEFAULT_WITHIN')])
    expect([page.includes('One a second at most'), TEST_EVERY]).toEqual([true, 1_000])
  })
})

describe('the document', () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const))

  test('has every route, and no two operations of one name', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(operations.map(([key]) => key).sort()).toEqual(routes.map(([key]) => key).sort())
    expect(Object.keys(document.paths)).toEqual(API_PATHS)
    expect(new Set(operations.map(([, { operationId }]) => operationId)).size).toBe(operations.length)
  })

  test.each(operations)('%s: an answer and its refusals, each with a schema', (key, { responses, operationId, tags }) => {
    expect(operationId).toMatch(/^[a-z]+[A-Z][A-Za-z]+$/)
    expect(tags).toHaveLength(1)
    const codes = Object.keys(responses)
    expect(codes.filter((code) => code.startsWith('2'))).toHaveLength(1)
    expect(codes).toEqual(expect.arrayContaining(['401', '403', '500', '504']))
    expect(codes.includes('413')).toBe(API_ROUTES[key]?.body !== undefined)
    for (const response of Object.values(responses)) expect(response.content['application/json'].schema).toBeTypeOf('object')
  })

  test('uses no keyword that schema.ts does not understand', () => {
    const known = new Set(['type', 'description', 'properties', 'required', 'additionalProperties', 'items', 'maxItems', 'enum', 'const', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern'])
    const seen: string[] = []
    const visit = (schema: JsonSchema) => {
      seen.push(...Object.keys(schema))
      for (const inner of Object.values(schema.properties ?? {})) visit(inner)
      if (schema.items !== undefined) visit(schema.items)
      if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties)
    }
    for (const [, { answer, body, parameters }] of routes) for (const schema of [answer, ...(body === undefined ? [] : [body]), ...Object.values(parameters ?? {})]) visit(schema)
    expect(seen.length).toBeGreaterThan(100)
    expect(seen.filter((word) => !known.has(word))).toEqual([])
  })
})
