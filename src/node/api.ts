import type { McpBackend } from '../mcp/ports.ts'
import type { MetricSnapshot } from '../base/meter.ts'
import type { Choice, Figures } from '../routing/types.ts'
import type { Era } from '../wire/mcp-spec.ts'
import type { ToolSearch } from './distant/tool-search.ts'
import type { NodeOverview } from './views/overview.ts'
import type { TiersOverview, TiersStatus } from './views/tiers-overview.ts'

export type { ConsensusGroup, ConsensusProposal, ConsensusStatus, ConsensusVote, ProposeResult, TiersStatus, TopologyInfo, TopologyNodeInfo } from './views/tiers-overview.ts'
export type { ToolMatch, ToolMatches } from './distant/tool-search.ts'

/** What the edges (http/, cli/) may ask of a running node: the public surface of layer 4. */
export interface NodeApi extends NodeOverview, TiersOverview, ToolSearch {
  readonly mcp: McpBackend
  status(): NodeStatus
  peers(): PeerInfo[]
  /** Everyone this node knows of in its pool, itself included, and for a while those that left or died; by name. */
  members(): MemberInfo[]
  /** Returns the way to stop. */
  onMember(listener: (change: MemberChange) => void): () => void
  tools(): ToolInfo[]
  /** One tool by its advertised name, with its definition; undefined if there is none. */
  tool(name: string): (ToolInfo & { definition: Record<string, unknown> }) | undefined
  /** Calls a tool by its advertised name, as a client without capabilities would. */
  call(name: string, args: Record<string, unknown>, options: CallToolOptions): Promise<Record<string, unknown>>
  /** Where a call of this tool would go now, and why; undefined: there is no such tool. Changes nothing. */
  explainRoute(tool: string): RouteExplanation | undefined
  createToken(options: TokenOptions): Promise<CreatedToken>
  tokens(): TokenInfo[]
  /** Reads the configuration again and applies what may change live; says what it did and what needs a restart. */
  reload(): Promise<ReloadResult>
  /** Tries one multiaddr step by step: parse, dial, prove, admit, echo. */
  netTest(address: string, options: { signal: AbortSignal; onStep: (step: NetTestStep) => void }): Promise<boolean>
  health(): Health
  metrics(): MetricSnapshot[]
  /**
   * Takes the node out of service: the members are told, then new calls are refused, running ones finish; it stays a member. Resolves
   * when nothing runs or the time is over. Rejects with SKEIN_CANCELLED when it is undone meanwhile. Asked again, it waits again.
   */
  drain(options?: DrainOptions): Promise<DrainStatus>
  drainStatus(): DrainStatus
  /** Back into service; resolves when the members were told. @throws SKEIN_BAD_REQUEST when the node stops */
  undrain(): Promise<DrainStatus>
  /** Leaves gracefully: drains, says goodbye, stops. Resolves when done. Idempotent. */
  stop(options?: DrainOptions): Promise<void>
}

export interface DrainOptions {
  /** How long running calls may finish once new ones are refused, ms. @default `mcp.shutdown_timeout` */
  within?: number
}

export interface DrainStatus {
  /** `drained`: nothing runs, or the time for it was over (then `running` says what would be cut off). */
  state: 'serving' | 'draining' | 'drained'
  /** Requests of its clients and of other nodes that run now. */
  running: number
  /** When the drain began, unix ms; undefined while it serves. */
  since?: number
}

export interface CallToolOptions {
  signal: AbortSignal
  /** ms. @default that of the server */
  timeout?: number
  onProgress?: (progress: { progress: number; total?: number; message?: string }) => void
  /** Told before the call settles, also of one that fails. */
  onTrace?: (trace: CallTrace) => void
}

/** Where a call went. */
export interface CallTrace {
  correlation: string
  attempts: TracedAttempt[]
}

export interface TracedAttempt {
  peer: string
  name: string
  /** Peer ids, this node first, when the call left. */
  path: readonly string[]
  /** Display names of them; the end of the peer id where none is known. */
  names: readonly string[]
  /** Why this provider was chosen. */
  why: Choice['why']
  /** ms until the answer, as expected when it was chosen, … */
  expected: number
  /** … and as it was. */
  ms: number
  /** `ok`, also for an error of the tool, or the code of the error. */
  ended: string
}

export interface RouteExplanation {
  tool: string
  /** Name under `mcp.servers` at the providers. */
  server: string
  choice?: Choice & { name: string; path: readonly string[] }
  candidates: RouteCandidate[]
}

