import type { About } from '../../wire/about.ts'
import type { CallSink, ClientContext, McpRequest, RunningCall, UpstreamTransport } from '../ports.ts'
import type { Clock } from '../../base/clock.ts'
import type { ConnectionOptions, UpstreamConnection } from './connection-ports.ts'
import type { Guards } from '../../base/guard.ts'
import type { Json, JsonRpcNotification } from '../../wire/json-rpc.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { SkeinError } from '../../base/errors.ts'
import { failedCall } from '../failed-call.ts'
import { createChildren } from './children.ts'
import { openConnection } from './connection.ts'
import { createEraMemory } from './era-memory.ts'
import { createGate, type ServerLoad } from './gate.ts'
import { createHangWatch } from './hang-watch.ts'
import { wantsOwn } from './isolation.ts'
import { createKeeper } from './keeper.ts'
import { createListeners } from './listeners.ts'
import { createLostState } from './lost-state.ts'
import { STATES, type UpstreamMetrics, type UpstreamState } from './metrics.ts'
import { createParking } from './parking.ts'
import { createPlacement } from './placement.ts'
import { createRunner } from './runner.ts'
import { changedList, createServerLists } from './server-lists.ts'
import { isExposed, isRepeatable, type ServerSpec } from './spec.ts'
import { createSubscriptions } from './subscriptions.ts'

/** Its tools stay listed through restarts, so that clients do not notice; after this many failures in a row it is gone. */
const LISTED_THROUGH = 3

export interface UpstreamStatus {
  name: string
  state: UpstreamState
  kind: 'stdio' | 'http'
  /** What it speaks, once that is known. */
  protocol?: Era
  /** Listed tools. */
  tools: number
  restarts: number
  pids: number[]
  error?: string
}

/** What a server offers now. The same object until something changes. */
export interface UpstreamTools {
  /** As the server sent them, hidden ones left out. */
  definitions: readonly Json[]
  /** Names of those that may run twice. */
  repeatable: ReadonlySet<string>
  /** Its handshake and its other lists; empty before the first connection. */
  about: About
}

export interface SupervisorDeps {
  clock: Clock
  random: Random
  logger: Logger
  metrics: UpstreamMetrics
  guards: Guards
  connect(spec: ServerSpec, name: string): UpstreamTransport
  onChange(): void
}

export interface SupervisorOptions {
  name: string
  spec: ServerSpec
  /** Our version. */
  version: string
  /** Sessions whose state was in the one that this one replaces, and that do not know yet. */
  untold?: Iterable<string>
  maxChildren?: number
}

export interface Supervisor {
  readonly spec: ServerSpec
  /** Takes over what may change without a restart. */
  update(spec: ServerSpec): void
  start(): void
  readonly settled: Promise<void>
  status(): UpstreamStatus
  tools(): UpstreamTools
  run(request: McpRequest, sink: CallSink): RunningCall
  endSession(session: string): void
  /** It is about to be stopped and attached anew: those who lose state by it are told. Returns the sessions that could not be. */
  announceRestart(): Iterable<string>
  /** Calls that wait for their clients, and clients that listen. */
  counts(): { parked: number; listeners: number }
  load(): ServerLoad
  stop(options?: { grace?: number }): Promise<void>
}

