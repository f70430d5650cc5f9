import type { Clock, Timer } from '../../base/clock.ts'
import type { CallSink, McpOutcome } from '../ports.ts'
import type { Json, JsonRpcId } from '../../wire/json-rpc.ts'
import { SkeinError } from '../../base/errors.ts'
import { isObject } from './messages.ts'

/** A server that reports progress for ever must not hold its caller for ever. */
const LONGEST_CALL = 3_600_000

/** One request of ours on a connection, from its sending to its end. */
export interface PendingCall {
  readonly id: number
  /** The client session it belongs to; undefined for our own requests. */
  readonly session: string | undefined
  readonly sink: CallSink | undefined
  /** The client's own token, to be put back into its progress. */
  readonly token: JsonRpcId | undefined
  /** The transport took the message: from now on the server may have run it. */
  handed: boolean
  renew(): void
  finish(end: { outcome: McpOutcome } | { error: Error }): void
}

export interface CallTable {
  add(options: { session?: string; sink?: CallSink; token: JsonRpcId | undefined; timeout: number }, settle: Settle): PendingCall
  get(id: number): PendingCall | undefined
  /** In the order they were made. */
  all(): IterableIterator<PendingCall>
  readonly size: number
}

interface Settle {
  resolve(outcome: McpOutcome): void
  reject(error: Error): void
  /** The time is over; the call is already finished. */
  expired(call: PendingCall): void
}

/** The running requests of one connection, each with its timer. `suspended()` true stops the clock: somebody waits for a person. */
export function createCallTable(clock: Clock, suspended: () => boolean): CallTable {
  const calls = new Map<number, PendingCall>()
  let lastId = 0
  return {
    add({ session, sink, token, timeout }, settle) {
      const id = ++lastId
      const started = clock.now()
      let timer: Timer
      let due = 0
      const arm = () => {
        due = clock.now() + timeout
        timer = clock.after(timeout, onTimer)
      }
      const onTimer = () => {
        // Progress only moves `due`: a timer per progress message would cost more than the message.
        const left = due - clock.now()
        if (left > 0) timer = clock.after(left, onTimer)
        else if (suspended() && clock.now() - started < LONGEST_CALL) arm()
        else {
          call.finish({ error: new SkeinError('SKEIN_DEADLINE', `The server did not answer within ${timeout} ms. Raise mcp.servers.<name>.timeout if it needs longer.`) })
          settle.expired(call)
        }
      }
      const call: PendingCall = {
        id,
        session,
        sink,
        token,
        handed: false,
        renew() {
          due = Math.min(clock.now() + timeout, started + Math.max(LONGEST_CALL, timeout))
        },
        finish(end) {
          if (!calls.delete(id)) return
          timer.cancel()
          if ('outcome' in end) settle.resolve(end.outcome)
          else settle.reject(end.error)
        }
      }
      calls.set(id, call)
      arm()
      return call
    },
    get: (id) => calls.get(id),
    all: () => calls.values(),
    get size() {
      return calls.size
    }
  }
}

/** The progress token a client put into its request, if any. */
export function progressToken(params: Json): JsonRpcId | undefined {
  const token = isObject(params._meta) ? params._meta.progressToken : undefined
  return typeof token === 'string' || typeof token === 'number' ? token : undefined
}

/** The same params with another progress token; everything else in `_meta` stays. */
export function withProgressToken(params: Json, token: JsonRpcId): Json {
  return { ...params, _meta: { ...(params._meta as Json), progressToken: token } }
}
