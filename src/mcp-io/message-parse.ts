import type { Json, JsonRpcMessage } from '../wire/json-rpc.ts'

export interface ParsedMessage {
  message: JsonRpcMessage
  /** The text of `result`, one JSON object without line breaks; where it could be cut out. */
  resultText?: string
}

/** Longer than what stands before and after a result in the shapes below. */
const FRAME_CHARS = 64
/** Ids as we give them, short enough to be exact as a number. */
const ID = '(0|[1-9][0-9]{0,14})'
/** How servers write a response: everything before the result, everything after it. One of the two holds the id. */
const SHAPES: readonly [RegExp, RegExp][] = [
  [/^\{"result":(?=\{)/, new RegExp(`\\},"jsonrpc":"2\\.0","id":${ID}\\}$`)],
  [new RegExp(`^\\{"jsonrpc":"2\\.0","id":${ID},"result":(?=\\{)`), /\}\}$/],
  [/^\{"jsonrpc":"2\.0","result":(?=\{)/, new RegExp(`\\},"id":${ID}\\}$`)]
]

/** The messages of one JSON text, batches of older protocol versions included; undefined if it is something else. */
export function parseMessages(text: string): ParsedMessage[] | undefined {
  const cut = cutResponse(text)
  if (cut !== undefined) return [cut]
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const messages = Array.isArray(value) ? value : [value]
  return messages.every(isMessage) ? messages.map((message) => ({ message })) : undefined
}

/**
 * A response in one of the usual shapes, with the text of its result. Only the part between the two ends is parsed: if that is one
 * JSON object, the whole is a response with exactly three members, whatever is inside. Everything else (other orders, doubled or
 * further members, line breaks) is left to JSON.parse.
 */
function cutResponse(text: string): ParsedMessage | undefined {
  const head = text.slice(0, FRAME_CHARS)
  const tail = text.slice(-FRAME_CHARS)
  for (const [before, after] of SHAPES) {
    const start = before.exec(head)
    const end = start && after.exec(tail)
    if (!start || !end) continue
    // The first brace of the end still belongs to the result.
    const resultText = text.slice(start[0].length, text.length - end[0].length + 1)
    if (resultText.includes('\n') || resultText.includes('\r')) return undefined
    try {
      const result = JSON.parse(resultText) as Json
      return { message: { jsonrpc: '2.0', id: Number(start[1] ?? end[1]), result }, resultText }
    } catch {
      return undefined
    }
  }
  return undefined
}

function isMessage(value: unknown): value is JsonRpcMessage {
  if (typeof value !== 'object' || value === null) return false
  const { jsonrpc, id, method, result, error } = value as Record<string, unknown>
  // An id alone is an answer with nothing in it: whoever waits for it hears so at once.
  return jsonrpc === '2.0' && (typeof method === 'string' || result !== undefined || error !== undefined || typeof id === 'number' || typeof id === 'string')
}
