import { SkeinError } from '../base/errors.ts'
import { isObject } from '../base/is-object.ts'
import { isTooDeep, MAX_JSON_DEPTH } from '../base/json-depth.ts'
import type { Json, JsonRpcError, JsonRpcNotification, Outcome } from './json-rpc.ts'
import { isLogLevel, LOG_LEVELS, type LogLevel } from './mcp-spec.ts'

/**
 * The body of an MCP_CALL exchange (protocols/mcp.md): u32 big-endian length of the head, the head as JSON, then the
 * request's `params` as JSON. The parts are apart so that params can be passed on without being parsed.
 */
export interface McpCallHead {
  /** Name under `mcp.servers` at the called node. */
  server: string
  /** Such as `tools/call`. */
  method: string
  /** For `tools/call`: digest of the definition the caller has listed; another one there means NOT_FOUND. */
  digest?: string
  /** The edge reads answers that say what the server has to do: kinds 4 to 7. @default false */
  load?: boolean
  client: McpCallClient
}

/** As `ClientContext` of mcp/ports.ts; what is undefined there is absent here. */
export interface McpCallClient {
  session?: string
  clientInfo: { name: string; version: string }
  capabilities: Json
  logLevel?: CallLogLevel
}

export type CallLogLevel = LogLevel | 'default'

export const MAX_HEAD_BYTES = 64 * 1024
/** `<peer id>/<random>` has 85; later versions may want more. */
export const MAX_SESSION = 256

/** First byte of an END body. */
export const END_KIND = {
  /** A complete result as its server wrote it: readers add `resultType` where it is wanted. */
  UNTYPED: 0,
  /** A complete result with its `resultType`. */
  TYPED: 1,
  /** An `input_required` result. */
  INPUT: 2,
  /** A JSON-RPC error object. */
  ERROR: 3
} as const

/** Added to the kind where u16 running and u16 waiting stand between it and the text: kinds 4 to 7. */
export const LOADED = 4

/** What a server at a provider has to do: calls that it runs, and calls that wait for a place. */
export interface ServerLoad {
  running: number
  waiting: number
}

/** Of the load in an END body. */
const LOAD_BYTES = 4
/** More than any bulkhead has; what is above reads as this. */
export const MAX_LOAD = 0xffff

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

export function encodeMcpCall(head: McpCallHead, params: string): Uint8Array {
  const headText = JSON.stringify(head)
  const headBytes = Buffer.byteLength(headText)
  if (headBytes > MAX_HEAD_BYTES) throw new SkeinError('SKEIN_LIMIT', `the client's declared capabilities are over ${MAX_HEAD_BYTES} bytes`)
  const body = Buffer.allocUnsafe(4 + headBytes + Buffer.byteLength(params))
  body.writeUInt32BE(headBytes, 0)
  body.write(headText, 4)
  body.write(params, 4 + headBytes)
  return body
}

/** Throws SKEIN_PROTOCOL naming what is wrong. */
export function decodeMcpCall(body: Uint8Array): { head: McpCallHead; params: Json } {
  const buffer = bufferOf(body)
  const headBytes = buffer.length >= 4 ? buffer.readUInt32BE(0) : 0
  if (headBytes === 0 || headBytes > MAX_HEAD_BYTES || buffer.length < 4 + headBytes) throw bad('the head is missing or its length is wrong')
  const head = parseObject(buffer.toString('utf8', 4, 4 + headBytes), 'the head')
  const params = parseObject(buffer.toString('utf8', 4 + headBytes), 'params')
  const digest = head['digest']
  if (typeof head['server'] !== 'string' || typeof head['method'] !== 'string') throw bad('head.server and head.method must be strings')
  if (digest !== undefined && typeof digest !== 'string') throw bad('head.digest must be a string')
  return {
    head: { server: head['server'], method: head['method'], ...(digest === undefined ? {} : { digest }), ...(head['load'] === true ? { load: true } : {}), client: readClient(head['client']) },
    params
  }
}

function readClient(value: unknown): McpCallClient {
  if (!isObject(value)) throw bad('head.client must be an object')
  const { session, clientInfo: info, capabilities } = value
  const given = value['logLevel']
  const logLevel = given === 'default' || isLogLevel(given) ? given : undefined
  if (session !== undefined && (typeof session !== 'string' || session.length > MAX_SESSION)) throw bad(`head.client.session must be a string of at most ${MAX_SESSION} characters`)
  if (!isObject(info) || typeof info['name'] !== 'string' || typeof info['version'] !== 'string') throw bad('head.client.clientInfo must have name and version')
  if (!isObject(capabilities)) throw bad('head.client.capabilities must be an object')
  if (given !== undefined && logLevel === undefined) throw bad(`head.client.logLevel must be default or one of ${LOG_LEVELS.join(', ')}`)
  return {
    ...(session === undefined ? {} : { session }),
    clientInfo: { name: info['name'], version: info['version'] },
    capabilities,
    ...(logLevel === undefined ? {} : { logLevel })
  }
}

