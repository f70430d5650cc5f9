import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readPrivateFile, writePrivateFile } from '../../../src/store/private-file.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-key-'))
  path = join(folder, 'identity.key')
})
afterEach(() => rmSync(folder, { recursive: true }))

test('what is written can be read, by its owner alone, and leaves nothing beside it', () => {
  writePrivateFile(path, Uint8Array.of(1, 2, 3))
  writePrivateFile(path, Uint8Array.of(4, 5))
  expect(readPrivateFile(path)).toEqual(Uint8Array.of(4, 5))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['identity.key'])
})

test('a file with loose permissions becomes tight when it is written again', () => {
  writeFileSync(path, 'x', { mode: 0o644 })
  writePrivateFile(path, Uint8Array.of(1))
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('no file is no error', () => {
  expect(readPrivateFile(path)).toBeUndefined()
})

test.each([0o640, 0o604, 0o620, 0o644, 0o777])('mode %o is refused with the command to run', (mode) => {
  writeFileSync(path, 'x')
  chmodSync(path, mode)
  expect(() => readPrivateFile(path)).toThrow(
    expect.objectContaining({ code: 'SKEIN_KEY_FILE', message: expect.stringContaining(`chmod 600 '${path}'`) as string, data: { path, mode: mode.toString(8) } })
  )
})

test('a folder, or a file too large for a secret, is refused', () => {
  expect(() => readPrivateFile(folder)).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE' }))
  writeFileSync(path, '', { mode: 0o600 })
  truncateSync(path, 1_000_000_000)
  expect(() => readPrivateFile(path)).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE', message: expect.stringContaining('1000000000 bytes') as string }))
})

test('a folder that is not there is named, and so is a path through a file', () => {
  const missing = join(folder, 'none', 'key')
  expect(() => writePrivateFile(missing, Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE', message: expect.stringContaining(missing) as string }))
  writeFileSync(path, 'x', { mode: 0o600 })
  expect(() => readPrivateFile(join(path, 'key'))).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE' }))
})
