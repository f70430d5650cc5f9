/** MCP_CALL (protocols/mcp.md). */
import { u32 } from './frames.mjs'

/** A question of a server is answered this often in one call. */
const MAX_ROUNDS = 8
const [UNTYPED, TYPED, INPUT, ERROR] = [0, 1, 2, 3]

export function callBody(head, params) {
  const bytes = Buffer.from(JSON.stringify(head))
  return Buffer.concat([u32(bytes.length), bytes, Buffer.from(JSON.stringify(params))])
}

/** The END of a call: `{kind, result}` or `{kind, error}`. */
export function readEnd(body) {
  const kind = body[0]
  const text = Buffer.from(body.subarray(1)).toString()
  if ((kind === UNTYPED || kind === TYPED) && !/^\{[^\n\r]*\}$/.test(text)) throw new Error('the result is not one line of JSON')
  const value = JSON.parse(text)
  if (kind === ERROR) return { kind, error: value }
  if (kind !== UNTYPED && (value.resultType === 'input_required') !== (kind === INPUT)) throw new Error(`kind ${kind} with resultType ${value.resultType}`)
  if (![UNTYPED, TYPED, INPUT].includes(kind)) throw new Error(`END has the unknown kind ${kind}`)
  return { kind, result: value }
}

/**
 * One call to its end: what the server asks is answered with the next try.
 * `send(params)` makes one exchange and gives its END body; `questions` takes what was asked.
 */
export async function callTool(send, params, questions) {
  let next = params
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const end = readEnd(await send(next))
    if (end.kind !== INPUT) return end
    const { inputRequests, requestState } = end.result
    questions.push(...Object.values(inputRequests))
    const inputResponses = Object.fromEntries(Object.entries(inputRequests).map(([key, question]) => [key, answerServer(question)]))
    next = { ...params, inputResponses, ...(requestState === undefined ? {} : { requestState }) }
  }
  throw new Error('the server does not stop asking')
}

/** What this client answers: it has a list of no roots, and a model that always says the same. */
function answerServer({ method }) {
  if (method === 'roots/list') return { roots: [] }
  if (method === 'sampling/createMessage') return { role: 'assistant', model: 'standalone', content: { type: 'text', text: 'forty-two' } }
  return { error: { code: -32_601, message: `this client has no ${method}` } }
}
