import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const MAIN = fileURLToPath(new URL('../../../src/packs/graph/main.ts', import.meta.url))

export interface Message {
  id?: number
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown> & { structuredContent?: Record<string, unknown>; isError?: boolean; content?: { text: string }[] }
  error?: { code: number; message: string }
}

/** The graph server as a child, spoken to line by line. */
export interface GraphChild {
  process: ChildProcessWithoutNullStreams
  /** Everything it sent, in order. */
  messages: Message[]
  send(message: object): void
  /** Sends a request and gives its id. */
  request(method: string, params?: object): number
  /** The first message, past or future, that matches. */
  until(match: (message: Message) => boolean): Promise<Message>
  call(name: string, args: object, meta?: object): Promise<NonNullable<Message['result']>>
  exited: Promise<number | null>
}

const PATIENCE = 10_000

export function startGraph(env: Record<string, string> = {}): GraphChild {
  const child = spawn(process.execPath, [MAIN], { env: { ...process.env, ...env } })
  const messages: Message[] = []
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    messages.push(JSON.parse(line) as Message)
    for (const check of waiting) check()
  })
  let nextId = 1
  const until = (match: (message: Message) => boolean) =>
    new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`no such message within ${PATIENCE} ms; the last was ${JSON.stringify(messages.at(-1))?.slice(0, 300)}`))
      }, PATIENCE)
      const check = () => {
        const found = messages.find(match)
        if (found === undefined) return
        waiting.delete(check)
        clearTimeout(timer)
        resolve(found)
      }
      waiting.add(check)
      check()
    })
  const send = (message: object) => void child.stdin.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')
  const request = (method: string, params: object = {}) => {
    const id = nextId++
    send({ id, method, params })
    return id
  }
  return {
    process: child,
    messages,
    send,
    request,
    until,
    async call(name, args, meta) {
      const id = request('tools/call', { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) })
      const { result, error } = await until((message) => message.id === id)
      if (result === undefined) throw new Error(error?.message)
      return result
    },
    exited: once(child, 'exit').then(([code]) => code as number | null)
  }
}

export async function initialize(graph: GraphChild): Promise<void> {
  const id = graph.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } })
  await graph.until((message) => message.id === id)
  graph.send({ method: 'notifications/initialized' })
}

/** A random-looking graph that takes betweenness many seconds: each node joined to five others. */
export function largeEdgeList(nodes: number): string {
  const lines: string[] = []
  for (let node = 0; node < nodes; node++) for (const step of [1, 7, 61, 487, 3001]) lines.push(`n${node} n${(node * 3 + step) % nodes}`)
  return lines.join('\n')
}
