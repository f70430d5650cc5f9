import { createHash } from 'node:crypto'
import { lstat, mkdir, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { CONTROL_SOCKET_NAME } from '../../wire/run-file.ts'

/** The kernel's limit is 107 bytes on Linux and 103 on macOS, the terminating zero apart. */
const MAX_SOCKET_PATH_BYTES = 100

/** The directory is shared by all users: one of ours is 0700, ours, and no link, or somebody else prepared it. */
async function privateDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const stat = await lstat(path)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
    throw new SkeinError('SKEIN_DATA_DIR', `${path} belongs to somebody else or is open to others; remove it, or use a data directory with a shorter path.`)
  }
}

/**
 * Where the control socket of a data directory is: inside it, or, where that path is too long for a socket, at a path that
 * follows from it in the directory for temporary files.
 * @throws SKEIN_DATA_DIR when that place is not safe
 */
export async function controlSocketPath(dataDir: string): Promise<string> {
  const inside = join(resolve(dataDir), CONTROL_SOCKET_NAME)
  if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH_BYTES) return inside
  const hash = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 16)
  const directory = join(tmpdir(), `skein-${process.getuid?.() ?? 0}-${hash}`)
  await privateDirectory(directory)
  return join(directory, CONTROL_SOCKET_NAME)
}

/** Leaves nothing in the directory for temporary files; a data directory stays. */
export async function removeSocketPlace(path: string, dataDir: string): Promise<void> {
  const place = dirname(path)
  // Not empty means that the next node is there already.
  if (place !== resolve(dataDir)) await rmdir(place).catch(() => {})
}
