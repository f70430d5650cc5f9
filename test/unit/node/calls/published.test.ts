import { expect, test } from 'vitest'
import { publishedCheck } from '../../../../src/node/calls/published.ts'
import type { ServerEntry } from '../../../../src/wire/catalog-types.ts'
import { server } from '../../../support/catalog-fixtures.ts'

test('what other nodes may call is what the own record says now', () => {
  let servers: readonly ServerEntry[] = []
  const check = publishedCheck({ published: () => servers })
  const missing = (reason: RegExp) => expect.objectContaining({ code: 'SKEIN_NOT_FOUND', message: expect.stringMatching(reason) })
  expect(() => check('s', undefined, undefined)).toThrow(missing(/no server named "s"/))
  servers = [server('s', ['t'])]
  const digest = servers[0]?.tools[0]?.digest as string
  check('s', undefined, undefined)
  check('s', 't', undefined)
  check('s', 't', digest)
  expect(() => check('s', 'u', digest)).toThrow(missing(/no tool named "u"/))
  // One that the server may have for this caller's client alone.
  check('s', 'u', undefined)
  expect(() => check('other', 'u', undefined)).toThrow(missing(/no server/))
  expect(() => check('s', 't', 'ab')).toThrow(missing(/changed/))
  expect(() => check('other', 't', undefined)).toThrow(missing(/no server/))
  servers = [server('s', ['u'])]
  expect(() => check('s', 't', digest)).toThrow(missing(/no tool named "t"/))
  check('s', 'u', undefined)
})
