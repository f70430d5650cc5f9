import type { ByteStream, StreamHandlers } from '../../src/rpc/ports.ts'

export interface PairOptions {
  /** Longest piece delivered at once; a function is asked each time. @default everything that waits, send by send */
  fragment?: number | (() => number)
  /** Unsent bytes from which `send` says false. @default 256 KiB */
  capacity?: number
}

/** One end of the pair, with what a test wants to see and do. */
export interface PairEnd extends ByteStream {
  /** No bytes leave this end while true: a stalled link. */
  stalled: boolean
  readonly paused: boolean
  readonly closed: boolean
  /** All bytes handed over, ever. */
  readonly sentBytes: number
  readonly sends: number
  /** Highest value of `unsent`. */
  readonly peakUnsent: number
}

export interface StreamPair {
  a: PairEnd
  b: PairEnd
  /** Delivers one piece each way; false if nothing moved. */
  step(): boolean
  /** Steps until nothing moves. */
  run(): void
  /** Both ends close with this error, what was under way is lost. */
  cut(error?: Error): void
}

interface End extends PairEnd {
  queue: Uint8Array[]
  handlers: StreamHandlers | undefined
  ended: boolean
  finished: boolean
  step(other: End): boolean
  finish(error?: Error): void
}

/** Two linked byte streams in memory that move only when stepped. */
export function createStreamPair(options: PairOptions = {}): StreamPair {
  const a = createEnd(options, (error) => b.finish(error))
  const b = createEnd(options, (error) => a.finish(error))
  const step = () => {
    const forth = a.step(b)
    return b.step(a) || forth
  }
  return {
    a,
    b,
    step,
    run() {
      while (step());
    },
    cut(error = new Error('the link was cut')) {
      a.finish(error)
      b.finish(error)
    }
  }
}

function createEnd(options: PairOptions, reset: (error: Error) => void): End {
  const capacity = options.capacity ?? 262_144
  let unsent = 0
  let full = false
  let paused = false
  let sentBytes = 0
  let sends = 0
  let peakUnsent = 0
  const end: End = {
    queue: [],
    handlers: undefined,
    ended: false,
    finished: false,
    stalled: false,
    get paused() {
      return paused
    },
    get closed() {
      return end.ended || end.finished
    },
    get sentBytes() {
      return sentBytes
    },
    get sends() {
      return sends
    },
    get peakUnsent() {
      return peakUnsent
    },
    get unsent() {
      return unsent
    },
    send(bytes) {
      if (end.ended || end.finished) return false
      end.queue.push(bytes)
      unsent += bytes.length
      sentBytes += bytes.length
      sends++
      peakUnsent = Math.max(peakUnsent, unsent)
      full = unsent >= capacity
      return !full
    },
    pause() {
      paused = true
    },
    resume() {
      paused = false
    },
    close() {
      end.ended = true
    },
    abort(reason) {
      if (end.finished) return
      end.finish(reason)
      reset(new Error(`reset by the other side: ${reason.message}`))
    },
    attach(handlers) {
      end.handlers = handlers
    },
    finish(error) {
      if (end.finished) return
      end.finished = true
      end.queue = []
      unsent = 0
      end.handlers?.closed(error)
    },
    step(other) {
      if (end.finished || end.stalled || other.paused || other.handlers === undefined) return false
      const first = end.queue[0]
      if (first === undefined) {
        if (!end.ended) return false
        end.finish()
        other.finish()
        return true
      }
      const limit = typeof options.fragment === 'function' ? options.fragment() : (options.fragment ?? Infinity)
      const size = Math.max(1, Math.min(limit, first.length))
      if (size === first.length) end.queue.shift()
      else end.queue[0] = first.subarray(size)
      unsent -= size
      other.handlers.data(first.subarray(0, size))
      if (full && unsent < capacity / 2 && !end.finished) {
        full = false
        end.handlers?.drain()
      }
      return true
    }
  }
  return end
}
