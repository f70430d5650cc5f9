import type { Clock, Timer } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { AlgorithmName, Algorithms, Job } from './algorithms/run.ts'
import type { OnProgress } from './algorithms/betweenness.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** One worker as the pool sees it; spawn.ts makes them of threads. */
export interface WorkerPort {
  post(message: ToWorker): void
  terminate(): void
}

export interface WorkerEvents {
  onMessage(message: FromWorker): void
  /** It ended without being asked to, for example out of memory. Called at most once, never after terminate. */
  onCrash(reason: string): void
}

export interface JobRunner {
  /**
   * Runs a job in a worker. `onProgress` is never called after the promise settled.
   * @throws the signal's reason when it aborts (the worker is ended at once); SKEIN_BUSY when the queue is full; SKEIN_DEADLINE;
   * SKEIN_INTERNAL when the worker broke down; what the algorithm throws
   */
  run<Name extends AlgorithmName>(job: Job<Name>, options: { signal: AbortSignal; onProgress?: OnProgress }): Promise<Algorithms[Name]['result']>
  readonly waiting: number
  readonly workers: number
  /** Ends all workers; jobs under way fail. */
  close(): void
}

/** Two long jobs of two clients make progress side by side; more would only take the cores from the rest of the node. */
const MAX_WORKERS = 2
/** Each waiting job holds a copy of its graph, a few megabytes at most; whoever comes later is better told to come back. */
const MAX_WAITING = 16
/** Starting a worker costs about 100 ms, an idle one about 10 MB: keep it through a burst of calls, not overnight. */
const IDLE_TIME = 10_000

interface Task {
  job: Job
  onProgress: OnProgress | undefined
  worker: Slot | undefined
  /** Settles the promise once and lets go of signal and timer. */
  settle(outcome: { result: unknown } | { error: unknown }): void
}

interface Slot {
  port: WorkerPort
  task: Task | undefined
  idleTimer: Timer | undefined
}

export function createJobRunner(deps: { clock: Clock; spawn: (events: WorkerEvents) => WorkerPort }, options: { deadline: number }): JobRunner {
  const queue: Task[] = []
  const slots = new Set<Slot>()
  let closed = false

  function drop(slot: Slot): void {
    slots.delete(slot)
    slot.idleTimer?.cancel()
    slot.task = undefined
    slot.port.terminate()
  }

  function spawn(): Slot {
    const slot: Slot = {
      task: undefined,
      idleTimer: undefined,
      port: deps.spawn({
        onMessage: (message) => onMessage(slot, message),
        onCrash(reason) {
          if (!slots.delete(slot)) return
          slot.idleTimer?.cancel()
          slot.task?.settle({ error: new SkeinError('SKEIN_INTERNAL', `The computation broke down (${reason}); try a smaller graph`) })
          next()
        }
      })
    }
    slots.add(slot)
    return slot
  }

  function onMessage(slot: Slot, message: FromWorker): void {
    const { task } = slot
    if (task === undefined) return
    if (message.kind === 'progress') return task.onProgress?.(message.done, message.total)
    slot.task = undefined
    slot.idleTimer = deps.clock.after(IDLE_TIME, () => drop(slot))
    task.settle(message.kind === 'done' ? { result: message.result } : { error: new SkeinError(message.code, message.message) })
    next()
  }

  function next(): void {
    // Once closed, the queue is empty and stays so.
    while (queue.length > 0) {
      const slot = [...slots].find(({ task }) => task === undefined) ?? (slots.size < MAX_WORKERS ? spawn() : undefined)
      if (slot === undefined) return
      const task = queue.shift()!
      slot.idleTimer?.cancel()
      slot.idleTimer = undefined
      slot.task = task
      task.worker = slot
      slot.port.post(task.job)
    }
  }

  /** Lets go of a task that nobody waits for any more: the only way to stop a computation is to end its thread. */
  function abandon(task: Task, error: unknown): void {
    const at = queue.indexOf(task)
    if (at >= 0) queue.splice(at, 1)
    if (task.worker?.task === task) drop(task.worker)
    task.settle({ error })
    next()
  }

  return {
    get waiting() {
      return queue.length
    },
    get workers() {
      return slots.size
    },
    run<Name extends AlgorithmName>(job: Job<Name>, { signal, onProgress }: { signal: AbortSignal; onProgress?: OnProgress }) {
      return new Promise<Algorithms[Name]['result']>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        if (closed) return reject(new SkeinError('SKEIN_SESSION_CLOSED', 'The graph server is stopping'))
        if (queue.length >= MAX_WAITING) {
          return reject(new SkeinError('SKEIN_BUSY', `${MAX_WAITING} computations are waiting already; try again when some of them are done`))
        }
        const onAbort = () => abandon(task, signal.reason)
        const timer = deps.clock.after(options.deadline, () => {
          abandon(task, new SkeinError('SKEIN_DEADLINE', `The computation took longer than ${options.deadline / 1000} s; take a smaller part of the graph`))
        })
        let settled = false
        const task: Task = {
          job,
          onProgress,
          worker: undefined,
          settle(outcome) {
            if (settled) return
            settled = true
            timer.cancel()
            signal.removeEventListener('abort', onAbort)
            if ('error' in outcome) reject(outcome.error)
            else resolve(outcome.result as Algorithms[Name]['result'])
          }
        }
        signal.addEventListener('abort', onAbort, { once: true })
        queue.push(task)
        next()
      })
    },
    close() {
      closed = true
      const error = new SkeinError('SKEIN_SESSION_CLOSED', 'The graph server is stopping')
      const tasks = [...queue.splice(0), ...[...slots].flatMap(({ task }) => (task === undefined ? [] : [task]))]
      for (const slot of slots) drop(slot)
      for (const task of tasks) task.settle({ error })
    }
  }
}
