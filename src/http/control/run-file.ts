import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RUN_FILE_NAME, parseRunFile } from '../../wire/run-file.ts'
import type { RunFile } from '../../wire/run-file.ts'

/** Writes `run.json` (0600), whole or not at all. */
export async function writeRunFile(dataDir: string, run: RunFile): Promise<void> {
  const path = join(dataDir, RUN_FILE_NAME)
  const fresh = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(fresh, `${JSON.stringify(run, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' })
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

/** The run file of a data directory; undefined when there is none that can be read. */
export async function readRunFile(dataDir: string): Promise<RunFile | undefined> {
  const text = await readFile(join(dataDir, RUN_FILE_NAME), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : parseRunFile(text)
}

/** Removes the run file, unless another process has written its own meanwhile. */
export async function removeRunFile(dataDir: string, pid: number): Promise<void> {
  const run = await readRunFile(dataDir)
  if (run === undefined || run.pid === pid) await rm(join(dataDir, RUN_FILE_NAME), { force: true })
}
