import { isAbsolute, resolve } from 'node:path'
import { isObject } from '../../base/is-object.ts'
import type { Env } from '../paths.ts'
import { translateVariables, type Predefined } from './variables.ts'

export interface TranslateOptions extends Predefined {
  env: Env
  /** What is relative in the file is relative to this; undefined: nothing is known. */
  project: string | undefined
}

/** The entry as it goes under `mcp.servers`, with what its owner should know; or why it cannot go there. */
export type TranslatedServer = { entry: Record<string, unknown>; notes: string[]; hasSecrets: boolean } | { problem: string }

/** What clients know and skein has no use for: who may run a tool without asking, pictures, how it was installed. */
const IGNORED = new Set(['type', 'transport', 'disabled', 'enabled', 'autoApprove', 'alwaysAllow', 'description', 'name', 'gallery', 'version', 'icon', 'metadata', 'tags', 'note', 'comment', '$comment'])
const TAKEN = new Set(['command', 'args', 'env', 'cwd', 'url', 'serverUrl', 'httpUrl', 'headers'])
const SECRET = /key|token|secret|passw|auth|credential|cookie|\bpat\b|_pat$/i
const STREAMABLE = new Set(['http', 'streamable-http', 'streamableHttp', 'streamable_http'])

class Unsupported extends Error {}

/** One server of a client's file in skein's form. */
export function translateServer(written: unknown, options: TranslateOptions): TranslatedServer {
  try {
    if (!isObject(written)) throw new Unsupported('is not an object')
    return translate(written, options)
  } catch (error) {
    if (error instanceof Unsupported) return { problem: error.message }
    throw error
  }
}

function translate(written: Record<string, unknown>, options: TranslateOptions): TranslatedServer {
  const notes: string[] = []
  const secrets: string[] = []
  const wanted = new Set<string>()
  const said = written['type'] ?? written['transport']
  const url = written['url'] ?? written['serverUrl'] ?? written['httpUrl']
  const text = (value: string, key: string): string => {
    const result = translateVariables(value, options)
    if ('problem' in result) throw new Unsupported(`${key}: ${result.problem}`)
    for (const name of result.variables) if (options.env[name] === undefined) wanted.add(name)
    return result.text
  }
  const entry: Record<string, unknown> = {}
  if (said === 'sse') throw new Unsupported('uses the old SSE transport: give the streamable HTTP URL of the server, with type http')
  if (said !== undefined && said !== 'stdio' && !STREAMABLE.has(String(said))) throw new Unsupported(`has the transport "${String(said).slice(0, 40)}", which skein does not have: stdio and http are possible`)
  if (typeof written['command'] === 'string') {
    if (isSkein(written)) throw new Unsupported('is skein itself: a node that attached itself would list its tools twice')
    entry['command'] = programOf(expandNow(written['command'], 'command', options), options.project)
    const args = strings(written['args'], 'args').map((value) => text(value, 'args'))
    if (args.length > 0) entry['args'] = args
    const env = textMap(written['env'], 'env', text)
    if (Object.keys(env).length > 0) entry['env'] = env
    // The program ran in the project's folder there; its arguments may be relative to it.
    const cwd = typeof written['cwd'] === 'string' ? resolve(options.project ?? options.userHome, expandNow(written['cwd'], 'cwd', options)) : options.project
    if (cwd !== undefined) entry['cwd'] = cwd
    secrets.push(...secretsIn(env))
  } else if (typeof url === 'string') {
    entry['url'] = text(url, 'url')
    if (said === undefined && /\/sse\/?$/.test(url)) notes.push('its URL looks like the old SSE transport: if it does not answer, give the streamable HTTP URL')
    const headers = textMap(written['headers'], 'headers', text)
    if (Object.keys(headers).length > 0) entry['headers'] = headers
    secrets.push(...secretsIn(headers))
  } else throw new Unsupported('has neither a command nor a url')
  if (written['disabled'] === true || written['enabled'] === false) entry['enabled'] = false
  const denied = Array.isArray(written['disabledTools']) ? written['disabledTools'].filter((tool) => typeof tool === 'string') : []
  if (denied.length > 0) entry['expose'] = { deny: denied }
  const rest = Object.keys(written).filter((key) => !IGNORED.has(key) && !TAKEN.has(key) && key !== 'disabledTools')
  if (rest.length > 0) notes.push(`not taken over: ${rest.slice(0, 8).join(', ')}${rest.includes('envFile') ? ' (write its variables into env)' : ''}`)
  if (secrets.length > 0) notes.push(`has what looks like secrets (${secrets.join(', ')}), now in this file too: keep it private, or write \${VARIABLE} instead`)
  if (wanted.size > 0) notes.push(`needs ${[...wanted].join(', ')} in the environment of the node, which will not start without`)
  return { entry, notes, hasSecrets: secrets.length > 0 }
}

/** skein replaces no variables in `command` and `cwd`, so they are replaced now. */
function expandNow(value: string, key: string, options: TranslateOptions): string {
  const result = translateVariables(value, options)
  if ('problem' in result) throw new Unsupported(`${key}: ${result.problem}`)
  return result.text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (whole: string, name: string, fallback: string | undefined) => {
    const found = options.env[name] ?? fallback
    if (found === undefined) throw new Unsupported(`${key}: ${whole} is not set here: set it, or write the path`)
    return found
  })
}

/** `./server` is a path in the project, `npx` a program to look for. */
function programOf(command: string, project: string | undefined): string {
  return project !== undefined && /[\\/]/.test(command) && !isAbsolute(command) ? resolve(project, command) : command
}

function isSkein({ command, args }: Record<string, unknown>): boolean {
  const words = [command, ...(Array.isArray(args) ? args : [])].filter((word) => typeof word === 'string')
  return words.includes('mcp') && words.some((word) => /(^|[\\/])skein(\.js|\.cmd)?$/.test(word))
}

function strings(value: unknown, key: string): string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.some((item) => !isPlain(item))) throw new Unsupported(`${key} is not a list of texts`)
  return value.map(String)
}

function textMap(value: unknown, key: string, text: (value: string, key: string) => string): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw new Unsupported(`${key} is not an object of texts`)
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      if (item === null) return []
      if (!isPlain(item)) throw new Unsupported(`${key}.${name} is not a text`)
      return [[name, text(String(item), `${key}.${name}`)]]
    })
  )
}

function isPlain(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

/** Names of values that are written out, not taken from a variable. */
function secretsIn(map: Record<string, string>): string[] {
  return Object.entries(map).flatMap(([name, value]) => (SECRET.test(name) && value !== '' && !value.includes('${') ? [name] : []))
}
