import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** One call, made once: whoever repeats it makes another. */
export interface LoadCall {
  /** Unique; the log server writes it down when it runs. */
  id: string
  client: string
  tool: string
  /** `ok`, an error's `data.code`, `HTTP <status>`, or the code of a broken connection. */
  outcome: string
  /** Unix ms. */
  at: number
  ms: number
}

export interface LoadOptions {
  /** In the names of its calls. */
  name: string
  url: string
  /** With a session (2025-06-18), opened again when it is gone, or without (2026-07-28). */
  era: '2025' | '2026'
  /** Called in turn, with `{ id, before, after }`. */
  tools: readonly string[]
  /** Calls at a time. */
  workers: number
}

export interface Load {
  readonly calls: readonly LoadCall[]
  stop(): Promise<readonly LoadCall[]>
}

interface Reply {
  status: number
  session: string | undefined
  body: string
  stream: boolean
}

/** Between two calls of one worker, and after a failed one, ms: a client that is polite. */
const PAUSE = 5
const PAUSE_AFTER_FAILURE = 25
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }

/** A client that calls all the time, counts what it hears, and comes back whenever it is turned away. */
export function startLoad({ name, url, era, tools, workers }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: workers })
  const calls: LoadCall[] = []
  let session: string | undefined
  let opening: Promise<void> | undefined
  const running = new AbortController()
  let last = 0

  function post(message: object, headers: Record<string, string>): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify({ jsonrpc: '2.0', ...message })
      const all = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'content-length': Buffer.byteLength(text), ...headers }
      const req = request(url, { method: 'POST', agent, headers: all }, (res) => {
        let body = ''
        res.setEncoding('utf8')
        res.on('data', (chunk: string) => (body += chunk))
        res.on('error', reject)
        const stream = res.headers['content-type']?.includes('event-stream') === true
        res.on('end', () => resolve({ status: res.statusCode ?? 0, session: res.headers['mcp-session-id'] as string | undefined, body, stream }))
      })
      req.on('error', reject)
      req.end(text)
    })
  }

  /** Rejects with what turned it away. */
  async function open(): Promise<void> {
    const hello = await post({ id: 'open', method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name, version: '1.0.0' } } }, {})
    if (hello.session === undefined) throw Object.assign(new Error('no session'), { code: outcomeOf(hello, 'open') })
    session = hello.session
    await post({ method: 'notifications/initialized' }, headersOf(session))
  }
  const headersOf = (id: string) => ({ 'mcp-session-id': id, 'mcp-protocol-version': '2025-06-18' })

  async function ask(id: string, tool: string, args: object): Promise<string> {
    const params = { name: tool, arguments: args }
    if (era === '2026') {
      const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': tool }
      return outcomeOf(await post({ id, method: 'tools/call', params: { ...params, _meta: META } }, headers), id)
    }
    if (session === undefined) await (opening ??= open().finally(() => (opening = undefined)))
    const mine = session as string
    const reply = await post({ id, method: 'tools/call', params }, headersOf(mine))
    if (reply.status === 404 && session === mine) session = undefined
    return outcomeOf(reply, id)
  }

  async function worker(number: number): Promise<void> {
    while (!running.signal.aborted) {
      const n = ++last
      const tool = tools[n % tools.length] as string
      const id = `${name}-${era}-${number}-${n}`
      const at = Date.now()
      const began = performance.now()
      // Most are quick; now and then one is long enough to be caught by whatever happens.
      const [before, after] = n % 8 === 0 ? [80, 80] : [0, n % 10]
      const outcome = await ask(id, tool, { id, before, after }).catch((error: NodeJS.ErrnoException) => error.code ?? error.message)
      calls.push({ id, client: name, tool, outcome, at, ms: performance.now() - began })
      await sleep(outcome === 'ok' ? PAUSE : PAUSE_AFTER_FAILURE)
    }
  }
  const all = Array.from({ length: workers }, (_, number) => worker(number))
  return {
    calls,
    async stop() {
      running.abort()
      await Promise.all(all)
      agent.destroy()
      return calls
    }
  }
}

/** What an answer says; `ok` only for the answer of the tool itself. */
function outcomeOf({ status, body, stream }: Reply, id: string): string {
  for (const text of stream ? body.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5)] : [])) : [body]) {
    if (text.trim() === '') continue
    try {
      const message = JSON.parse(text) as { id?: unknown; result?: { isError?: boolean; content?: { text?: string }[] }; error?: { data?: { code?: string }; message: string } }
      if (message.error !== undefined) return message.error.data?.code ?? `HTTP ${status}`
      if (message.id === id && message.result !== undefined) return message.result.isError !== true && message.result.content?.[0]?.text?.endsWith(` ${id}`) === true ? 'ok' : `a wrong answer: ${text.slice(0, 200)}`
    } catch {
      return `no JSON: ${text.slice(0, 200)}`
    }
  }
  return `HTTP ${status}`
}

/** From the first refusal of a stretch of them to the next success of that client, for each stretch, ms. */
export function refusedWindows(calls: readonly LoadCall[]): { from: number; ms: number; outcomes: Record<string, number> }[] {
  const windows: { from: number; ms: number; outcomes: Record<string, number> }[] = []
  let open: { from: number; outcomes: Record<string, number> } | undefined
  for (const { at, ms, outcome } of calls.toSorted((a, b) => a.at + a.ms - (b.at + b.ms))) {
    if (outcome !== 'ok') {
      // What was refused late may have been asked early, together with what went well.
      open ??= { from: at + ms, outcomes: {} }
      open.outcomes[outcome] = (open.outcomes[outcome] ?? 0) + 1
    } else if (open !== undefined && at >= open.from) {
      windows.push({ ...open, ms: Math.round(at + ms - open.from) })
      open = undefined
    }
  }
  if (open !== undefined) windows.push({ ...open, ms: Infinity })
  return windows
}
