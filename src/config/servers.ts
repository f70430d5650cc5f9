import { resolve } from 'node:path'
import type { ParsedServer } from './mcp-section.ts'
import type { Env } from './paths.ts'
import type { ServerConfig } from './types.ts'
import type { Path } from './yaml-file.ts'

/** `${NAME}` or `${NAME:-used when NAME is not set}`; `$${NAME}` stays as `${NAME}`. */
const REFERENCE = /(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

type Report = (path: Path, message: string) => void

/**
 * A copy of the raw `mcp.servers` with the variables in args, env, url, proxy and headers replaced. A variable that is not set is
 * reported at its place. Values that are not of the right type stay for the schema to refuse.
 */
export function expandServers(servers: unknown, env: Env, report: Report): unknown {
  if (!isMap(servers)) return servers
  return mapValues(servers, (name, server) => {
    if (!isMap(server)) return server
    return mapValues(server, (field, value) => {
      const path = ['mcp', 'servers', name, field]
      if (field === 'url' || field === 'proxy') return expandText(value, env, path, report)
      if (field === 'args' && Array.isArray(value)) return value.map((item, index) => expandText(item, env, [...path, index], report))
      if ((field === 'env' || field === 'headers') && isMap(value)) return mapValues(value, (key, item) => expandText(item, env, [...path, key], report))
      return value
    })
  })
}

function expandText(value: unknown, env: Env, path: Path, report: Report): unknown {
  if (typeof value !== 'string') return value
  return value.replaceAll(REFERENCE, (whole: string, escape: string, name: string, fallback: string | undefined) => {
    if (escape !== '') return whole.slice(1)
    const found = env[name] ?? fallback
    if (found === undefined) report(path, `the environment variable ${name} is not set; set it, or write \${${name}:-value} for a default`)
    return found ?? ''
  })
}

/** One checked entry as the node uses it; `raw` is the entry before its variables were replaced. */
export function serverConfig(name: string, server: ParsedServer, raw: unknown, options: { base: string; timeout: number }): ServerConfig {
  const common = {
    name,
    enabled: server.enabled,
    expose: server.expose,
    stateless: server.stateless,
    timeout: server.timeout ?? options.timeout,
    maxConcurrent: server.max_concurrent,
    maxWaiting: server.max_waiting,
    isolation: server.isolation,
    protocol: server.protocol,
    repeatable: server.repeatable,
    trustAnnotations: server.trust_annotations
  }
  const written = raw as { args?: string[]; url?: string }
  if (server.url !== undefined) {
    const caFile = server.ca_file === undefined ? undefined : resolve(options.base, server.ca_file)
    return { ...common, kind: 'http', url: server.url, headers: server.headers, proxy: server.proxy, caFile, shown: { url: written.url ?? server.url } }
  }
  return {
    ...common,
    kind: 'stdio',
    command: server.command as string,
    args: server.args,
    env: server.env,
    cwd: server.cwd === undefined ? undefined : resolve(options.base, server.cwd),
    shown: { args: written.args ?? server.args }
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapValues(map: Record<string, unknown>, change: (key: string, value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(key, value)]))
}
