import { SkeinError } from '../../src/base/errors.ts'
import type { BackendRequest, CallSink, McpBackend, McpOutcome, RunningCall, ToolList } from '../../src/mcp/ports.ts'
import type { Json } from '../../src/wire/json-rpc.ts'

/** One call as the backend got it; the test decides what happens. */
export interface FakeCall {
  request: BackendRequest
  sink: CallSink
  cancelled: string | undefined
  answer(outcome: McpOutcome): void
  fail(error: unknown): void
}

export interface FakeBackend extends McpBackend {
  calls: FakeCall[]
  ended: string[]
  /** Replaces a view's tools (undefined: everything) and tells the listeners. */
  setTools(names: string[] | undefined, server?: string): void
  listeners: number
}

export const toolNamed = (name: string): Json => ({ name, description: `does ${name}`, inputSchema: { type: 'object' } })

/** A backend whose calls run `behaviour`, or wait for the test when there is none. */
export function createFakeBackend(behaviour?: (call: FakeCall) => void): FakeBackend {
  const views = new Map<string | undefined, ToolList>()
  const listeners = new Set<() => void>()
  const backend: FakeBackend = {
    calls: [],
    ended: [],
    get listeners() {
      return listeners.size
    },
    setTools(names, server) {
      if (names === undefined) views.delete(server)
      else views.set(server, { tools: names.toSorted().map(toolNamed) })
      for (const listener of listeners) listener()
    },
    tools: (server) => views.get(server),
    capabilities: (server) => (server === undefined ? {} : { resources: {}, prompts: {}, tasks: { list: {} } }),
    onToolsChanged(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    run(request, sink): RunningCall {
      const settle = Promise.withResolvers<McpOutcome>()
      const call: FakeCall = {
        request,
        sink,
        cancelled: undefined,
        answer: settle.resolve,
        fail: settle.reject
      }
      backend.calls.push(call)
      behaviour?.(call)
      return {
        outcome: settle.promise,
        cancel(reason) {
          call.cancelled = reason
          settle.reject(new SkeinError('SKEIN_CANCELLED', 'The call was cancelled.'))
        }
      }
    },
    endSession(session) {
      backend.ended.push(session)
    }
  }
  backend.setTools(['a__x', 'b__y'])
  return backend
}
