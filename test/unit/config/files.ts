import { mkdtempSync, rmSync, writeFileSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { isSkeinError } from '../../../src/base/errors.ts'
import { loadConfig, type LoadOptions } from '../../../src/config/load.ts'
import type { LoadedConfig, Problem } from '../../../src/config/types.ts'

/** A directory of this test file, removed after its tests. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'skein-config-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Writes a file that only its owner may read, unless `mode` says otherwise. */
export function write(directory: string, name: string, text: string | Uint8Array, mode = 0o600): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

/** Loads `yaml` from a file in `directory`, without the environment of the test run. */
export function load(directory: string, yaml: string | undefined, options: Partial<LoadOptions> = {}): LoadedConfig {
  const file = yaml === undefined ? undefined : write(directory, 'node.yaml', yaml)
  return loadConfig({ file, env: {}, cwd: directory, ...options })
}

/** The problems that loading reports; fails if it does not, or with another kind of error. */
export function problemsOf(run: () => unknown): Problem[] {
  try {
    run()
  } catch (error) {
    if (isSkeinError(error, 'SKEIN_CONFIG')) return (error.data as { problems: Problem[] }).problems
    throw error
  }
  throw new Error('the configuration was accepted')
}
