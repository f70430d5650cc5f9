import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Measure, Measured, Reply, WorkerStart } from './protocol.ts'

const WORKER = join(import.meta.dirname, 'worker.ts')
const START_MS = 20_000

export interface Worker {
  /** What others connect to. */
  readonly address: string
  measure(what: Measure): Promise<Measured>
  close(): Promise<void>
}

async function reply(child: ChildProcess, within: number): Promise<Reply> {
  const [message] = (await once(child, 'message', { signal: AbortSignal.timeout(within) })) as [Reply]
  if (message.failed !== undefined) throw new Error(message.failed)
  return message
}

/** @param nodeArgs flags for the worker's Node, such as --cpu-prof */
export async function startWorker(start: WorkerStart, nodeArgs: readonly string[] = []): Promise<Worker> {
  const child = fork(WORKER, [JSON.stringify(start)], { execArgv: [...nodeArgs], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const { ready = '' } = await reply(child, START_MS)
  return {
    address: ready,
    async measure(what) {
      const answer = reply(child, what.ms + START_MS)
      child.send(what)
      return (await answer).measured as Measured
    },
    async close() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    }
  }
}

export interface Broker {
  address: string
  version: string
  close(): Promise<void>
}

/** nats-server on a free port; undefined where it is not installed. */
export async function startNats(): Promise<Broker | undefined> {
  const { stdout, error } = spawnSync('nats-server', ['--version'], { encoding: 'utf8' })
  if (error !== undefined) return undefined
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', '-1'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
    const port = /client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1]
    if (port !== undefined && log.includes('Server is ready')) resolve(port)
  })
  child.once('error', reject)
  child.once('exit', () => reject(new Error(`nats-server ended:\n${log}`)))
  return {
    address: await promise,
    version: stdout.trim(),
    async close() {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    }
  }
}
