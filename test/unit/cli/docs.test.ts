import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'

describe('docs/cli.md', () => {
  test('is what the commands say', () => {
    const script = new URL('../../../scripts/gen-cli.ts', import.meta.url).pathname
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
  })
})
