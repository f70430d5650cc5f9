import { setTimeout as sleep } from 'node:timers/promises'
import { WireError, type Channel, type Message } from './channels.ts'

/** A client of the soak: keeps nothing, so that its own memory tells nothing about the nodes'. */
export interface TrafficClient {
  readonly name: string
  readonly era: '2025' | '2026'
  /** Notifications so far, by method; those of resources by method and URI. */
  readonly heard: Map<string, number>
  /** The stream for news has ended although nobody asked for it. */
  readonly deaf: string | undefined
  /** The answer to one request; questions of servers are answered. `onProgress` gets the progress of this request. */
  ask(method: string, params?: Message, onProgress?: (progress: number) => void): Promise<Message>
  /** Asks, and cancels after `ms` in the way of its era. */
  abandon(method: string, params: Message, ms: number): Promise<void>
  /**
   * Asks, and leaves the server's question (a form) open: undefined, or the answer that came instead. `giveUp` ends the call: by a cancel
   * where there is one to send, else by declining; then it has an answer.
   */
  leaveOpen(method: string, params: Message): Promise<{ answer: Message | undefined; giveUp(): Promise<Message | undefined> }>
  /** Wants news of these resources and of the lists. */
  subscribe(uris: string[]): Promise<void>
  leave(rudely: boolean): Promise<void>
}

export interface ClientOptions {
  name: string
  /** Declared to the server: it can be asked, or not. */
  askable: boolean
}

/** Longer than any time limit of the nodes: without an answer by then there will be none. */
const ANSWER_MS = 60_000
const ASKABLE = { sampling: {}, elicitation: {}, roots: { listChanged: true } }
const REVISION = '2026-07-28'

/** As a person answers who does not want to. */
const DECLINED = { action: 'decline' }

/** As a person or a model of this name answers: who sees the name knows that the right one was asked. */
function answerAs(name: string, method: string, params: Message): Message {
  if (method === 'sampling/createMessage') return { role: 'assistant', model: 'test', content: { type: 'text', text: name } }
  if (method === 'roots/list') return { roots: [{ uri: `file:///${name}` }] }
  const fields = Object.entries<Message>(params.requestedSchema?.properties ?? {})
  return { action: 'accept', content: Object.fromEntries(fields.map(([field, { type }]) => [field, type === 'boolean' ? true : name])) }
}

interface Pending {
  onProgress: ((progress: number) => void) | undefined
  resolve(answer: Message): void
  reject(error: Error): void
}

