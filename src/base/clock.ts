/** A pending timer; cancelling one that has fired is harmless. */
export interface Timer {
  cancel(): void
}

/** Time as a dependency, so that everything above it runs in virtual time too. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number
  /** Unix time in milliseconds: for documents that other machines read, never for intervals. */
  wall(): number
  /** Calls `fn` once after `ms` milliseconds. The timer does not keep the process alive. */
  after(ms: number, fn: () => void): Timer
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    // Sockets and the start-up promise keep the process alive; a timer alone never should.
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  }
}

/** Resolves after `ms`; rejects with the signal's reason when it aborts first. Leaves no listener behind. */
export function sleep(clock: Clock, ms: number, options: { signal?: AbortSignal } = {}): Promise<void> {
  const { signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
