import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

// Runs before each test file: whatever it, its nodes and their servers put into the temporary directory is gone when it is over, also if it failed.

const outside = process.env['TMPDIR']
// This one stays: without it every node of every file would compile its sources again.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache')
const own = mkdtempSync(join(tmpdir(), 'skein-t-'))
process.env['TMPDIR'] = own

// Set up first, so run last. Processes that a failed test left may still write for a moment.
afterAll(() => {
  if (outside === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = outside
  rmSync(own, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
})
