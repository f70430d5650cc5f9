import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http'

/** MCP messages are read here as a person at the wire would: any field may be there. */
export type Message = Record<string, any>

/** An MCP client without an SDK that keeps every message it receives, in order. */
export interface RecordingClient {
  readonly name: string
  /** Everything that arrived, on whatever stream. */
  readonly received: Message[]
  /** Requests of the server, and questions in `input_required` results, in order. */
  readonly asked: Message[]
  /** The answer to one request; modern clients go on by themselves when input is required. */
  ask(method: string, params?: Message): Promise<Message>
  /** The call's cancel is sent after `started` resolves. */
  abandon(method: string, params: Message, started: () => Promise<void>): Promise<void>
  /** Wants news of these resources and of lists; resolves when the server has taken note. */
  subscribe(uris: string[]): Promise<void>
  close(): Promise<void>
}

export interface RecordingOptions {
  name: string
  url: string
  /** Declared to the server. */
  capabilities: Message
  /** Answers a question of a server: the result, now or when the person has decided. */
  onAsked?: (method: string, params: Message) => Message | Promise<Message>
  /** Called with each notification as it comes. */
  onHeard?: (message: Message) => void
}

const ACCEPT = 'application/json, text/event-stream'

interface Sent {
  /** Resolves with the response once the whole answer has been read. */
  done: Promise<IncomingMessage>
  req: ClientRequest
}

function createWire(url: string, onMessage: (message: Message) => void) {
  const agent = new Agent({ keepAlive: true })
  return {
    send(method: 'POST' | 'GET' | 'DELETE', headers: Record<string, string>, message?: Message): Sent {
      const text = message === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', ...message })
      const length = message === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }
      const { promise: done, resolve, reject } = Promise.withResolvers<IncomingMessage>()
      const req = request(url, { method, agent, headers: { accept: ACCEPT, ...length, ...headers } }, (res) => {
        const stream = (res.headers['content-type'] ?? '').startsWith('text/event-stream')
        let text = ''
        const take = (piece: string) => {
          const data = piece.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : [])).join('\n')
          if (data !== '') onMessage(JSON.parse(data) as Message)
        }
        res.setEncoding('utf8')
        res.on('data', (chunk: string) => {
          text += chunk
          if (!stream) return
          const pieces = text.split('\n\n')
          text = pieces.pop() as string
          pieces.forEach(take)
        })
        res.on('error', reject)
        res.on('end', () => {
          if (!stream && text !== '') onMessage(JSON.parse(text) as Message)
          resolve(res)
        })
      })
      req.on('error', reject)
      req.end(text)
      done.catch(() => {})
      return { done, req }
    },
    close: () => agent.destroy()
  }
}

/** Revision 2025-11-25: a session, its GET stream, answers to requests of the server. */
export async function legacyClient({ name, url, capabilities, onAsked, onHeard }: RecordingOptions): Promise<RecordingClient> {
  const received: Message[] = []
  const asked: Message[] = []
  const answers = new Map<number, (message: Message) => void>()
  const headers: Record<string, string> = {}
  let lastId = 0
  const wire = createWire(url, (message) => {
    received.push(message)
    if (message.method === undefined) return answers.get(message.id)?.(message)
    if (message.id === undefined) return onHeard?.(message)
    asked.push(message)
    if (onAsked === undefined) return void wire.send('POST', headers, { id: message.id, error: { code: -32601, message: 'nobody here' } })
    void Promise.resolve(onAsked(message.method, message.params ?? {})).then((result) => wire.send('POST', headers, { id: message.id, result }))
  })
  async function ask(method: string, params: Message = {}): Promise<Message> {
    const id = ++lastId
    const { promise, resolve } = Promise.withResolvers<Message>()
    answers.set(id, resolve)
    const { done } = wire.send('POST', headers, { id, method, params })
    return Promise.race([promise, done.then((res) => answerOrFail(received, id, method, res))])
  }
  const hello = wire.send('POST', headers, { id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name, version: '1.0.0' } } })
  headers['mcp-session-id'] = (await hello.done).headers['mcp-session-id'] as string
  headers['mcp-protocol-version'] = '2025-11-25'
  await wire.send('POST', headers, { method: 'notifications/initialized' }).done
  const stream = wire.send('GET', headers)
  return {
    name,
    received,
    asked,
    ask,
    async abandon(method, params, started) {
      const id = ++lastId
      const call = wire.send('POST', headers, { id, method, params })
      await started()
      await wire.send('POST', headers, { method: 'notifications/cancelled', params: { requestId: id } }).done
      await call.done
    },
    async subscribe(uris) {
      for (const uri of uris) {
        const { error } = await ask('resources/subscribe', { uri })
        if (error !== undefined) throw new Error(`${name}: ${JSON.stringify(error)}`)
      }
    },
    async close() {
      stream.req.destroy()
      await wire.send('DELETE', headers).done
      wire.close()
    }
  }
}

/** Revision 2026-07-28: a request by itself each time, questions answered by asking again. */
export function modernClient({ name, url, capabilities, onAsked, onHeard }: RecordingOptions): RecordingClient {
  const received: Message[] = []
  const asked: Message[] = []
  const streams: ClientRequest[] = []
  let lastId = 0
  const wire = createWire(url, (message) => {
    received.push(message)
    if (message.method !== undefined) onHeard?.(message)
  })
  const send = (id: number, method: string, params: Message) =>
    wire.send(
      'POST',
      {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(typeof params.name === 'string' ? { 'mcp-name': params.name } : typeof params.uri === 'string' ? { 'mcp-name': params.uri } : {})
      },
      {
        id,
        method,
        params: {
          ...params,
          _meta: {
            ...params._meta,
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name, version: '1.0.0' },
            'io.modelcontextprotocol/clientCapabilities': capabilities
          }
        }
      }
    )
  async function ask(method: string, params: Message = {}): Promise<Message> {
    for (let sent = params; ; ) {
      const id = ++lastId
      const answer = answerOrFail(received, id, method, await send(id, method, sent).done)
      const { inputRequests, requestState, resultType } = answer.result ?? {}
      if (resultType !== 'input_required') return answer
      const responses: Message = {}
      for (const [key, question] of Object.entries<Message>(inputRequests)) {
        asked.push(question)
        responses[key] = await onAsked?.(question.method, question.params ?? {})
      }
      sent = { ...params, inputResponses: responses, ...(requestState === undefined ? {} : { requestState }) }
    }
  }
  return {
    name,
    received,
    asked,
    ask,
    async abandon(method, params, started) {
      const call = send(++lastId, method, params)
      await started()
      call.req.destroy()
    },
    async subscribe(uris) {
      const acknowledged = () => received.filter((message) => message.method === 'notifications/subscriptions/acknowledged').length
      const before = acknowledged()
      const stream = send(++lastId, 'subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: uris } })
      streams.push(stream.req)
      const end = performance.now() + 10_000
      while (acknowledged() === before) {
        if (performance.now() > end) throw new Error(`${name}: the subscription was not acknowledged`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    async close() {
      for (const stream of streams) stream.destroy()
      wire.close()
    }
  }
}

function answerOrFail(received: readonly Message[], id: number, method: string, { statusCode }: IncomingMessage): Message {
  const answer = received.find((message) => message.id === id && message.method === undefined)
  if (answer === undefined) throw Object.assign(new Error(`${method} got no answer but HTTP ${statusCode}`), { code: statusCode })
  return answer
}
