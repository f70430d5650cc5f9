import { parentPort } from 'node:worker_threads'
import { toSkeinError } from '../../base/errors.ts'
import { runJob } from './algorithms/run.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** A person sees no more than a few steps a second, and each costs the server's event loop a message. */
const PROGRESS_INTERVAL = 100

const port = parentPort
if (port === null) throw new Error('worker.ts runs only as a worker thread; start main.ts instead')

const post = (message: FromWorker) => port.postMessage(message)

port.on('message', (job: ToWorker) => {
  let last = performance.now()
  const onProgress = (done: number, total: number) => {
    const now = performance.now()
    if (now - last < PROGRESS_INTERVAL && done < total) return
    last = now
    post({ kind: 'progress', done, total })
  }
  runJob(job, onProgress).then(
    (result) => post({ kind: 'done', result }),
    (error: unknown) => {
      const { code, message } = toSkeinError(error)
      post({ kind: 'failed', code, message })
    }
  )
})