export interface RouteCandidate extends Figures {
  name: string
  /** Why a call goes elsewhere; absent for the chosen one. */
  whyNot?: string
}

export interface NodeStatus {
  name: string
  peer: string
  version: string
  pid: number
  uptimeSeconds: number
  federation: { id: string; name: string; issuer: boolean }
  /** Unix ms. */
  credentialExpires: number
  dataDir: string
  addresses: string[]
  mcpUrl: string
  metricsUrl: string | undefined
  joinCommand: string | undefined
  servers: ServerStatus[]
  peers: number
  /** `total`: alive or suspect, this node included; `healthy`: of these, the alive. */
  members: { total: number; healthy: number }
  tools: number
  /** Its place in the tree of pools; absent in a flat federation. */
  tiers?: TiersStatus
  /** Sentences a person should read: name conflicts, servers down, expiring credential. */
  notices: string[]
}

export interface ServerStatus {
  name: string
  state: 'starting' | 'ready' | 'backoff' | 'failed' | 'stopped'
  kind: 'stdio' | 'http'
  /** MCP revisions it speaks: with `initialize` or without; undefined until that is known. */
  protocol?: Era
  exposed: boolean
  tools: number
  restarts: number
  /** Child process ids. */
  pids: number[]
  error?: string
}

export interface PeerInfo {
  peer: string
  name: string
  /** `relayed`: no connection of our own; calls go through other members. */
  state: 'connected' | 'relayed' | 'known'
  /** Names (or peer ids) of the members that pass calls on, in order; absent unless relayed. */
  via?: string[]
  addresses: string[]
  region: string
  tier: string
  /** Round trip, ms, once measured. */
  rtt?: number
  servers: string[]
  /** Why the last dial failed, if it did. */
  lastError?: string
}

export interface MemberInfo {
  peer: string
  name: string
  state: 'alive' | 'suspect' | 'dead' | 'left'
  /** This node. */
  self: boolean
  tier: string
  region: string
  version: string
  addresses: string[]
  incarnation: number
  /** When it came into this state as seen from here, unix ms. */
  since: number
  /** Round trip, ms, once measured. */
  rtt?: number
  /** There is an admitted connection. */
  linked: boolean
  /** Pools of this node that have it in this state; more than one only for hubs. */
  pools: string[]
}

/** One change in the pool, as this node saw it. */
export interface MemberChange {
  /** `failed`: declared dead. `recovered`: alive again after `was`. `updated`: other name, version, addresses or credential. */
  type: 'joined' | 'updated' | 'suspected' | 'failed' | 'left' | 'recovered'
  /** Unix ms. */
  time: number
  member: MemberInfo
  was?: MemberInfo['state']
  /** For suspected and failed: peer id of whoever accused, … */
  by?: string
  /** … and of what. */
  evidence?: 'silence' | 'refused'
}

export interface ToolInfo {
  /** Advertised name: `<server>__<tool>`. */
  name: string
  server: string
  tool: string
  description: string
  digest: string
  repeatable: boolean
  providers: { peer: string; name: string; local: boolean; rtt?: number }[]
  /** Why the name is not the plain one, and what to do about it. */
  notice?: string
}

export interface TokenOptions {
  /** Seconds until it expires. @default 86400 */
  expires?: number
  /** How many nodes may join with it. @default 1 */
  uses?: number
  tier?: 'global' | 'regional' | 'local' | 'leaf'
  region?: string
  roles?: string[]
}
export interface CreatedToken extends TokenInfo {
  token: string
  command: string
}
export interface TokenInfo {
  id: string
  /** Unix ms. */
  created: number
  expires: number
  uses: number
  used: number
  tier: string
  region: string
  roles: string[]
}

export interface ReloadResult {
  attached: string[]
  detached: string[]
  restarted: string[]
  unchanged: string[]
  /** Keys that changed in the file and only take effect after a restart. */
  needsRestart: string[]
}

export interface NetTestStep {
  step: string
  ok: boolean
  detail: string
  ms: number
}

export interface Health {
  /** Finished starting. */
  started: boolean
  /** May take traffic: started, not draining, every required part works. */
  ready: boolean
  /** The process works at all. */
  live: boolean
  checks: Record<string, { status: 'healthy' | 'degraded' | 'unhealthy'; detail: string }>
}
