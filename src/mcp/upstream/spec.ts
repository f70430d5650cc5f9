import { matchesAny } from '../../base/patterns.ts'

/** How one MCP server under `mcp.servers` is reached. */
export interface StdioTarget {
  kind: 'stdio'
  command: string
  args: readonly string[]
  /** Added to a small safe part of our own environment. */
  env: Readonly<Record<string, string>>
  /** @default our own working directory */
  cwd?: string
}
export interface HttpTarget {
  kind: 'http'
  url: string
  headers: Readonly<Record<string, string>>
  /** URL of an HTTP proxy, or `direct` for none. @default what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say */
  proxy?: string
  /** File with certificates (PEM) of authorities to trust beside the usual ones. */
  caFile?: string
}
export type ServerTarget = StdioTarget | HttpTarget

/** What may change without restarting the server. */
export interface ServerPolicy {
  /** Tool names with `*` for any characters. A tool is offered if `allow` matches and `deny` does not; the empty `allow` offers nothing. */
  expose: { allow: readonly string[]; deny: readonly string[] }
  /** Any instance of this name may serve any call. */
  stateless: boolean
  /** Longest silence of a call, ms: progress starts it again. Calls that brought less time get less. */
  timeout: number
  /** Tools (with `*`) that may run twice without harm. */
  repeatable: readonly string[]
  /** Believe `readOnlyHint` and `idempotentHint` of the server. */
  trustAnnotations: boolean
  /** Requests that it runs at a time. @default 256 */
  maxConcurrent?: number
  /** Requests that wait for their turn beyond that. @default 256 */
  maxWaiting?: number
}

/** One server with more running requests than this is stuck or flooded. */
export const MAX_CONCURRENT = 256
/** As many again may wait: a moment at full speed. Beyond, other providers had better take them. */
export const MAX_WAITING = 256

export type Isolation = 'auto' | 'shared' | 'session'

/** What a server speaks: revisions with `initialize` (2025-11-25 and older) or without (2026-07-28); `auto` finds out. */
export type Protocol = 'auto' | '2025' | '2026'

export type ServerSpec = ServerTarget &
  ServerPolicy & {
    enabled: boolean
    isolation: Isolation
    /** @default 'auto' */
    protocol?: Protocol
  }

/** Whether a tool is listed and callable at all. */
export function isExposed(policy: Pick<ServerPolicy, 'expose'>, tool: string): boolean {
  const { allow, deny } = policy.expose
  return matchesAny(allow, tool) && !matchesAny(deny, tool)
}

/** Whether a tool may run twice: said by the configuration, or by the server if it is trusted. */
export function isRepeatable(policy: Pick<ServerPolicy, 'repeatable' | 'trustAnnotations'>, definition: Record<string, unknown>): boolean {
  if (matchesAny(policy.repeatable, String(definition.name))) return true
  if (!policy.trustAnnotations) return false
  const annotations = definition.annotations as { readOnlyHint?: unknown; idempotentHint?: unknown } | null | undefined
  return annotations?.readOnlyHint === true || annotations?.idempotentHint === true
}

/** Two specs with the same key are served by the same running child or connection. */
export function restartKey(spec: ServerSpec): string {
  const { enabled, isolation, protocol = 'auto' } = spec
  const target =
    spec.kind === 'stdio' ? [spec.command, spec.args, sorted(spec.env), spec.cwd ?? null] : [spec.url, sorted(spec.headers), spec.proxy ?? null, spec.caFile ?? null]
  return JSON.stringify([spec.kind, enabled, isolation, protocol, target])
}

/** Everything that may change live. */
export function policyKey(spec: ServerSpec): string {
  const { maxConcurrent = MAX_CONCURRENT, maxWaiting = MAX_WAITING } = spec
  return JSON.stringify([spec.expose.allow, spec.expose.deny, spec.stateless, spec.timeout, spec.repeatable, spec.trustAnnotations, maxConcurrent, maxWaiting])
}

function sorted(record: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
