import { randomUUID } from 'node:crypto'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ElicitResultSchema, isInitializeRequest, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { json, reading, serve, type Listening } from './setup.ts'

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
const TOOLS = ['test_tool_with_progress', 'test_trigger_tool_change', 'test_elicitation', 'test_reconnection']

/** Enough of an event store for one stream that is taken up once. */
function eventStore() {
  const events: { id: string; stream: string; message: unknown }[] = []
  return {
    async storeEvent(stream: string, message: unknown) {
      events.push({ id: `e${events.length}`, stream, message })
      return `e${events.length - 1}`
    },
    async replayEventsAfter(last: string, { send }: { send(id: string, message: never): Promise<void> }) {
      const at = events.findIndex(({ id }) => id === last)
      const stream = events[at]?.stream ?? ''
      for (const event of events.slice(at + 1)) if (event.stream === stream) await send(event.id, event.message as never)
      return stream
    }
  }
}

function createToolServer(): Server {
  const server = new Server({ name: 'first-sdk', version: '1' }, { capabilities: { tools: { listChanged: true } } })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: TOOLS.map((name) => ({ name, inputSchema: { type: 'object' as const } })) }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { _meta, sendNotification, sendRequest, closeSSEStream }) => {
    if (params.name === 'test_tool_with_progress') {
      for (let step = 1; step <= 3; step += 1) await sendNotification({ method: 'notifications/progress', params: { progressToken: _meta?.progressToken ?? 0, progress: step } })
    } else if (params.name === 'test_trigger_tool_change') await server.sendToolListChanged()
    else if (params.name === 'test_elicitation') {
      const requestedSchema = { type: 'object' as const, properties: { email: { type: 'string' as const } } }
      return text(JSON.stringify(await sendRequest({ method: 'elicitation/create', params: { message: 'who?', requestedSchema } }, ElicitResultSchema)))
    } else if (params.name === 'test_reconnection') {
      closeSSEStream?.()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return text('done')
  })
  return server
}

/** A server of the first SDK with sessions, resumable. */
export async function serveFirstSdk(): Promise<Listening> {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const listening = await serve((request, response) => {
    const known = sessions.get(String(request.headers['mcp-session-id']))
    if (known !== undefined) return void known.handleRequest(request, response)
    reading(({ message }) => {
      if (!isInitializeRequest(message)) return json(response, { jsonrpc: '2.0', error: { code: -32000, message: 'Bad Request: no valid session' }, id: null }, 400)
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: eventStore(),
        retryInterval: 100,
        onsessioninitialized: (id) => void sessions.set(id, transport)
      })
      void createToolServer()
        .connect(transport as never)
        .then(() => transport.handleRequest(request, response, message))
    })(request, response)
  })
  return listening
}
