import type { Json, JsonRpcId } from '../wire/json-rpc.ts'
import { META_SUBSCRIPTION_ID, SERVER_ERROR } from '../wire/mcp-spec.ts'

/** A line that is too odd to be understood goes through as it is: the other side says what is wrong with it. */
const PASS = Symbol('pass')

/** Has no answer while anybody listens. */
const LISTEN = 'subscriptions/listen'

/** Asking again does no harm: nothing is changed by these. */
const REPEATABLE = new Set([
  'initialize', 'ping', 'server/discover', 'tools/list', 'prompts/list', 'prompts/get', 'resources/list', 'resources/templates/list', 'resources/read',
  'resources/subscribe', 'resources/unsubscribe', 'completion/complete', 'logging/setLevel', LISTEN
])

/** Subscriptions that a new session gets again; a session of the node holds no more. */
const MAX_SUBSCRIPTIONS = 1024

/** Ids of requests that this side sends by itself; their answers are not the client's. */
const OWN = 'skein-replay:'
/** Before the id of a question that a later session asks: a late answer to an earlier one is not taken for its answer. */
const ASKED = 'skein-session:'

const KINDS = ['tools', 'prompts', 'resources'] as const

interface InFlight {
  id: JsonRpcId
  method: string
  params: Json
  /** Kept where it may be sent again. */
  line: Buffer | undefined
  /** Once is enough: a request that ends sessions would end each of them. */
  resent: boolean
}

/** What one client and its sessions have said to each other, as far as the next session must know it. */
export interface Ledger {
  /** A line of the client: what the node gets. Undefined: nothing. */
  fromClient(line: Buffer): Buffer | undefined
  /** Lines for the client that a line of the node makes. */
  fromNode(line: Buffer): Buffer[]
  /** The session is gone: what the client hears about what ran. */
  broken(): Buffer[]
  /** A new session is there: what it gets first. */
  replay(): Buffer[]
  /** The client waits for answers; news is none, a client that has said its last word wants no more of it. */
  readonly waiting: boolean
}

interface Message {
  id?: unknown
  method?: unknown
  params?: unknown
  result?: { capabilities?: Record<string, { listChanged?: unknown } | undefined> }
}

const keyOf = (id: unknown) => JSON.stringify(id)
const isId = (id: unknown): id is JsonRpcId => typeof id === 'string' || typeof id === 'number'
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const bytes = (message: object) => Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))

function parse(line: Buffer): Message | typeof PASS {
  try {
    const value: unknown = JSON.parse(line.toString())
    return isObject(value) ? value : PASS
  } catch {
    return PASS
  }
}

const RESULT = Buffer.from('{"jsonrpc":"2.0","result":')
const ERROR = Buffer.from('{"jsonrpc":"2.0","error":')
/** Longer ids are looked for by reading the whole message. */
const TAIL = 300

/** The id of an answer that is written as nodes write them (the id last), without reading the result, which may be large. */
function idOfAnswer(line: Buffer): JsonRpcId | undefined {
  if (line.indexOf(RESULT) !== 0 && line.indexOf(ERROR) !== 0) return undefined
  const id = /,"id":("(?:[^"\\]|\\.)*"|-?\d+)\}\s*$/.exec(line.toString('utf8', Math.max(0, line.length - TAIL)))?.[1]
  return id === undefined ? undefined : (JSON.parse(id) as JsonRpcId)
}

/**
 * Carries a client over the end of its session: a later session gets the client's `initialize`, its log level and its
 * subscriptions again, and what may be asked again. Clients of the stateless era need only the latter.
 */
