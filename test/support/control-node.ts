import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { silentLogger } from '../../src/base/logger.ts'
import { removeRunFile, writeRunFile } from '../../src/http/control/run-file.ts'
import { createControlServer } from '../../src/http/control/server.ts'
import { createFakeNodeApi } from './fake-node-api.ts'
import type { FakeNodeApi } from './fake-node-api.ts'

export interface ControlNode {
  api: FakeNodeApi
  dataDir: string
  socketPath: string
  stop(): Promise<void>
}

const made: string[] = []

export async function temporaryDir(prefix = 'skein-test-'): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), prefix))
  made.push(path)
  return path
}

/** Removes every directory that temporaryDir made; for afterEach. */
export async function removeTemporaryDirs(): Promise<void> {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true })
}

/** A control socket and a run file over a node that only remembers. */
export async function startControlNode(
  options: { dataDir?: string; acceptMcp?: (req: IncomingMessage, socket: Duplex, head: Buffer) => void } = {}
): Promise<ControlNode> {
  const dataDir = options.dataDir ?? (await temporaryDir())
  const api = createFakeNodeApi()
  const acceptMcp = options.acceptMcp ?? ((_req, socket) => void socket.destroy())
  const server = createControlServer({ api: () => api, stop: (options) => api.stop(options), logger: silentLogger, acceptMcp }, { dataDir })
  const { socketPath } = await server.start()
  const run = { pid: process.pid, version: '0.1.0', httpUrl: 'http://127.0.0.1:1', controlSocket: socketPath, peer: 'p', addresses: [], started: 1 }
  await writeRunFile(dataDir, run)
  const close = async () => {
    await server.stop()
    await removeRunFile(dataDir, process.pid)
  }
  api.onStop(close)
  return {
    api,
    dataDir,
    socketPath,
    stop: close
  }
}
