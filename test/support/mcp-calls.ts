import type { CallSink, McpRequest } from '../../src/mcp/ports.ts'
import type { Json, JsonRpcNotification } from '../../src/wire/json-rpc.ts'
import type { LogLevel } from '../../src/wire/mcp-spec.ts'
import type { ServerSpec, ServerTarget } from '../../src/mcp/upstream/spec.ts'

export interface RecordingSink extends CallSink {
  notifications: JsonRpcNotification[]
}

/** A client that remembers what it got. */
export function recordingSink(): RecordingSink {
  const notifications: JsonRpcNotification[] = []
  return { notifications, notification: (message) => void notifications.push(message) }
}

export interface CallOptions {
  args?: Json
  /** @default 'session-1'; null: a client of the stateless era */
  session?: string | null
  capabilities?: Json
  /** @default 'default' for sessions, none for stateless clients */
  logLevel?: LogLevel
  timeout?: number
  token?: string | number
  /** Answers and state of a retry, and whatever else belongs into params. */
  params?: Json
}

export function toolCall(server: string, tool: string, options: CallOptions = {}): McpRequest {
  const meta = options.token === undefined ? {} : { _meta: { progressToken: options.token, kept: true } }
  return mcpRequest(server, 'tools/call', { name: tool, arguments: options.args ?? {}, ...meta, ...options.params }, options)
}

export function mcpRequest(server: string, method: string, params: Json, options: CallOptions = {}): McpRequest {
  const session = options.session === null ? undefined : (options.session ?? 'session-1')
  const logLevel = options.logLevel ?? (session === undefined ? undefined : 'default')
  return {
    server,
    method,
    params,
    client: { session, clientInfo: { name: 'test', version: '1' }, capabilities: options.capabilities ?? {}, logLevel },
    timeout: options.timeout ?? 10_000,
    correlation: 'test'
  }
}

export function serverSpec(target: Partial<ServerTarget> = {}, policy: Partial<ServerSpec> = {}): ServerSpec {
  return {
    ...({ kind: 'stdio', command: 'in-memory', args: [], env: {}, ...target } as ServerTarget),
    enabled: true,
    isolation: 'auto',
    expose: { allow: ['*'], deny: [] },
    stateless: false,
    timeout: 10_000,
    repeatable: [],
    trustAnnotations: false,
    ...policy
  } as ServerSpec
}

/** Lets everything that is already decided happen, without time passing. */
export async function flush(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
}

/** The code of the error a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => String((error as { code?: unknown }).code)
  )
}
