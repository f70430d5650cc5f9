import { describe, expect, test } from 'vitest'
import { describeConfig } from '../../../src/config/schema.ts'
import { decodeRegister, decodeSetting, encodeRegister, parseRegisterKey, SETTINGS } from '../../../src/wire/federation-registers.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'

const PEER = peerIdOfKey(new Uint8Array(32).fill(7))

describe('keys', () => {
  test('settings and bans, and nothing else', () => {
    expect(parseRegisterKey('setting/max_tools')).toEqual({ kind: 'setting', name: 'max_tools' })
    expect(parseRegisterKey(`ban/${PEER}`)).toEqual({ kind: 'ban', peer: PEER })
    for (const key of ['hub', 'voters', 'setting/', 'setting/toString', 'setting/max_tools/x', 'ban/', 'ban/alpha', `ban/${PEER}x`, '']) expect(parseRegisterKey(key), key).toBeUndefined()
  })

  test('the bounds of a setting are those of its configuration key', () => {
    const rows = describeConfig()
    for (const [name, { min, max }] of Object.entries(SETTINGS)) expect(rows.find(({ key }) => key === `federation.${name}` || key === `catalog.${name}`)?.type, name).toBe(`whole number, ${min} to ${max}`)
  })
})

describe('values', () => {
  test.each([
    ['setting/max_tools', 10],
    ['setting/max_child_hubs', 1_000],
    [`ban/${PEER}`, 'stolen on 3 May']
  ])('%s %j there and back', (key, value) => {
    expect(decodeRegister(key, encodeRegister(key, value))).toBe(value)
    expect(encodeRegister(key, null)).toBeUndefined()
    expect(decodeRegister(key, undefined)).toBeUndefined()
  })

  test.each([
    ['setting/max_tools', 9],
    ['setting/max_tools', 10.5],
    ['setting/max_tools', '10'],
    ['setting/max_clusters', 1_001],
    ['setting/max_clusters', undefined],
    [`ban/${PEER}`, true],
    [`ban/${PEER}`, ' '],
    [`ban/${PEER}`, 'x'.repeat(201)],
    ['hub', 1]
  ])('%s %j is refused with a sentence, and read as nothing', (key, value) => {
    expect(() => encodeRegister(key, value)).toThrow(expect.objectContaining({ code: 'SKEIN_BAD_REQUEST', message: expect.stringMatching(/must be .*; to take it back: null, on the command line none\.$|cannot be proposed\. There are: setting\/max_tools/) }))
    expect(decodeRegister(key, Buffer.from(JSON.stringify(value ?? null)))).toBeUndefined()
  })

  test('bytes that are no value, or too many, read as nothing', () => {
    expect(decodeSetting('max_tools', Buffer.from('12'))).toBe(12)
    for (const bytes of [Buffer.from(''), Buffer.from('{'), Buffer.from([0xff]), Buffer.from(`${' '.repeat(3_000)}12`)]) expect(decodeSetting('max_tools', bytes)).toBeUndefined()
  })
})
