import { Worker } from 'node:worker_threads'
import type { WorkerEvents, WorkerPort } from './jobs.ts'
import type { FromWorker } from './worker-messages.ts'

/** A graph of a million edges and its search state take a tenth of this; a runaway must not take the whole machine. */
const MAX_HEAP_MB = 512

/** Sources run as they are, the built package as JavaScript: the worker has the ending of this file. */
const WORKER_FILE = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

/** A worker thread. It does not keep the process alive: when the client is gone, so is the point of its computation. */
export function spawnWorker(events: WorkerEvents): WorkerPort {
  const worker = new Worker(WORKER_FILE, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB }, stdout: true })
  let over = false
  const end = (reason: string) => {
    if (over) return
    over = true
    events.onCrash(reason)
  }
  worker.on('message', (message: FromWorker) => {
    if (!over) events.onMessage(message)
  })
  worker.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? `it needed more than ${MAX_HEAP_MB} MB` : error.message))
  worker.on('exit', (code) => end(`its thread ended with code ${code}`))
  worker.unref()
  return {
    post: (message) => worker.postMessage(message),
    terminate() {
      over = true
      // Resolves once the thread is gone; nothing waits for that, and it never rejects.
      void worker.terminate()
    }
  }
}
