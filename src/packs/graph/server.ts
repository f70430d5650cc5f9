import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError, Server } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { errorMessage, isSkeinError } from '../../base/errors.ts'
import { writeDocument } from './formats/codecs.ts'
import type { JobRunner } from './jobs.ts'
import { documentOf, type GraphStore } from './store.ts'
import type { Tool, ToolContext } from './tool.ts'
import { attributeTools } from './tools/attributes.ts'
import { centralityTools } from './tools/centrality.ts'
import { elementTools } from './tools/elements.ts'
import { exploreTools } from './tools/explore.ts'
import { formatTools } from './tools/formats.ts'
import { describe, graphTools } from './tools/graphs.ts'
import { structureTools } from './tools/structure.ts'

const TOOLS = new Map([graphTools, elementTools, attributeTools, exploreTools, structureTools, centralityTools, formatTools].flat().map((tool) => [tool.name, tool]))

const URI = /^graph:\/\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/
/** The first few problems of bad arguments are enough to correct them; ten thousand bad nodes need not be listed. */
const SHOWN_ISSUES = 5

const INSTRUCTIONS =
  'Graphs live in the memory of this server. Make one with create_graph and add_edges, or with import_graph; then compute. Weights count only where a tool is told which attribute to take.'

export interface GraphServer {
  server: Server
  /** Tells the client that graphs appeared or went away. */
  listChanged(): void
}

/** One MCP server for one connection; the store and the workers may outlive it. */
export function createGraphServer(deps: { store: GraphStore; jobs: JobRunner; version: string; onError: (error: Error) => void }): GraphServer {
  const { store, jobs, onError } = deps
  const server = new Server(
    { name: 'skein-graph', title: 'Graphs', version: deps.version },
    { capabilities: { tools: {}, resources: { listChanged: true } }, instructions: INSTRUCTIONS }
  )
  server.onerror = onError
  let toolList: ReturnType<typeof listed>[] | undefined

  server.setRequestHandler('tools/list', () => {
    toolList ??= [...TOOLS.values()].map(listed)
    return { tools: toolList }
  })

  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const tool = TOOLS.get(params.name)
    if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool "${params.name.slice(0, 64)}"; tools/list names them all`)
    const args = tool.input.safeParse(params.arguments ?? {})
    if (!args.success) return failure(`The arguments of ${tool.name} are not right: ${issuesOf(args.error)}`)
    const token = mcpReq._meta?.progressToken
    // Sent one after the other, and all before the result: clients drop progress that comes after it.
    let sending: Promise<void> = Promise.resolve()
    const context: ToolContext = { store, jobs, signal: mcpReq.signal }
    if (token !== undefined) {
      context.onProgress = (progress, total) => {
        sending = sending.then(() => mcpReq.notify({ method: 'notifications/progress', params: { progressToken: token, progress, total } })).catch(onError)
      }
    }
    try {
      const { text, data } = await tool.run(args.data, context)
      await sending
      return { content: [{ type: 'text', text }], structuredContent: data }
    } catch (error) {
      // Nobody waits for the answer to a cancelled call; the SDK sends none.
      if (mcpReq.signal.aborted) throw error
      if (isSkeinError(error)) return failure(error.message)
      onError(error instanceof Error ? error : new Error(errorMessage(error)))
      return failure(`${tool.name} failed inside the graph server: ${errorMessage(error).slice(0, 200)}`)
    }
  })

  server.setRequestHandler('resources/list', () => ({
    resources: store.list().map((stored) => ({
      uri: `graph://${stored.id}`,
      name: stored.id,
      description: describe(stored),
      mimeType: 'application/json'
    }))
  }))

  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [{ uriTemplate: 'graph://{id}', name: 'graph', title: 'A graph', description: 'A graph as node-link JSON (networkx)', mimeType: 'application/json' }]
  }))

  server.setRequestHandler('resources/read', ({ params: { uri } }) => {
    const id = URI.exec(uri)?.[1]
    if (id === undefined || !store.has(id)) throw new ResourceNotFoundError(uri, `There is no graph at ${uri.slice(0, 100)}; resources/list names them all`)
    try {
      return { contents: [{ uri, mimeType: 'application/json', text: writeDocument('node_link', documentOf(store.get(id)), store.limits) }] }
    } catch (error) {
      throw new ProtocolError(ProtocolErrorCode.InternalError, errorMessage(error))
    }
  })

  return {
    server,
    listChanged() {
      // Before the connection is up there is nobody to tell.
      if (server.transport !== undefined) server.sendResourceListChanged().catch(onError)
    }
  }
}

function listed(tool: Tool) {
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: schemaOf(tool.input, 'input'),
    outputSchema: schemaOf(tool.output, 'output'),
    annotations: { ...tool.annotations, openWorldHint: false }
  }
}

/** JSON Schema without the `$schema` line, which older validators do not know; 2020-12 is what MCP assumes without it. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): { type: 'object'; [key: string]: unknown } {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return { ...(rest as Record<string, unknown>), type: 'object' }
}

function issuesOf(error: z.ZodError): string {
  const shown = error.issues.slice(0, SHOWN_ISSUES).map(({ path, message }) => `${path.length === 0 ? 'arguments' : path.join('.')}: ${message}`)
  return error.issues.length > shown.length ? `${shown.join('; ')}; and ${error.issues.length - shown.length} more` : shown.join('; ')
}

function failure(text: string) {
  return { content: [{ type: 'text' as const, text }], isError: true }
}
