import { stringify } from 'yaml'
import { isGroup, shownValue, type Group } from './key.ts'
import { camelName, sections } from './schema.ts'
import type { Config, ServerConfig, ViewConfig } from './types.ts'

const REDACTED = '<redacted>'

/** The configuration in force, as YAML in the shape of the file. Secrets, and what variables were replaced by, are not in it. */
export function printConfig(config: Config): string {
  return stringify(plainConfig(config), { lineWidth: 0 })
}

function plainConfig(config: Config): Record<string, unknown> {
  const convert = (keys: Group['keys'], from: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(keys).flatMap(([name, entry]): [string, unknown][] => {
        const value = from[camelName(name)]
        if (value === undefined) return []
        if (isGroup(entry)) return [[name, convert(entry.keys, value as Record<string, unknown>)]]
        if (entry.info.kind === 'servers') return [[name, Object.fromEntries((value as readonly ServerConfig[]).map((server) => [server.name, plainServer(server)]))]]
        if (entry.info.kind === 'views') return [[name, Object.fromEntries((value as readonly ViewConfig[]).map(({ name: view, ...keys }) => [view, keys]))]]
        return [[name, entry.info.secret ? REDACTED : shownValue(entry.info.kind, value)]]
      })
    )
  return convert(sections, config as unknown as Record<string, unknown>)
}

function plainServer(server: ServerConfig): Record<string, unknown> {
  const common = {
    enabled: server.enabled,
    expose: server.expose,
    stateless: server.stateless,
    timeout: shownValue('duration', server.timeout),
    max_concurrent: server.maxConcurrent,
    max_waiting: server.maxWaiting,
    isolation: server.isolation,
    protocol: server.protocol,
    repeatable: server.repeatable,
    trust_annotations: server.trustAnnotations
  }
  if (server.kind === 'http') {
    const way = { ...(server.proxy !== undefined && { proxy: REDACTED }), ...(server.caFile !== undefined && { ca_file: server.caFile }) }
    return { url: withoutPassword(server.shown.url), headers: redactAll(server.headers), ...way, ...common }
  }
  return { command: server.command, args: server.shown.args, env: redactAll(server.env), ...(server.cwd !== undefined && { cwd: server.cwd }), ...common }
}

function redactAll(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(map).map((name) => [name, REDACTED]))
}

/** `https://user:secret@host/` without the secret; a text with ${VARIABLES} may not be a URL yet and stays. */
function withoutPassword(text: string): string {
  return text.replace(/^([a-z]+:\/\/[^/@:]*):[^/@]*@/i, `$1:${REDACTED}@`)
}