/** A MESSAGE of the provider; undefined: nothing but a renewal of the time limit. */
export function encodeCallMessage(message: JsonRpcNotification | undefined): Uint8Array {
  return Buffer.from(JSON.stringify(message ?? {}))
}

/** Throws SKEIN_PROTOCOL for anything else, requests included: a server asks by ending its call. */
export function decodeCallMessage(body: Uint8Array): JsonRpcNotification | undefined {
  const message = parseObject(bufferOf(body).toString('utf8'), 'the message')
  if (message['method'] === undefined && message['id'] === undefined) return undefined
  if (typeof message['method'] !== 'string' || 'id' in message) throw bad('the message is not a notification')
  if (message['params'] !== undefined && !isObject(message['params'])) throw bad('params of the notification are not an object')
  return message as unknown as JsonRpcNotification
}

/**
 * The END body. Raw text is written as it is.
 * @param load of the server, without the call that ends
 */
export function encodeCallEnd(outcome: Outcome, load?: ServerLoad): Uint8Array {
  if ('raw' in outcome) return tagged(outcome.typed ? END_KIND.TYPED : END_KIND.UNTYPED, load, outcome.raw)
  // Only the two known parts: an upstream's stray fields stay here.
  if ('error' in outcome) return tagged(END_KIND.ERROR, load, JSON.stringify(outcome.error))
  const { resultType } = outcome.result
  const kind = resultType === undefined ? END_KIND.UNTYPED : resultType === 'input_required' ? END_KIND.INPUT : END_KIND.TYPED
  return tagged(kind, load, JSON.stringify(outcome.result))
}

export interface CallEnd {
  outcome: Outcome
  /** Absent: the provider is of an earlier version. */
  load?: ServerLoad
}

/** Complete results stay text. Throws SKEIN_PROTOCOL: there is never an empty success. */
export function decodeCallEnd(body: Uint8Array): CallEnd {
  const buffer = bufferOf(body)
  const kind = buffer[0] ?? -1
  if (kind < LOADED) return { outcome: readEnd(buffer, kind, 1) }
  if (kind < 2 * LOADED && buffer.length < 1 + LOAD_BYTES) throw bad('the load of the server is cut off')
  const outcome = readEnd(buffer, kind - LOADED, 1 + LOAD_BYTES)
  return { outcome, load: { running: buffer.readUInt16BE(1), waiting: buffer.readUInt16BE(3) } }
}

/** @param at where the text begins */
function readEnd(buffer: Buffer, kind: number, at: number): Outcome {
  switch (kind) {
    case END_KIND.UNTYPED:
    case END_KIND.TYPED:
      if (buffer.length < at + 2 || buffer[at] !== OPEN_BRACE || buffer[buffer.length - 1] !== CLOSE_BRACE) throw bad('the result is not a JSON object')
      if (buffer.includes(LINE_FEED, at) || buffer.includes(CARRIAGE_RETURN, at)) throw bad('the result has line breaks')
      return { raw: buffer.toString('utf8', at), typed: kind === END_KIND.TYPED }
    case END_KIND.INPUT: {
      const result = parseObject(buffer.toString('utf8', at), 'the result')
      if (result['resultType'] !== 'input_required') throw bad('the result is not input_required')
      return { result }
    }
    case END_KIND.ERROR:
      return { error: readError(parseObject(buffer.toString('utf8', at), 'the error')) }
    default:
      throw bad(`the answer has the unknown kind ${buffer[0] ?? 'none'}`)
  }
}

function readError({ code, message, data }: Json): JsonRpcError {
  if (!Number.isInteger(code) || typeof message !== 'string') throw bad('the error must have code and message')
  return { code: code as number, message, ...(data === undefined ? {} : { data }) }
}

function tagged(kind: number, load: ServerLoad | undefined, text: string): Uint8Array {
  const at = load === undefined ? 1 : 1 + LOAD_BYTES
  const body = Buffer.allocUnsafe(at + Buffer.byteLength(text))
  body[0] = load === undefined ? kind : kind + LOADED
  if (load !== undefined) {
    body.writeUInt16BE(Math.min(MAX_LOAD, load.running), 1)
    body.writeUInt16BE(Math.min(MAX_LOAD, load.waiting), 3)
  }
  body.write(text, at)
  return body
}

function bufferOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

function parseObject(text: string, what: string): Json {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new SkeinError('SKEIN_PROTOCOL', `MCP call: ${what} is not JSON`, { cause })
  }
  if (isTooDeep(text)) throw bad(`${what} is nested deeper than ${MAX_JSON_DEPTH} levels`)
  if (!isObject(value)) throw bad(`${what} is not a JSON object`)
  return value
}

function bad(reason: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', `MCP call: ${reason}`)
}