/** What both eras share: ids, answers by id, progress by token, counts of news. */
function createExchanges() {
  const pending = new Map<number, Pending>()
  const heard = new Map<string, number>()
  let lastId = 0

  function news(method: string, uri: unknown): void {
    const key = typeof uri === 'string' ? `${method} ${uri}` : method
    heard.set(key, (heard.get(key) ?? 0) + 1)
  }
  return {
    heard,
    nextId: () => ++lastId,
    /** Waits for the answer to request `id`, which `done` says the end of. */
    answerTo(id: number, onProgress?: (progress: number) => void) {
      const { promise, resolve, reject } = Promise.withResolvers<Message>()
      const timer = setTimeout(() => reject(new WireError('hangs', `no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS)
      pending.set(id, { onProgress, resolve, reject })
      promise.catch(() => {})
      const over = () => {
        clearTimeout(timer)
        pending.delete(id)
      }
      promise.then(over, over)
      const watch = (done: Promise<void>) => void done.then(() => reject(new WireError('wire', 'the answer never came')), reject)
      return { promise, watch, forget: () => reject(new WireError('wire', 'not waited for any more')) }
    },
    /** Handles a message; false: it is a question of the server. */
    take(message: Message): boolean {
      if (message.method === undefined) {
        pending.get(message.id)?.resolve(message)
        return true
      }
      if (message.id !== undefined) return false
      if (message.method === 'notifications/progress') pending.get(message.params?.progressToken)?.onProgress?.(message.params.progress)
      else news(message.method, message.params?.uri)
      return true
    }
  }
}

/** Revision 2025-11-25: a session, its stream, answers to requests of the server. */
export async function sessionClient(channel: Channel, { name, askable }: ClientOptions): Promise<TrafficClient> {
  const exchanges = createExchanges()
  let deaf: string | undefined
  let leaving = false
  /** Set while a question is to stay open: called when it comes. */
  let ignored: (() => void) | undefined

  channel.onMessage = (message) => {
    if (exchanges.take(message)) return
    if (ignored !== undefined) return ignored()
    const { id, method, params = {} } = message
    const answer = method === 'ping' ? { result: {} } : askable ? { result: answerAs(name, method, params) } : { error: { code: -32601, message: 'nobody here' } }
    channel.send({ id, ...answer }).done.catch(() => {})
  }
  function start(method: string, params: Message, onProgress?: (progress: number) => void) {
    const id = exchanges.nextId()
    const token = onProgress === undefined ? {} : { _meta: { progressToken: id } }
    const answer = exchanges.answerTo(id, onProgress)
    answer.watch(channel.send({ id, method, params: { ...params, ...token } }).done)
    return { id, ...answer }
  }
  const ask: TrafficClient['ask'] = (method, params = {}, onProgress) => start(method, params, onProgress).promise
  async function cancel(call: ReturnType<typeof start>): Promise<void> {
    call.forget()
    await channel.send({ method: 'notifications/cancelled', params: { requestId: call.id, reason: 'abandoned' } }).done
  }

  const hello = await ask('initialize', { protocolVersion: '2025-11-25', capabilities: askable ? ASKABLE : {}, clientInfo: { name, version: '1.0.0' } })
  if (hello.error !== undefined) throw new WireError(String(hello.error.data?.code ?? hello.error.code), hello.error.message)
  await channel.send({ method: 'notifications/initialized' }).done
  const end = (why: string) => {
    if (!leaving) deaf = why
  }
  channel.stream?.().done.then(() => end('the stream ended'), (error: Error) => end(error.message))
  return {
    name,
    era: '2025',
    heard: exchanges.heard,
    get deaf() {
      return deaf
    },
    ask,
    async abandon(method, params, ms) {
      const call = start(method, params)
      await sleep(ms)
      await cancel(call)
    },
    async leaveOpen(method, params) {
      const { promise: asked, resolve } = Promise.withResolvers<undefined>()
      ignored = () => resolve(undefined)
      const call = start(method, params)
      const answer = await Promise.race([asked, call.promise]).catch((error: unknown) => {
        ignored = undefined
        throw error
      })
      if (answer !== undefined) ignored = undefined
      return {
        answer,
        async giveUp() {
          await cancel(call)
          ignored = undefined
          return undefined
        }
      }
    },
    async subscribe(uris) {
      for (const uri of uris) {
        const { error } = await ask('resources/subscribe', { uri })
        if (error !== undefined) throw new WireError(String(error.data?.code ?? error.code), `${uri}: ${error.message}`)
      }
    },
    async leave(rudely) {
      leaving = true
      await channel.close(rudely)
    }
  }
}

function headersOf(method: string, params: Message): Record<string, string> {
  const named = params.name ?? params.uri
  const region = params.arguments?.region
  return {
    'mcp-protocol-version': REVISION,
    'mcp-method': method,
    ...(['tools/call', 'prompts/get', 'resources/read'].includes(method) ? { 'mcp-name': named } : {}),
    ...(typeof region === 'string' ? { 'mcp-param-region': region } : {})
  }
}

/** Revision 2026-07-28: a request by itself each time, questions answered by asking again. */
export function statelessClient(channel: Channel, { name, askable }: ClientOptions): TrafficClient {
  const exchanges = createExchanges()
  let deaf: string | undefined
  let leaving = false
  channel.onMessage = (message) => void exchanges.take(message)

  function start(method: string, params: Message, onProgress?: (progress: number) => void) {
    const id = exchanges.nextId()
    const _meta = {
      ...(onProgress === undefined ? {} : { progressToken: id }),
      'io.modelcontextprotocol/protocolVersion': REVISION,
      'io.modelcontextprotocol/clientInfo': { name, version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': askable ? ASKABLE : {}
    }
    const answer = exchanges.answerTo(id, onProgress)
    const sent = channel.send({ id, method, params: { ...params, _meta } }, headersOf(method, params))
    answer.watch(sent.done)
    return { id, ...answer, sent }
  }
  async function cancel(call: ReturnType<typeof start>): Promise<void> {
    call.forget()
    if (channel.kind === 'http') call.sent.drop()
    else await channel.send({ method: 'notifications/cancelled', params: { requestId: call.id } }).done
  }
  const isQuestion = (answer: Message) => answer.result?.resultType === 'input_required'
  return {
    name,
    era: '2026',
    heard: exchanges.heard,
    get deaf() {
      return deaf
    },
    async ask(method, params = {}, onProgress) {
      for (let sent = params; ; ) {
        const answer = await start(method, sent, onProgress).promise
        if (!isQuestion(answer)) return answer
        const { inputRequests = {}, requestState } = answer.result
        const inputResponses = Object.fromEntries(Object.entries<Message>(inputRequests).map(([key, asked]) => [key, answerAs(name, asked.method, asked.params ?? {})]))
        sent = { ...params, inputResponses, ...(requestState === undefined ? {} : { requestState }) }
      }
    },
    async abandon(method, params, ms) {
      const call = start(method, params)
      await sleep(ms)
      await cancel(call)
    },
    async leaveOpen(method, params) {
      const answer = await start(method, params).promise
      if (!isQuestion(answer)) return { answer, giveUp: () => Promise.resolve(answer) }
      const { inputRequests = {}, requestState } = answer.result
      return {
        answer: undefined,
        giveUp: () => start(method, { ...params, inputResponses: Object.fromEntries(Object.keys(inputRequests).map((key) => [key, DECLINED])), requestState }).promise
      }
    },
    async subscribe(uris) {
      const listen = start('subscriptions/listen', { notifications: { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: uris } })
      listen.promise.catch(() => {})
      const receipt = 'notifications/subscriptions/acknowledged'
      const before = exchanges.heard.get(receipt) ?? 0
      const end = performance.now() + ANSWER_MS
      while ((exchanges.heard.get(receipt) ?? 0) === before) {
        const early = await Promise.race([listen.promise, sleep(10)])
        if (early !== undefined) throw new WireError(String(early.error?.data?.code ?? early.error?.code), `no subscription: ${early.error?.message}`)
        if (performance.now() > end) throw new WireError('hangs', 'the subscription was not acknowledged')
      }
      // A listen has no answer to wait for: it goes on for as long as the client wants.
      listen.forget()
      listen.sent.done.then(() => {}, (error: Error) => error.message).then((why) => {
        if (!leaving) deaf = why ?? 'the subscription ended'
      })
    },
    async leave(rudely) {
      leaving = true
      await channel.close(rudely)
    }
  }
}
