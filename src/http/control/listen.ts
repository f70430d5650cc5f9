import { chmod, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { SkeinError } from '../../base/errors.ts'

/** A live node accepts at once, even a busy one (the kernel does it); this only guards against a wedged machine. */
const PROBE_TIMEOUT = 2_000

/** Whether some process listens behind a socket file. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const settle = (live: boolean) => {
      socket.destroy()
      resolve(live)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'))
    // Accepting is the kernel's work: silence means a full backlog, hence a process that lives.
    socket.setTimeout(PROBE_TIMEOUT, () => settle(true))
  })
}

function listenOnce(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // The file is created inside listen(): with this mask nobody else can open it, not even for a moment.
    const mask = process.umask(0o177)
    try {
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      process.umask(mask)
    }
  })
}

/**
 * Listens on a unix socket of mode 0600. The file of a node that died is replaced.
 * @throws SKEIN_ALREADY_RUNNING when a live process listens there
 */
export async function listenOnSocket(server: Server, path: string, dataDir: string): Promise<void> {
  try {
    await listenOnce(server, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (await isLive(path)) {
      throw new SkeinError('SKEIN_ALREADY_RUNNING', `A node already runs in ${dataDir}. Stop it with \`skein stop\`, or start this one with another --data-dir.`, {
        cause: error,
        data: { dataDir }
      })
    }
    await rm(path, { force: true })
    await listenOnce(server, path)
  }
  await chmod(path, 0o600)
}
