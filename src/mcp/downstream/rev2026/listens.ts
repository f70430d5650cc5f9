import type { Json, JsonRpcError, JsonRpcNotification, Outcome } from '../../../wire/json-rpc.ts'
import { INVALID_PARAMS, INVALID_REQUEST, META_SUBSCRIPTION_ID, SERVER_ERROR } from '../../../wire/mcp-spec.ts'
import type { ClientContext, Listening, ViewLists } from '../../ports.ts'
import { announced } from '../capabilities.ts'
import { CHANGED, createListWatch, type ListKind } from '../changes.ts'
import { sessionError, toJsonRpcError } from '../errors.ts'
import { answer, record, type Exchange } from '../exchange.ts'
import type { OpenRequest, OpenRequests } from '../open-requests.ts'
import type { SessionDeps } from '../ports.ts'
import { urisProblem } from '../watched-uris.ts'
import { serverInfo } from './results.ts'

/** Each is an open connection or a client on stdio: as many as the SDK's server accepts. */
export const MAX_LISTENS = 1024

/** What a client of `subscriptions/listen` wants to hear of. */
interface Filter {
  kinds: ReadonlySet<ListKind>
  resources: readonly string[]
}

const FIELDS: Readonly<Record<ListKind, string>> = { tools: 'toolsListChanged', prompts: 'promptsListChanged', resources: 'resourcesListChanged' }
const KINDS = Object.keys(FIELDS) as ListKind[]

/** All open `subscriptions/listen` of this node. */
export interface Listens {
  readonly size: number
  /** Starts one: the receipt goes out first. */
  start(exchange: Exchange, client: ClientContext, lists: ViewLists, open: OpenRequests): void
  /** The lists of views may have changed. */
  listsChanged(): void
  /** The node is stopping: those over HTTP end with their result, those on stdio with their connection. */
  finish(): void
}

interface Listen extends OpenRequest {
  listsChanged(): void
  finish(): void
}

export function createListens(deps: SessionDeps): Listens {
  const { backend } = deps
  const all = new Set<Listen>()

  function listen(exchange: Exchange, client: ClientContext, lists: ViewLists, filter: Filter, open: OpenRequests): Listen {
    const { link, view, request } = exchange
    const watch = createListWatch(lists)
    let listening: Listening | undefined
    let over = false

    function send({ method, params }: Pick<JsonRpcNotification, 'method' | 'params'>): boolean {
      const _meta = { ...(params?.['_meta'] as Json | undefined), [META_SUBSCRIPTION_ID]: request.id }
      return link.send({ jsonrpc: '2.0', method, params: { ...params, _meta } }, request.id)
    }

    function end(): boolean {
      if (over) return false
      over = true
      all.delete(self)
      open.ended(self)
      listening?.close()
      return true
    }

    const self: Listen = {
      kind: 'listen',
      exchange,
      get over() {
        return over
      },
      listsChanged() {
        const now = backend.lists(view)
        for (const kind of watch.changed(now)) {
          watch.knows(kind, now)
          if (filter.kinds.has(kind)) send({ method: CHANGED[kind] })
        }
      },
      finish() {
        if (end()) answer(deps, exchange, ended(request.id, deps.version))
      },
      cancel() {
        if (!end()) return
        // The usual end of a listen is that its client stops it: that is no failure.
        record(deps, exchange, 'ok')
        link.dropped(request.id)
      },
      stop() {
        // On stdio `skein mcp` is at the other end and listens again when the node is back; a result would tell it not to.
        if (exchange.transport === 'stdio') self.cancel('the node is stopping')
        else self.finish()
      }
    }
    if (!send({ method: 'notifications/subscriptions/acknowledged', params: { notifications: granted(filter) } })) {
      over = true
      answer(deps, exchange, { error: { code: INVALID_REQUEST, message: 'subscriptions/listen needs a client that accepts text/event-stream.' } }, true)
      return self
    }
    all.add(self)
    open.opened(self)
    if (filter.resources.length > 0) {
      try {
        listening = backend.listen(
          { view, client, resources: filter.resources },
          {
            notification(message) {
              if (!over && message.method === 'notifications/resources/updated') send(message)
            }
          }
        )
      } catch (thrown) {
        if (end()) answer(deps, exchange, { error: toJsonRpcError(thrown) })
        return self
      }
    }
    // Nothing that was asked for exists here: there is nothing to wait for.
    if (filter.kinds.size === 0 && filter.resources.length === 0) self.finish()
    return self
  }

  return {
    get size() {
      return all.size
    },
    start(exchange, client, lists, open) {
      const asked = readFilter(exchange.request.params)
      if ('error' in asked) return answer(deps, exchange, asked)
      if (deps.draining()) {
        return answer(deps, exchange, { error: sessionError(SERVER_ERROR, 'SKEIN_GOAWAY', 'This node is being drained or stopped: listen again on another node or in a while.') })
      }
      if (all.size >= MAX_LISTENS) {
        deps.metrics.refused.inc()
        return answer(deps, exchange, { error: sessionError(SERVER_ERROR, 'SKEIN_BUSY', `This node already has ${MAX_LISTENS} subscriptions/listen open: end some first.`) })
      }
      listen(exchange, client, lists, honoured(asked, lists), open)
    },
    listsChanged() {
      for (const one of all) one.listsChanged()
    },
    finish() {
      for (const one of all) if (one.exchange.transport === 'http') one.finish()
    }
  }
}

function ended(id: string | number, version: string): Outcome {
  return { result: { resultType: 'complete', _meta: { [META_SUBSCRIPTION_ID]: id, ...serverInfo(version) } } }
}

/** `params.notifications`: a SubscriptionFilter. */
function readFilter(params: Json | undefined): Filter | { error: JsonRpcError } {
  const wrong = (message: string) => ({ error: { code: INVALID_PARAMS, message } })
  const asked = params?.['notifications']
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked)) return wrong('subscriptions/listen needs params.notifications: an object that says what to hear of.')
  const filter = asked as Json
  const bad = KINDS.find((kind) => filter[FIELDS[kind]] !== undefined && typeof filter[FIELDS[kind]] !== 'boolean')
  if (bad !== undefined) return wrong(`params.notifications.${FIELDS[bad]} must be true or false.`)
  const resources = filter['resourceSubscriptions'] ?? []
  if (!Array.isArray(resources)) return wrong('params.notifications.resourceSubscriptions must be a list of URIs.')
  const problem = urisProblem(resources)
  if (problem !== undefined) return wrong(problem)
  return { kinds: new Set(KINDS.filter((kind) => filter[FIELDS[kind]] === true)), resources: [...new Set(resources as string[])] }
}

/** What of it this view can deliver: what it announces. */
function honoured({ kinds, resources }: Filter, lists: ViewLists): Filter {
  const capabilities = announced(lists) as Partial<Record<string, Json>>
  return {
    kinds: new Set([...kinds].filter((kind) => capabilities[kind] !== undefined)),
    resources: capabilities['resources']?.['subscribe'] === true ? resources : []
  }
}

/** The filter as the receipt has it: only what is granted. */
function granted({ kinds, resources }: Filter): Json {
  return {
    ...Object.fromEntries([...kinds].map((kind) => [FIELDS[kind], true])),
    ...(resources.length === 0 ? {} : { resourceSubscriptions: resources })
  }
}
