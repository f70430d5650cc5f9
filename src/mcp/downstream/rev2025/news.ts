import type { JsonRpcError, JsonRpcNotification } from '../../../wire/json-rpc.ts'
import { INVALID_PARAMS } from '../../../wire/mcp-spec.ts'
import type { ClientContext, Listening } from '../../ports.ts'
import { toJsonRpcError } from '../errors.ts'
import type { SessionDeps } from '../ports.ts'
import { urisProblem } from '../watched-uris.ts'

/** What servers say to one session outside its calls: updates of resources it subscribed to, and whatever a child of its own says. */
export interface SessionNews {
  subscribe(uri: string): JsonRpcError | undefined
  unsubscribe(uri: string): void
  /** Hears what there is to hear from now on, also without subscriptions. */
  open(): void
  /** The client's log level is another one now. */
  clientChanged(): void
  close(): void
}

/** What there is to hear: all else a server, or the node it is at, has no business to say outside of calls. */
const TOLD: ReadonlySet<string> = new Set([
  'notifications/message',
  'notifications/resources/updated',
  'notifications/elicitation/complete',
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed'
])

export interface NewsOptions {
  view: string | undefined
  client(): ClientContext
  deliver(message: JsonRpcNotification): void
}

export function createSessionNews(deps: Pick<SessionDeps, 'backend' | 'logger'>, options: NewsOptions): SessionNews {
  const uris = new Set<string>()
  let listening: Listening | undefined
  let wanted = false

  const listen = () =>
    deps.backend.listen(
      { view: options.view, client: options.client(), resources: [...uris] },
      {
        notification(message) {
          if (wanted && TOLD.has(message.method)) options.deliver(message)
        }
      }
    )

  function open(): void {
    if (listening !== undefined) return
    wanted = true
    listening = listen()
  }

  return {
    subscribe(uri) {
      if (uris.has(uri)) return undefined
      const problem = urisProblem([...uris, uri])
      if (problem !== undefined) return { code: INVALID_PARAMS, message: problem }
      uris.add(uri)
      try {
        if (listening === undefined) open()
        else listening.update([...uris])
      } catch (thrown) {
        uris.delete(uri)
        return toJsonRpcError(thrown)
      }
      return undefined
    },
    unsubscribe(uri) {
      if (uris.delete(uri)) listening?.update([...uris])
    },
    open() {
      try {
        open()
      } catch (thrown) {
        // The call that opened it goes on without: what it needs comes as its own result.
        deps.logger.warn('a session hears nothing from its server outside its calls', { session: options.client().session, error: String(thrown) })
      }
    },
    clientChanged() {
      const old = listening
      if (old === undefined) return
      try {
        // The new one first: a server that both subscribe to never sees nobody there.
        listening = listen()
        old.close()
      } catch (thrown) {
        deps.logger.warn('a session keeps its old log level outside its calls', { session: options.client().session, error: String(thrown) })
      }
    },
    close() {
      wanted = false
      listening?.close()
      listening = undefined
      uris.clear()
    }
  }
}
