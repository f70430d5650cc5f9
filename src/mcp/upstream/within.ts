import type { Clock } from '../../base/clock.ts'

/** As the promise; rejects with `late` after `ms`, or with the signal's reason. Leaves no listener behind. */
export function within<T>(clock: Clock, promise: Promise<T>, ms: number, late: Error, { signal }: { signal: AbortSignal }): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => settle(() => reject(late)))
    const onAbort = () => settle(() => reject(signal.reason))
    const settle = (fn: () => void) => {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      fn()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error))
    )
  })
}
