import { expect, test } from 'vitest'
import { causeCode, sendError, type HttpFailure } from '../../../src/mcp-io/http-errors.ts'

const url = 'https://user:secret@host.test/mcp?key=secret'
const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })

test.each<[string, HttpFailure, string, string]>([
  ['never reached', { kind: 'unreachable', cause: refused }, 'SKEIN_UPSTREAM_DOWN', 'cannot be reached (ECONNREFUSED)'],
  ['a certificate', { kind: 'unreachable', cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } }, 'SKEIN_UPSTREAM_DOWN', 'ca_file'],
  ['a proxy that refuses', { kind: 'unreachable', cause: { code: 'ERR_PROXY_TUNNEL' } }, 'SKEIN_UPSTREAM_DOWN', 'NO_PROXY'],
  ['a wrong key', { kind: 'status', status: 401 }, 'SKEIN_UPSTREAM_DOWN', 'Authorization'],
  ['an unknown path', { kind: 'status', status: 404 }, 'SKEIN_UPSTREAM_DOWN', 'check the url'],
  ['a busy server', { kind: 'status', status: 429 }, 'SKEIN_BUSY', 'Try again later'],
  ['a broken gateway', { kind: 'status', status: 502 }, 'SKEIN_OUTCOME_UNKNOWN', 'HTTP 502'],
  ['a broken connection', { kind: 'lost', cause: new Error('reset') }, 'SKEIN_OUTCOME_UNKNOWN', 'reset'],
  ['a redirect elsewhere', { kind: 'redirect', status: 302, to: 'https://other.test/x', crossOrigin: true }, 'SKEIN_UPSTREAM_DOWN', 'https://other.test/x'],
  ['a redirect to a GET', { kind: 'redirect', status: 303, to: 'https://host.test/x', crossOrigin: false }, 'SKEIN_UPSTREAM_DOWN', 'configuration']
])('%s', (_what, failure, code, words) => {
  const error = sendError('name', url, failure)
  expect(error.code).toBe(code)
  expect(error.message).toContain('mcp.servers.name')
  expect(error.message).toContain(words)
  expect(error.message).not.toContain('secret')
})

test('a status is there for programs, what the server said for people, within bounds', () => {
  const error = sendError('name', url, { kind: 'status', status: 400, detail: `because ${'x'.repeat(10_000)}` })
  expect(error.data).toEqual({ status: 400 })
  expect(error.message).toContain('because')
  expect(error.message.length).toBeLessThan(600)
})

test('the code of a failed connection, of the first of several addresses too', () => {
  expect([causeCode(refused), causeCode({ errors: [refused] }), causeCode(new Error('x')), causeCode(null)]).toEqual(['ECONNREFUSED', 'ECONNREFUSED', undefined, undefined])
})
