import { SkeinError } from '../../src/base/errors.ts'
import type { BackendRequest, CallSink, ListenOptions, McpBackend, McpOutcome, RunningCall, ViewLists } from '../../src/mcp/ports.ts'
import type { Json } from '../../src/wire/json-rpc.ts'

/** One call as the backend got it; the test decides what happens. */
export interface FakeCall {
  request: BackendRequest
  sink: CallSink
  cancelled: string | undefined
  answer(outcome: McpOutcome): void
  fail(error: unknown): void
}

export interface FakeListening {
  options: ListenOptions
  sink: CallSink
  /** As opened, then after each update. */
  resources: readonly string[][]
  closed: boolean
}

export interface FakeBackend extends McpBackend {
  calls: FakeCall[]
  listenings: FakeListening[]
  ended: string[]
  /** Replaces a view (undefined: everything) and tells the listeners; `lists` undefined: the view goes. */
  setView(view: string | undefined, lists: Partial<ViewLists> | undefined): void
  /** A view with nothing but these tools. */
  setTools(names: string[] | undefined, view?: string): void
  listeners: number
}

export const toolNamed = (name: string): Json => ({ name, description: `does ${name}`, inputSchema: { type: 'object' } })

/** A backend whose calls run `behaviour`, or wait for the test when there is none. */
export function createFakeBackend(behaviour?: (call: FakeCall) => void): FakeBackend {
  const views = new Map<string | undefined, ViewLists>()
  const listeners = new Set<() => void>()
  const backend: FakeBackend = {
    calls: [],
    listenings: [],
    ended: [],
    get listeners() {
      return listeners.size
    },
    setView(view, lists) {
      if (lists === undefined) views.delete(view)
      else {
        const passesLists = view !== undefined && !view.startsWith('@')
        views.set(view, { tools: [], prompts: [], resources: [], resourceTemplates: [], passesLists, passesTools: false, capabilities: {}, instructions: undefined, ...lists })
      }
      for (const listener of listeners) listener()
    },
    setTools(names, view) {
      backend.setView(view, names && { tools: names.toSorted().map(toolNamed) })
    },
    lists: (view) => views.get(view),
    onChanged(listener) {
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
    listen(options, sink) {
      const resources = [[...options.resources]]
      const listening: FakeListening = { options, sink, resources, closed: false }
      backend.listenings.push(listening)
      return {
        update: (uris) => void resources.push([...uris]),
        close: () => void (listening.closed = true)
      }
    },
    endSession(session) {
      backend.ended.push(session)
    }
  }
  backend.setTools(['a__x', 'b__y'])
  return backend
}
