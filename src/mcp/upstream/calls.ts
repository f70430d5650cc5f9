import type { Clock, Timer } from '../../base/clock.ts'
import type { CallSink, ClientContext } from '../ports.ts'
import type { JsonRpcId } from '../../wire/json-rpc.ts'
import type { Answer } from './messages.ts'
import { SkeinError } from '../../base/errors.ts'

/** A server that reports progress for ever must not hold its caller for ever. */
const LONGEST_CALL = 3_600_000

/** Whom a call belongs to; another one after a parked call was resumed. */
export interface Caller {
  client: ClientContext
  sink: CallSink
  /** The client's own token, to be put back into its progress. */
  token: JsonRpcId | undefined
}

/** An answer of the server, or why there is none. */
export type CallEnd = { answer: Answer } | { failure: Error }

/** One request of ours on a connection, from its sending to its end. */
export interface PendingCall {
  readonly id: number
  /** Undefined for our own requests. */
  caller: Caller | undefined
  /** The transport took the message: from now on the server may have run it. */
  handed: boolean
  /** The server gave a sign of life: the time starts again. */
  renew(): void
  /** No time runs until `proceed`. */
  pause(): void
  proceed(timeout: number): void
  /** Nothing happens if it is over already. */
  finish(end: CallEnd): void
}

export interface CallOptions {
  caller?: Caller
  /** Undefined: only its answer or the end of the link ends it. */
  timeout: number | undefined
  ended(end: CallEnd): void
  /** The time is over; the call has ended with SKEIN_DEADLINE. */
  expired(call: PendingCall): void
}

export interface CallTable {
  add(options: CallOptions): PendingCall
  get(id: number): PendingCall | undefined
  /** In the order they were made. */
  all(): IterableIterator<PendingCall>
}

/** The running requests of one connection, each with its timer. `suspended()` true stops the clock of all: somebody waits for a person. */
export function createCallTable(clock: Clock, suspended: () => boolean): CallTable {
  const calls = new Map<number, PendingCall>()
  let lastId = 0
  return {
    add({ caller, timeout: first, ended, expired }) {
      const id = ++lastId
      let timeout = first
      let timer: Timer | undefined
      let due = 0
      let pausedAt = 0
      let last = clock.now() + Math.max(LONGEST_CALL, timeout ?? 0)
      const arm = (limit: number) => {
        timer?.cancel()
        timeout = limit
        due = clock.now() + limit
        timer = clock.after(limit, onTimer)
      }
      const onTimer = () => {
        // Progress only moves `due`: a timer per progress message would cost more than the message.
        const left = due - clock.now()
        if (left > 0) timer = clock.after(left, onTimer)
        else if (suspended() && clock.now() < last) arm(timeout as number)
        else {
          call.finish({ failure: new SkeinError('SKEIN_DEADLINE', `The server did not answer within ${timeout} ms. Raise mcp.servers.<name>.timeout if it needs longer.`) })
          expired(call)
        }
      }
      const call: PendingCall = {
        id,
        caller,
        handed: false,
        renew() {
          if (timeout !== undefined) due = Math.min(clock.now() + timeout, last)
        },
        pause() {
          timer?.cancel()
          pausedAt = clock.now()
        },
        proceed(limit) {
          last += clock.now() - pausedAt
          arm(limit)
        },
        finish(end) {
          if (!calls.delete(id)) return
          timer?.cancel()
          ended(end)
        }
      }
      calls.set(id, call)
      if (timeout !== undefined) arm(timeout)
      return call
    },
    get: (id) => calls.get(id),
    all: () => calls.values()
  }
}
