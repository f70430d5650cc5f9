import { PassThrough } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { MAX_API_BODY_BYTES, readFields, readQuery } from '../../../src/http/api/input.ts'
import type { ApiRoute } from '../../../src/http/api/route.ts'
import { count, object, text } from '../../../src/http/api/schema.ts'

const base = { summary: 'Does', tag: 'node', answer: {}, run: () => ({}) } as const
const taking: ApiRoute = { ...base, body: object({ name: text() }, { size: count() }) }
const bad = (message: RegExp) => expect.objectContaining({ code: 'SKEIN_BAD_REQUEST', message: expect.stringMatching(message) })

function request(chunks: readonly (string | Buffer)[], headers: Record<string, string> = {}): IncomingMessage {
  const stream = new PassThrough()
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  const length = chunks.reduce((sum, chunk) => sum + Buffer.byteLength(chunk), 0)
  return Object.assign(stream, { headers: { 'content-length': String(length), ...headers } }) as unknown as IncomingMessage
}

describe('bodies', () => {
  test('are read as their route wants them, in whatever pieces they come', async () => {
    expect(await readFields(taking, request(['{"na', 'me":"x","si', 'ze":3}']))).toEqual({ name: 'x', size: 3 })
  })

  test('may be left out when nothing in them is needed', async () => {
    expect(await readFields(base, request([]))).toEqual({})
    expect(await readFields(base, request(['{}']))).toEqual({})
    expect(await readFields({ ...base, body: object({}, { size: count() }) }, request([]))).toEqual({})
    await expect(readFields(taking, request([]))).rejects.toEqual(bad(/^The body has no "name"\.$/))
  })

  test.each([
    ['not JSON', '{"name":', /^The body is not JSON: /],
    ['no object', '"x"', /^The body must be object, not string\.$/],
    ['a list', '[]', /^The body must be object, not array\.$/],
    ['a wrong field', '{"name":3}', /^The body\.name must be string, not integer\.$/],
    ['an unknown field', '{"name":"x","nmae":1}', /^The body has an unknown "nmae"; known: name, size\.$/],
    ['nested too deep', `{"name":${'['.repeat(40)}${']'.repeat(40)}}`, /^The body is nested deeper than 32 levels\.$/]
  ])('%s is refused', async (_what, body, message) => {
    await expect(readFields(taking, request([body]))).rejects.toEqual(bad(message))
  })

  test('fields for a route that takes none are refused', async () => {
    await expect(readFields(base, request(['{"force":true}']))).rejects.toEqual(bad(/unknown "force"; known: none/))
  })

  test('too large: by what it says, and by what it is', async () => {
    const large = expect.objectContaining({ code: 'SKEIN_LIMIT', message: `The body is larger than ${MAX_API_BODY_BYTES} bytes.` })
    await expect(readFields(taking, request(['{}'], { 'content-length': String(MAX_API_BODY_BYTES + 1) }))).rejects.toEqual(large)
    const req = request([Buffer.alloc(MAX_API_BODY_BYTES), Buffer.alloc(1)])
    req.headers = { 'transfer-encoding': 'chunked' }
    await expect(readFields(taking, req)).rejects.toEqual(large)
  })

  test('one that breaks off is no whole one', async () => {
    const stream = new PassThrough()
    stream.write('{"name"')
    const reading = readFields(taking, Object.assign(stream, { headers: { 'content-length': '12' } }) as unknown as IncomingMessage)
    stream.destroy()
    await expect(reading).rejects.toEqual(bad(/^The body ended before it was complete\.$/))
  })
})

describe('parameters', () => {
  const route: ApiRoute = { ...base, parameters: { tool: { type: 'string', maxLength: 4, description: 'Its name.' }, other: { type: 'string', description: 'More.' } }, requiredParameters: ['tool'] }

  test('are decoded', () => expect(readQuery(route, '?tool=a%2Fb&other=')).toEqual({ tool: 'a/b', other: '' }))
  test('a route that takes none does not look at them', () => expect(readQuery(base, '?x=1')).toEqual({}))

  test.each([
    ['missing', '', /^The parameter tool is missing: Its name\.$/],
    ['unknown', '?tool=x&tol=y', /^There is no parameter "tol"; known: tool, other\.$/],
    ['of objects', '?tool=x&toString=y', /no parameter "toString"/],
    ['twice', '?tool=x&tool=y', /^The parameter tool is there twice\.$/],
    ['too long', '?tool=xxxxx', /^The parameter tool must have at most 4 characters\.$/],
    ['too many', `?${'other=1&'.repeat(40)}`, /^There are too many parameters\.$/]
  ])('%s', (_what, search, message) => expect(() => readQuery(route, search)).toThrow(bad(message)))
})
