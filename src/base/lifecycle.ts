import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import { errorMessage } from './errors.ts'

export interface Step {
  name: string
  start?: () => void | Promise<void>
  stop?: () => void | Promise<void>
  /** How long stop may take before the next step stops anyway, ms. @default 5000 */
  stopWithin?: number
}

const DEFAULT_STOP_WITHIN = 5_000

export interface Lifecycle {
  /** Starts the step and remembers to stop it. Rejects with the reason of `signal` once that has aborted, or when stopping. */
  start(step: Step): Promise<void>
  /** Stops what was started, in reverse. Every step is tried, none may hang; errors are logged, never thrown. Idempotent. */
  stop(): Promise<void>
}

/**
 * Start in order, stop in reverse: one explicit list instead of everything at once, so order bugs cannot hide.
 * @param deps.signal ends a start between two steps
 */
export function createLifecycle(deps: { clock: Clock; logger: Logger; signal?: AbortSignal }): Lifecycle {
  const started: Step[] = []
  let stopping: Promise<void> | undefined

  async function stopOne(step: Step): Promise<void> {
    if (step.stop === undefined) return
    const within = step.stopWithin ?? DEFAULT_STOP_WITHIN
    let timer
    try {
      const late = new Promise<never>((_, reject) => {
        timer = deps.clock.after(within, () => reject(new Error(`did not stop within ${within} ms`)))
      })
      await Promise.race([Promise.resolve(step.stop()), late])
    } catch (error) {
      deps.logger.error(`stopping ${step.name} failed`, { error: errorMessage(error) })
    } finally {
      ;(timer as { cancel(): void } | undefined)?.cancel()
    }
  }

  return {
    async start(step) {
      deps.signal?.throwIfAborted()
      if (stopping !== undefined) throw new Error(`${step.name} cannot start: the node is stopping`)
      // Remembered before it starts, so that a half-started step is cleaned up too.
      started.push(step)
      await step.start?.()
    },
    stop() {
      stopping ??= (async () => {
        for (const step of started.toReversed()) await stopOne(step)
      })()
      return stopping
    }
  }
}
