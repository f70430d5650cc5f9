import { isObject } from '../../../base/is-object.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Json, JsonRpcError } from '../../../wire/json-rpc.ts'
import { INTERNAL_ERROR } from '../../../wire/mcp-spec.ts'
import type { Call } from '../calls.ts'
import { sessionError } from '../errors.ts'
import type { Answer, Questions } from './questions.ts'

/** Questions follow from answers a few times; a server that still asks after this many rounds will not stop. */
const MAX_ROUNDS = 32

/** Questions of one round, four times what a client is asked at all: the rest of those gets errors, each an object in memory. */
const MAX_ASKED = 256

/** A server that wants nothing but another try works meanwhile: as the SDK paces it. */
const PAUSE = 250

interface Question {
  key: string
  method: string
  params: Json | undefined
}

/** What has happened in a call so far. */
interface Course {
  rounds: number
  /** Errors that the client answered with in the last round, by question. */
  refused: Map<string, JsonRpcError>
}

/** Asks clients of the session era what servers of the other one want to know, and lets the call go on with their answers. */
export interface InputLoop {
  /** `required` is an `input_required` result of this call. */
  next(call: Call, required: Json): void
}

export function createInputLoop(deps: { clock: Clock; questions: Questions }): InputLoop {
  const courses = new WeakMap<Call, Course>()

  return {
    next(call, required) {
      const params = call.exchange.request.params ?? {}
      const { requestState } = required
      const state = typeof requestState === 'string' ? { requestState } : {}
      call.waits(required)
      const { rounds, refused } = courses.get(call) ?? { rounds: 0, refused: new Map<string, JsonRpcError>() }
      if (rounds >= MAX_ROUNDS) {
        return call.finish({ error: sessionError(INTERNAL_ERROR, 'SKEIN_LIMIT', `The server still asked for input after ${MAX_ROUNDS} rounds: the call was ended.`) })
      }
      const asked = readInputRequests(required)
      if (asked === undefined) {
        const message = 'The server asked for input in a way that cannot be read: the call was ended; report it to the maker of the server.'
        return call.finish({ error: sessionError(INTERNAL_ERROR, 'SKEIN_UPSTREAM_INVALID', message) })
      }
      // Servers without sessions have no word for an error of the client and just ask again: the call ends with it instead.
      const again = asked.map((question) => refused.get(nameOf(question))).find((error) => error !== undefined)
      if (again !== undefined) return call.finish({ error: again })
      const course: Course = { rounds: rounds + 1, refused: new Map() }
      courses.set(call, course)
      if (asked.length === 0) {
        deps.clock.after(PAUSE, () => {
          if (!call.over) call.run({ ...params, ...state })
        })
        return
      }
      const { client, exchange } = call
      const answers = asked.map(({ method, params: wanted }) => deps.questions.ask(method, wanted, exchange.request.id, client.capabilities))
      void Promise.all(answers).then((given) => {
        if (call.over) return
        const inputResponses = Object.fromEntries(
          asked.map((question, index) => {
            const answer = given[index] as Answer
            if ('error' in answer) course.refused.set(nameOf(question), answer.error)
            return [question.key, valueOf(answer)]
          })
        )
        call.run({ ...params, inputResponses, ...state })
      })
    }
  }
}

const nameOf = ({ key, method }: Question) => `${method} ${key}`

/** An error travels as `{ error }`: servers with sessions get it as the error response it is. */
function valueOf(answer: Answer): Json {
  return 'error' in answer ? { error: answer.error } : answer.result
}

/** The questions of an `input_required` result; undefined: there is nothing in it to go on with. */
function readInputRequests({ inputRequests, requestState }: Json): Question[] | undefined {
  if (requestState !== undefined && typeof requestState !== 'string') return undefined
  if (inputRequests === undefined) return requestState === undefined ? undefined : []
  if (!isObject(inputRequests)) return undefined
  const entries = Object.entries(inputRequests)
  if (entries.length > MAX_ASKED) return undefined
  const questions: Question[] = []
  for (const [key, value] of entries) {
    if (!isObject(value) || typeof value['method'] !== 'string') return undefined
    const { method, params } = value
    if (params !== undefined && !isObject(params)) return undefined
    questions.push({ key, method, params })
  }
  return questions.length === 0 && requestState === undefined ? undefined : questions
}
