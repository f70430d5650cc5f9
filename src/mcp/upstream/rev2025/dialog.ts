import type { Clock, Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { CallSink, McpOutcome, McpRequest, RunningCall } from '../../ports.ts'
import type { Json, JsonRpcError, JsonRpcId, JsonRpcRequest } from '../../../wire/json-rpc.ts'
import type { CallEnd, PendingCall } from '../calls.ts'
import type { ConnectionCall, Parking } from '../connection-ports.ts'
import type { Link } from '../link.ts'
import { errorMessage, SkeinError } from '../../../base/errors.ts'
import { isObject } from '../../../base/is-object.ts'
import { INTERNAL_ERROR } from '../../../wire/mcp-spec.ts'
import { isRefusal, progressToken } from '../messages.ts'
import { keepNotifications, type KeptNotifications } from './kept.ts'
import { legacyOutcome, legacyParams, questionParams } from './results.ts'

/**
 * Questions that a server asks at once arrive as several messages. This long we wait for the next one, ms: nothing for a person, and
 * it saves a whole round of the client each.
 */
export const GATHER = 5

export interface DialogDeps {
  clock: Clock
  logger: Logger
  link: Link
  parking: Parking
  /** As of OwnConnection; false on a shared one. */
  sole(): boolean
  /** The question has its answer, or needs none any more. */
  settled(id: JsonRpcId): void
  onParked(parked: boolean): void
  /** The server's own call is over. */
  onOver(call: PendingCall): void
}

/** One call of a client on a legacy server, from its start over all its questions to its end. */
export interface Dialog {
  readonly call: PendingCall
  /** How many have no answer yet. */
  readonly questions: number
  /** Sends the request; what its caller sees. */
  begin(): ConnectionCall
  /** The server asks the client of this call; the call ends for now with `input_required`. */
  ask(question: JsonRpcRequest): void
  /** The server does not want this answer any more. */
  withdraw(id: JsonRpcId): void
  /** Ends the call with this error, and at the server too. */
  fail(error: JsonRpcError): void
}

/** One request of the client: the call itself, or a retry that goes on with it. */
interface Run {
  request: McpRequest
  resolve(outcome: McpOutcome): void
  reject(error: Error): void
  /** Under which its call was parked. */
  ticket: string | undefined
}

/** A dialog whose request is not sent yet. */
export function createDialog({ clock, logger, link, parking, sole, settled, onParked, onOver }: DialogDeps, request: McpRequest, sink: CallSink): Dialog {
  const over = Promise.withResolvers<void>()
  /** Given to the client, by the key under which it answers. */
  const open = new Map<string, JsonRpcRequest>()
  /** Not yet given to the client. */
  let queued: JsonRpcRequest[] = []
  let asked = 0
  let gathering: Timer | undefined
  let kept: KeptNotifications | undefined
  let parked = false
  let ended: CallEnd | undefined
  let [run, outcome] = newRun(request)

  const caller = { client: request.client, sink, token: progressToken(request.params) }
  const call = link.prepare({ caller, timeout: request.timeout, ended: onEnd })

  function onEnd(end: CallEnd): void {
    if (parked) onParked(false)
    ended = end
    gathering?.cancel()
    refuseAll('the call is over')
    onOver(call)
    over.resolve()
    // How it ended waits for the client: one that answers a question of a server that died must hear that the call may have run.
    if (!parked) settle(run, end)
  }
  function settle(to: Run, end: CallEnd): void {
    if ('answer' in end) to.resolve(legacyOutcome(to.request, end.answer))
    else to.reject(end.failure)
  }
  function unpark(): void {
    parked = false
    if (ended === undefined) onParked(false)
  }
  function forgetTicket(): void {
    if (!parked) return
    parking.drop(run.ticket as string)
    unpark()
  }
  function refuseAll(why: string): void {
    const questions = [...open.values(), ...queued]
    open.clear()
    queued = []
    for (const { id } of questions) reply(id, { error: { code: INTERNAL_ERROR, message: `The client was not asked or did not answer: ${why}` } })
  }
  function reply(id: JsonRpcId, answer: { result: Json } | { error: JsonRpcError }): void {
    settled(id)
    link.answer(id, answer)
  }
  /** Both at our side and at the server's. */
  function end(reason: string, how: CallEnd): void {
    if (ended !== undefined) return
    refuseAll(reason)
    link.cancel(call, reason)
    call.finish(how)
  }

  function gather(): void {
    gathering ??= clock.after(GATHER, askClient)
  }
  function askClient(): void {
    gathering = undefined
    for (const question of queued) open.set(`${question.method.split('/')[0]}_${++asked}`, question)
    queued = []
    if (open.size === 0) return
    const ticket = parking.park({ request: run.request, sole: () => ended === undefined && sole(), resume, expire, over: over.promise })
    const inputRequests = Object.fromEntries([...open].map(([key, { method, params }]) => [key, { method, params: questionParams(params ?? {}) }]))
    kept = keepNotifications()
    call.pause()
    call.caller = { client: run.request.client, sink: kept.sink, token: progressToken(run.request.params) }
    parked = true
    onParked(true)
    run.ticket = ticket
    run.resolve({ result: { resultType: 'input_required', inputRequests, requestState: ticket } })
  }
  function expire(reason: string): void {
    unpark()
    end(reason, { failure: new SkeinError('SKEIN_CANCELLED', `The request was ended: ${reason}`) })
  }

  function resume(retry: McpRequest, to: CallSink): RunningCall {
    unpark()
    ;[run, outcome] = newRun(retry)
    const current = run
    const token = progressToken(retry.params)
    call.caller = { client: retry.client, sink: to, token }
    if (ended === undefined) call.proceed(retry.timeout)
    // The one who retries has to get hold of the call before anything comes of it.
    queueMicrotask(() => {
      try {
        kept?.deliver(to, token)
      } catch (error) {
        logger.error('a client did not take what its server said meanwhile', { error: errorMessage(error) })
      }
      if (ended !== undefined) settle(current, ended)
      else takeAnswers(retry.params.inputResponses)
    })
    return running(current, outcome)
  }
  function takeAnswers(responses: unknown): void {
    for (const [key, { id }] of open) {
      const value = isObject(responses) && Object.hasOwn(responses, key) ? responses[key] : undefined
      // Without a proper answer the client is asked again, this time for what is missing.
      if (!isObject(value)) continue
      open.delete(key)
      reply(id, isRefusal(value) ? { error: value.error } : { result: value })
    }
    if (open.size > 0 || queued.length > 0) gather()
  }

  function running(of: Run, promise: Promise<McpOutcome>): RunningCall {
    return {
      outcome: promise,
      cancel(reason) {
        if (of !== run) return
        // Also while it is parked: nobody comes back for this one.
        forgetTicket()
        end(reason, { failure: new SkeinError('SKEIN_CANCELLED', `The request was cancelled: ${reason}`) })
      }
    }
  }

  return {
    call,
    get questions() {
      return open.size + queued.length
    },
    begin() {
      link.submit(call, request.method, legacyParams(request.params))
      return { ...running(run, outcome), over: over.promise }
    },
    ask(question) {
      queued.push(question)
      if (!parked) gather()
    },
    withdraw(id) {
      queued = queued.filter((question) => question.id !== id)
      for (const [key, question] of open) if (question.id === id) open.delete(key)
      settled(id)
    },
    fail(error) {
      end('the client cannot be asked', { answer: { error } })
    }
  }
}

function newRun(request: McpRequest): [Run, Promise<McpOutcome>] {
  const { promise, resolve, reject } = Promise.withResolvers<McpOutcome>()
  return [{ request, resolve, reject, ticket: undefined }, promise]
}
