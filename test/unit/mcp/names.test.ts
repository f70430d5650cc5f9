import { describe, expect, test } from 'vitest'
import { advertisedName, assignNames, MAX_NAME } from '../../../src/mcp/names.ts'

const LEGAL = /^[A-Za-z0-9_-]{1,64}$/

describe('advertised names', () => {
  test.each([
    ['files', 'read_file', 'files__read_file'],
    ['my files', 'read.file', 'my_files__read_file'],
    ['büro', 'öffnen', 'b_ro___ffnen'],
    ['a', '🙂x', 'a___x'],
    ['', 'x', '__x'],
    ['a'.repeat(30), 'b'.repeat(32), `${'a'.repeat(30)}__${'b'.repeat(32)}`]
  ])('%s + %s is %s', (server, tool, name) => {
    expect(advertisedName({ server, tool })).toBe(name)
  })

  test('over 64 characters is cut with a hash of the whole name', () => {
    const one = advertisedName({ server: 'server', tool: `${'t'.repeat(80)}1` })
    const two = advertisedName({ server: 'server', tool: `${'t'.repeat(80)}2` })
    expect(one).toMatch(/^server__t{47}_[0-9a-f]{8}$/)
    expect(one).toHaveLength(MAX_NAME)
    expect(two).not.toBe(one)
    expect(advertisedName({ server: 'server', tool: `${'t'.repeat(80)}1` })).toBe(one)
  })

  test('every one of a collision gets a suffix, whatever the order', () => {
    const tools = [
      { server: 's', tool: 'a.b' },
      { server: 's', tool: 'a b' },
      { server: 's', tool: 'c' }
    ]
    const names = assignNames(tools)
    expect(names[0]).toMatch(/^s__a_b_[0-9a-f]{8}$/)
    expect(names[1]).toMatch(/^s__a_b_[0-9a-f]{8}$/)
    expect(names[2]).toBe('s__c')
    expect(new Set(names).size).toBe(3)
    expect(assignNames(tools.toReversed())).toEqual(names.toReversed())
  })

  test('the separator inside names does not make two tools one', () => {
    const names = assignNames([
      { server: 'a', tool: 'b__c' },
      { server: 'a__b', tool: 'c' }
    ])
    expect(names[0]).not.toBe(names[1])
    for (const name of names) expect(name).toMatch(LEGAL)
  })

  test('a plain name that looks like a hashed one is told apart too', () => {
    const hashed = assignNames([
      { server: 's', tool: 'a.b' },
      { server: 's', tool: 'a b' }
    ])[0] as string
    const names = assignNames([
      { server: 's', tool: 'a.b' },
      { server: 's', tool: 'a b' },
      { server: 's', tool: hashed.slice('s__'.length) }
    ])
    expect(new Set(names).size).toBe(3)
    for (const name of names) expect(name).toMatch(LEGAL)
  })

  test('the same tool twice has one name', () => {
    const names = assignNames([
      { server: 's', tool: 'x' },
      { server: 's', tool: 'x' }
    ])
    expect(names).toEqual(['s__x', 's__x'])
  })
})
