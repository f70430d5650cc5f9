import { isIP } from 'node:net'
import type { McpHttpOptions } from './ports.ts'

export type HostRules = Required<Pick<McpHttpOptions, 'loopback' | 'allowedHosts' | 'allowedOrigins'>>

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/** The name in a Host header without its port, lower case; brackets of IPv6 stay. Undefined if it is malformed. */
function hostName(host: string): string | undefined {
  return /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.exec(host)?.[1]?.toLowerCase()
}

/**
 * Against DNS rebinding, where a web page makes its own name point at us: why this Host is refused, or undefined. On loopback
 * only loopback names are served. Elsewhere addresses are served too (they cannot be rebound), names only if listed.
 */
export function hostProblem(host: string | undefined, rules: HostRules): string | undefined {
  const name = host === undefined ? undefined : hostName(host)
  if (host === undefined || name === undefined) return 'The Host header is missing or malformed.'
  const listed = rules.allowedHosts.some((allowed) => allowed === '*' || allowed.toLowerCase() === name || allowed.toLowerCase() === host.toLowerCase())
  if (LOOPBACK.has(name) || listed) return undefined
  if (!rules.loopback && isIP(name.replace(/^\[|\]$/g, '')) !== 0) return undefined
  return `The host ${name.slice(0, 255)} is not served here: use ${rules.loopback ? 'localhost' : 'the address'}, or add it to security.allowed_hosts.`
}

/** Why a browser page of this Origin is refused, or undefined. Programs that are no browsers send none. */
export function originProblem(origin: string | undefined, rules: HostRules): string | undefined {
  if (origin === undefined || rules.allowedOrigins.includes('*') || rules.allowedOrigins.includes(origin)) return undefined
  const name = /^https?:\/\/([^/]+)$/.exec(origin)?.[1]
  const host = name === undefined ? undefined : hostName(name)
  if (host !== undefined && LOOPBACK.has(host)) return undefined
  return `Pages of ${origin.slice(0, 255)} may not use this endpoint: add the origin to security.allowed_origins if they should.`
}

const BOTH = { json: true, sse: true }

/** What the Accept header allows. `sse` only when named: `*` is what tools send that cannot read event streams. */
export function accepts(accept: string | undefined): { json: boolean; sse: boolean } {
  if (accept === 'application/json, text/event-stream') return BOTH
  if (accept === undefined) return { json: true, sse: false }
  const types = accept.split(',').map((part) => (part.split(';')[0] as string).trim().toLowerCase())
  return {
    json: types.some((type) => type === 'application/json' || type === 'application/*' || type === '*/*'),
    sse: types.includes('text/event-stream')
  }
}

export function isJson(contentType: string | undefined): boolean {
  return contentType === 'application/json' || (contentType !== undefined && (contentType.split(';')[0] as string).trim().toLowerCase() === 'application/json')
}

/** A client may name the correlation id of its request, if it is fit for logs. */
export function correlationOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9._:-]{1,64}$/.test(header) ? header : undefined
}
