import type { CallSink, McpOutcome, McpRequest } from '../../src/mcp/ports.ts'
import type { Json, JsonRpcNotification } from '../../src/wire/json-rpc.ts'
import type { ServerSpec, ServerTarget } from '../../src/mcp/upstream/spec.ts'

export interface RecordingSink extends CallSink {
  notifications: JsonRpcNotification[]
  requests: { method: string; params: Json | undefined }[]
}

/** A client that remembers what it got and answers what it is asked. */
export function recordingSink(answer: (method: string) => McpOutcome | Promise<McpOutcome> = () => ({ result: { ok: true } })): RecordingSink {
  const sink: RecordingSink = {
    notifications: [],
    requests: [],
    notification: (message) => void sink.notifications.push(message),
    async request(method, params) {
      sink.requests.push({ method, params })
      return await answer(method)
    }
  }
  return sink
}

export function toolCall(server: string, tool: string, options: { args?: Json; session?: string; capabilities?: Json; timeout?: number; token?: string | number } = {}): McpRequest {
  const meta = options.token === undefined ? {} : { _meta: { progressToken: options.token, kept: true } }
  return {
    server,
    method: 'tools/call',
    params: { name: tool, arguments: options.args ?? {}, ...meta },
    client: { session: options.session ?? 'session-1', clientInfo: { name: 'test', version: '1' }, capabilities: options.capabilities ?? {} },
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
