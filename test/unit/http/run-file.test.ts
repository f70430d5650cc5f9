import { describe, expect, test } from 'vitest'
import { viewOf } from '../../../src/http/server.ts'
import { localUrl } from '../../../src/http/listen.ts'
import { parseRunFile } from '../../../src/wire/run-file.ts'
import { fromControlError, toControlError } from '../../../src/wire/control.ts'
import { SkeinError } from '../../../src/base/errors.ts'

describe('run.json', () => {
  test('a whole one is read', () => {
    const run = { pid: 7, version: '1', httpUrl: 'http://x', controlSocket: '/s', peer: 'p', addresses: [], started: 1 }
    expect(parseRunFile(JSON.stringify(run))).toEqual(run)
  })
  test.each(['', '{', 'null', '[]', '{"pid":7}', '{"pid":-1,"controlSocket":"/s"}', '{"pid":"7","controlSocket":"/s"}', '{"pid":7,"controlSocket":5}'])(
    '%s counts as none',
    (text) => expect(parseRunFile(text)).toBeUndefined()
  )
})

describe('errors on the control socket', () => {
  test('keep code, sentence and data', () => {
    const error = new SkeinError('SKEIN_NOT_FOUND', 'No such tool.', { data: { name: 'x' } })
    expect(fromControlError(JSON.parse(JSON.stringify(toControlError(error))))).toMatchObject({ code: 'SKEIN_NOT_FOUND', message: 'No such tool.', data: { name: 'x' } })
  })
  test.each([undefined, null, 5, {}, { code: 'toString', message: 5 }, { code: 'SKEIN_FROM_THE_FUTURE' }])('%j reads as SKEIN_INTERNAL', (value) => {
    expect(fromControlError(value)).toMatchObject({ code: 'SKEIN_INTERNAL' })
  })
})

describe('paths and URLs', () => {
  test.each([
    ['/mcp', undefined],
    ['/mcp/', undefined],
    ['/mcp/files', 'files'],
    ['/mcp/a%20b', 'a b'],
    ['/mcp/@search', '@search'],
    ['/mcp/%40search', '@search'],
    ['/mcp/@', null],
    ['/mcp/a/b', null],
    ['/mcp/a%2Fb', null],
    ['/mcp/%', null],
    ['/mcpx', null],
    ['/', null]
  ])('%s', (path, view) => expect(viewOf(path)).toBe(view))

  test.each([
    ['127.0.0.1', 'http://127.0.0.1:80'],
    ['0.0.0.0', 'http://127.0.0.1:80'],
    ['::', 'http://[::1]:80'],
    ['fe80::1', 'http://[fe80::1]:80']
  ])('a URL for %s that works here', (host, url) => expect(localUrl(host, 80)).toBe(url))
})
