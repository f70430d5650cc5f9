import type { Clock } from '../../base/clock.ts'
import type { Guards } from '../../base/guard.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { McpRunner, UpstreamTransport } from '../ports.ts'
import { SkeinError } from '../../base/errors.ts'
import { failedCall } from '../failed-call.ts'
import type { ServerLoad } from './gate.ts'
import { createUpstreamMetrics, type UpstreamTotals } from './metrics.ts'
import { policyKey, restartKey, type ServerSpec } from './spec.ts'
import { createSupervisor, type Supervisor, type UpstreamStatus, type UpstreamTools } from './supervisor.ts'

/** Ten times a large configuration; each may be a process of 50-100 MiB. */
const MAX_SERVERS = 256

export interface UpstreamHostDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  guards: Guards
  /** A transport that is not started yet; a process or connection of its own each time. */
  connect(spec: ServerSpec, name: string): UpstreamTransport
}

export interface UpstreamHostOptions {
  /** Our version, told to servers. */
  version: string
  /** Children of single clients per server. @default 32 */
  maxChildren?: number
}

export interface ApplyResult {
  attached: string[]
  detached: string[]
  restarted: string[]
  /** Changed without a restart: patterns, timeout, stateless. */
  updated: string[]
  unchanged: string[]
}

export interface UpstreamHost extends McpRunner {
  /**
   * Makes the attached servers those of `servers`, touching only what differs; a failed one is tried again. Waits until those that
   * go are gone, and up to `wait` ms until those that start are ready or have failed. Rejects with SKEIN_CONFIG over 256 servers.
   */
  apply(servers: Readonly<Record<string, ServerSpec>>, options?: { wait?: number }): Promise<ApplyResult>
  list(): UpstreamStatus[]
  /** Undefined: no such server. */
  tools(name: string): UpstreamTools | undefined
  spec(name: string): ServerSpec | undefined
  /** Calls of one server that run and that wait for a place, listens left out. Undefined: no such server. */
  load(name: string): ServerLoad | undefined
  /** Calls back after what a server lists or its state changed, at most once a tick. Returns the way to stop. */
  onChange(listener: () => void): () => void
  /** The client's session is over: its children go. */
  endSession(session: string): void
  /** Ends every child and connection within `grace` ms and resolves when they are gone. */
  stop(options?: { grace?: number }): Promise<void>
}

/** All attached MCP servers of this node. */
export function createUpstreamHost(deps: UpstreamHostDeps, options: UpstreamHostOptions): UpstreamHost {
  const metrics = createUpstreamMetrics(deps.meter, totals)
  const supervisors = new Map<string, Supervisor>()
  const listeners = new Set<() => void>()
  let notifying = false
  let stopped = false
  let applying: Promise<unknown> = Promise.resolve()

  function onChange(): void {
    if (notifying) return
    notifying = true
    queueMicrotask(() => {
      notifying = false
      for (const listener of listeners) {
        try {
          listener()
        } catch (error) {
          deps.logger.error('a listener for changes of servers failed', { error: String(error) })
        }
      }
    })
  }

  function totals(): UpstreamTotals {
    const sum = { parked: 0, listeners: 0 }
    for (const supervisor of supervisors.values()) {
      const { parked, listeners } = supervisor.counts()
      sum.parked += parked
      sum.listeners += listeners
    }
    return sum
  }

  function attach(name: string, spec: ServerSpec, untold: Iterable<string> = []): Supervisor {
    const supervisor = createSupervisor({ ...deps, metrics, onChange }, { ...options, name, spec, untold })
    supervisors.set(name, supervisor)
    if (spec.enabled) supervisor.start()
    return supervisor
  }

  async function replace(name: string, old: Supervisor, spec: ServerSpec): Promise<Supervisor | undefined> {
    const untold = old.announceRestart()
    await old.stop()
    return stopped ? undefined : attach(name, spec, untold)
  }

  async function applyNow(servers: Readonly<Record<string, ServerSpec>>, wait: number): Promise<ApplyResult> {
    const names = Object.keys(servers)
    if (names.length > MAX_SERVERS) throw new SkeinError('SKEIN_CONFIG', `mcp.servers has ${names.length} entries; at most ${MAX_SERVERS} are possible.`)
    const result: ApplyResult = { attached: [], detached: [], restarted: [], updated: [], unchanged: [] }
    if (stopped) return result
    const work: Promise<Supervisor | undefined>[] = []
    for (const [name, supervisor] of supervisors) {
      if (Object.hasOwn(servers, name)) continue
      result.detached.push(name)
      supervisors.delete(name)
      work.push(supervisor.stop().then(() => undefined))
    }
    for (const [name, spec] of Object.entries(servers)) {
      const old = supervisors.get(name)
      if (old === undefined) {
        result.attached.push(name)
        work.push(Promise.resolve(attach(name, spec)))
      } else if (restartKey(old.spec) !== restartKey(spec) || old.status().state === 'failed') {
        result.restarted.push(name)
        work.push(replace(name, old, spec))
      } else if (policyKey(old.spec) !== policyKey(spec)) {
        result.updated.push(name)
        old.update(spec)
      } else result.unchanged.push(name)
    }
    onChange()
    const changed = await Promise.all(work)
    await settledWithin(changed.filter((one) => one?.spec.enabled).map((one) => one?.settled), wait)
    return result
  }
  async function settledWithin(waits: (Promise<void> | undefined)[], wait: number): Promise<void> {
    if (wait <= 0 || waits.length === 0) return
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = deps.clock.after(wait, resolve)
    await Promise.race([Promise.all(waits), late])
    timer.cancel()
  }

  return {
    apply(servers, { wait = 0 } = {}) {
      // One at a time: two reloads at once would attach the same server twice.
      const turn = applying.then(() => applyNow(servers, wait))
      applying = turn.catch(() => {})
      return turn
    },
    list: () => [...supervisors.values()].map((supervisor) => supervisor.status()),
    tools: (name) => supervisors.get(name)?.tools(),
    spec: (name) => supervisors.get(name)?.spec,
    load: (name) => supervisors.get(name)?.load(),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    run(request, sink) {
      const supervisor = supervisors.get(request.server)
      if (supervisor !== undefined) return supervisor.run(request, sink)
      return failedCall(new SkeinError('SKEIN_NOT_FOUND', `No server named ${request.server.slice(0, 64)} is attached here.`))
    },
    endSession(session) {
      for (const supervisor of supervisors.values()) supervisor.endSession(session)
    },
    async stop(how) {
      stopped = true
      await Promise.all([...supervisors.values()].map((supervisor) => supervisor.stop(how)))
    }
  }
}