export function createLedger(): Ledger {
  const inFlight = new Map<string, InFlight>()
  const subscriptions = new Set<string>()
  let opening: { id: unknown; params: unknown } | undefined
  let initialized: Buffer | undefined
  let level: unknown
  let session = 0

  function remember(method: string, params: Json, message: Message): void {
    const uri = params['uri']
    if (method === 'initialize') opening = { id: message.id, params: message.params }
    else if (method === 'logging/setLevel') level = params['level']
    else if (method === 'resources/unsubscribe') subscriptions.delete(String(uri))
    else if (method === 'resources/subscribe' && typeof uri === 'string' && subscriptions.size < MAX_SUBSCRIPTIONS) subscriptions.add(uri)
  }

  /** The client's answer to a question: of this session, or of one that is gone. */
  function answered(line: Buffer, message: Message): Buffer | undefined {
    if (session === 0) return line
    const prefix = `${ASKED}${session}:`
    if (typeof message.id !== 'string' || !message.id.startsWith(prefix)) return undefined
    return bytes({ ...message, id: JSON.parse(message.id.slice(prefix.length)) as JsonRpcId })
  }

  /** The lists of the new session may be others: nobody was there to say so. */
  function listChanged(kinds: readonly string[], subscription?: JsonRpcId): Buffer[] {
    const params = subscription === undefined ? {} : { params: { _meta: { [META_SUBSCRIPTION_ID]: subscription } } }
    return kinds.map((kind) => bytes({ method: `notifications/${kind}/list_changed`, ...params }))
  }

  /** A subscription of a stateless client that was made again: it knows that it has it, not what it missed. */
  function subscribed(line: Buffer, message: Message): Buffer[] {
    const params = isObject(message.params) ? message.params : {}
    const id = isObject(params['_meta']) ? params['_meta'][META_SUBSCRIPTION_ID] : undefined
    const request = inFlight.get(keyOf(id))
    if (request === undefined || !request.resent) return [line]
    request.resent = false
    const granted = isObject(params['notifications']) ? params['notifications'] : {}
    return listChanged(KINDS.filter((kind) => granted[`${kind}ListChanged`] === true), request.id)
  }

  /** An answer to something of `replay`. */
  function replayed(message: Message | typeof PASS): Buffer[] {
    if (message === PASS || message.id !== `${OWN}initialize` || initialized === undefined) return []
    const capabilities = message.result?.capabilities
    return listChanged(KINDS.filter((kind) => capabilities?.[kind]?.listChanged === true))
  }

  return {
    fromClient(line) {
      const message = parse(line)
      if (message === PASS) return line
      const { id, method } = message
      if (typeof method !== 'string') return answered(line, message)
      const params = isObject(message.params) ? message.params : {}
      if (isId(id)) {
        remember(method, params, message)
        inFlight.set(keyOf(id), { id, method, params, line: REPEATABLE.has(method) ? line : undefined, resent: false })
      } else if (method === 'notifications/initialized') initialized = line
      else if (method === 'notifications/cancelled') inFlight.delete(keyOf(params['requestId']))
      return line
    },
    fromNode(line) {
      const known = idOfAnswer(line)
      if (known !== undefined && !String(known).startsWith(OWN)) {
        inFlight.delete(keyOf(known))
        return [line]
      }
      // Notifications of the first session need no look.
      if (known === undefined && session === 0 && line.indexOf('"id"') === -1) return [line]
      const message = parse(line)
      if (message === PASS) return [line]
      if (typeof message.id === 'string' && message.id.startsWith(OWN)) return replayed(message)
      if (typeof message.method !== 'string') inFlight.delete(keyOf(message.id))
      else if (message.method === 'notifications/subscriptions/acknowledged') return subscribed(line, message)
      else if (session > 0 && isId(message.id)) return [bytes({ ...message, id: `${ASKED}${session}:${keyOf(message.id)}` })]
      return [line]
    },
    broken() {
      session++
      const lost: Buffer[] = []
      for (const [key, { id, line, resent }] of inFlight) {
        if (line !== undefined && !resent) continue
        inFlight.delete(key)
        const message = 'The node was stopped or restarted while this ran: whether it was done is not known. Look before you repeat it.'
        lost.push(bytes({ id, error: { code: SERVER_ERROR, message, data: { code: 'SKEIN_OUTCOME_UNKNOWN', retry: 'never' } } }))
      }
      return lost
    },
    replay() {
      const lines: Buffer[] = []
      const own = (method: string, params: unknown) => lines.push(bytes({ id: `${OWN}${method}`, method, params }))
      // Not answered yet: it goes again as it is, with the others below.
      if (opening !== undefined && !inFlight.has(keyOf(opening.id))) own('initialize', opening.params)
      const again = [...inFlight.values()]
      for (const request of again) if (request.method === 'initialize' && request.line !== undefined) lines.push(request.line)
      if (initialized !== undefined) lines.push(initialized)
      if (level !== undefined) own('logging/setLevel', { level })
      for (const uri of subscriptions) own('resources/subscribe', { uri })
      for (const request of again) {
        request.resent = true
        if (request.method !== 'initialize' && request.line !== undefined) lines.push(request.line)
      }
      return lines
    },
    get waiting() {
      for (const { method } of inFlight.values()) if (method !== LISTEN) return true
      return false
    }
  }
}