/** One attached server: its shared connection kept alive, children of single clients, its lists, who listens to it. */
export function createSupervisor(deps: SupervisorDeps, options: SupervisorOptions): Supervisor {
  const { clock, random } = deps
  const { name, version } = options
  const metrics = deps.metrics.forServer(name)
  const logger = deps.logger.child({ server: name })
  let spec = options.spec
  let shared: UpstreamConnection | undefined

  const eras = createEraMemory(spec.protocol ?? 'auto')
  const parking = createParking({ clock, random, logger, givenUp: metrics.givenUp })
  const lists = createServerLists({ clock, logger, onChange: relist })
  const listeners = createListeners({ logger, onChange: () => subscriptions.sync() })
  const losses = createLostState({ name, listeners, stateless: () => spec.stateless }, options.untold)
  let listed: UpstreamTools = view()

  type Opening = Pick<ConnectionOptions, 'capabilities' | 'own' | 'onNotification'>
  const open = (opening: Opening, { signal }: { signal: AbortSignal }) =>
    eras.open(
      (era) => openConnection({ clock, logger, random }, { ...opening, era, transport: deps.connect(spec, name), version, parking, definition: lists.definition }, { signal }),
      { signal }
    )
  const keeper = createKeeper(
    {
      clock,
      random,
      logger,
      onRestart: () => metrics.restarts.inc(),
      onChange,
      async open({ signal }) {
        const connection = await open({ capabilities: {}, own: undefined, onNotification: onSharedNotification }, { signal })
        try {
          await lists.load(connection)
          return connection
        } catch (error) {
          await connection.close()
          throw error
        }
      }
    },
    { elsewhere: spec.kind === 'http' }
  )
  const children = createChildren(
    {
      clock,
      open,
      onNotification: (session, message) => listeners.toSession(session, message),
      onLost: (session, era) => losses.lost([session], era),
      onChange
    },
    options.maxChildren === undefined ? {} : { max: options.maxChildren }
  )
  const ownChild = (client: ClientContext) => client.session !== undefined && wantsOwn(client, spec.isolation, era() ?? '2025')
  const subscriptions = createSubscriptions({ clock, random, logger, children, listeners: listeners.all, ownChild, shared: () => shared })
  const hangs = createHangWatch({ clock, timeout: () => spec.timeout, giveUp })
  const placement = createPlacement({ name, clock, keeper, children, parking, spec: () => spec, era })
  const runOn = createRunner({ name, clock, keeper, placement, parking, hangs, spec: () => spec, onBegin: losses.begins })
  const gate = createGate({ name, clock, guards: deps.guards, metrics, spec: () => spec, isUp: () => keeper.state === 'ready', run: runOn })

  function era(): Era | undefined {
    return keeper.connection?.era ?? eras.known
  }
  function onSharedNotification(message: JsonRpcNotification): void {
    const list = changedList(message.method)
    if (list !== undefined) lists.changed(list)
    else if (message.method === 'notifications/resources/updated') listeners.resourceUpdated(message, ownChild)
    // Nobody's call was running: whose line it is cannot be known, so it is for the operator.
    else if (message.method === 'notifications/message') logger.debug('the server logged', { level: message.params?.level, text: JSON.stringify(message.params?.data ?? null).slice(0, 1000) })
    else logger.debug('a notification of the server has no reader', { method: message.method.slice(0, 100) })
  }
  function giveUp(connection: UpstreamConnection, why: SkeinError): void {
    logger.warn('the server is ended: it hangs', { error: why.message })
    if (connection === keeper.connection) keeper.giveUp(connection, why)
    else void connection.close().catch(() => {})
  }

  function view(): UpstreamTools {
    const definitions = lists.tools.filter((definition) => isExposed(spec, String(definition.name)))
    const repeatable = new Set(definitions.filter((definition) => isRepeatable(spec, definition)).map((definition) => String(definition.name)))
    return { definitions, repeatable, about: lists.about }
  }
  function relist(): void {
    listed = view()
    deps.onChange()
  }
  function onChange(): void {
    const { state, failures, connection } = keeper
    metrics.state.set(STATES.indexOf(state))
    metrics.children.set((connection === undefined ? 0 : 1) + children.size)
    if (connection !== shared) {
      shared = connection
      if (connection !== undefined) {
        gate.serverIsBack()
        losses.sharedIsNew(connection.era)
        subscriptions.sync()
      }
    }
    const gone = state === 'failed' || state === 'stopped' || (state !== 'ready' && failures > LISTED_THROUGH)
    if (gone && lists.clear()) relist()
    else deps.onChange()
  }

  function listen(request: McpRequest, sink: CallSink): RunningCall {
    if (keeper.state === 'stopped') return failedCall(new SkeinError('SKEIN_UPSTREAM_DOWN', `${name} is not running.`))
    return listeners.add(request, sink)
  }

  return {
    get spec() {
      return spec
    },
    update(next) {
      spec = next
      gate.update()
      relist()
    },
    start: () => keeper.start(),
    settled: keeper.settled,
    status() {
      const pids = [...(keeper.connection?.pid === undefined ? [] : [keeper.connection.pid]), ...children.pids()]
      const { state, restarts, error } = keeper
      const protocol = era()
      const more = { ...(protocol === undefined ? {} : { protocol }), ...(error === undefined ? {} : { error: error.message }) }
      return { name, state, kind: spec.kind, tools: listed.definitions.length, restarts, pids, ...more }
    },
    tools: () => listed,
    // A listen runs for as long as its client likes: it takes no place of calls and says nothing about how they fare.
    run: (request, sink) => (request.method === 'subscriptions/listen' ? listen(request, sink) : gate.run(request, sink)),
    endSession(session) {
      losses.end(session)
      // First those that would start the child again.
      listeners.endSession(session)
      children.end(session)
    },
    announceRestart() {
      const lostEra = era()
      if (lostEra !== undefined) losses.lost(new Set([...losses.users(), ...children.sessions()]), lostEra)
      return losses.untold()
    },
    counts: () => ({ parked: parking.size, listeners: listeners.size }),
    load: gate.load,
    async stop(how) {
      listeners.close()
      subscriptions.close()
      parking.close()
      gate.close()
      await Promise.all([keeper.stop(how), children.stop(how)])
    }
  }
}
