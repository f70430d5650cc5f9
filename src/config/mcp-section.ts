import * as z from 'zod'
import { choice, duration, durationSchema, integer, key, optionalText, path, size, texts, truth, type Group } from './key.ts'
import { viewsSchema } from './views-section.ts'

const MAX_SERVERS = 256
/** More arguments, variables or headers than this are a mistake of whoever generated the file. */
const MAX_ENTRIES = 256
const SERVER_NAME = /^[A-Za-z0-9_-]{1,32}$/
// YAML reads an unquoted year as a number.
const protocolSchema = z.union([z.enum(['auto', '2025', '2026']), z.literal([2025, 2026]).transform((year) => `${year}` as const)], { error: 'expected auto, 2025 or 2026' })
const ISOLATION = ['auto', 'shared', 'session'] as const
/** What clients write into `type` or `transport`, and what it means. */
const TRANSPORTS: Record<string, 'stdio' | 'http'> = { stdio: 'stdio', http: 'http', 'streamable-http': 'http', streamableHttp: 'http', streamable_http: 'http' }

/** Tools of one server by pattern: `*` stands for any text. A tool is offered if an allow pattern fits and no deny pattern does. */
export interface Expose {
  allow: string[]
  deny: string[]
}

const patterns = z.array(z.string().min(1).max(128)).max(MAX_ENTRIES)
const exposeSchema = z
  .union([z.boolean(), patterns, z.strictObject({ allow: patterns.optional(), deny: patterns.optional() })], {
    error: 'expected true, false, a list of tool patterns, or a section with the lists allow and deny'
  })
  .transform((value): Expose => {
    if (typeof value === 'boolean') return { allow: value ? ['*'] : [], deny: [] }
    if (Array.isArray(value)) return { allow: value, deny: [] }
    return { allow: value.allow ?? ['*'], deny: value.deny ?? [] }
  })

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'is not the name of an HTTP header')
const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'is not the name of an environment variable')
const value = z.string().max(65_536)
// A line break in a header value would end the header: refused here, with a place, rather than by the HTTP client later.
const headerValue = value.regex(/^[^\r\n\0]*$/, 'must not contain line breaks')
const url = z.string().max(4_096).superRefine((text, context) => {
  const protocol = URL.canParse(text) ? new URL(text).protocol : undefined
  if (protocol !== 'http:' && protocol !== 'https:') context.addIssue({ code: 'custom', message: 'must be a URL that starts with http:// or https://' })
})

const proxy = z.string().max(4_096).superRefine((text, context) => {
  if (text === 'direct') return
  const protocol = URL.canParse(text) ? new URL(text).protocol : undefined
  if (protocol !== 'http:' && protocol !== 'https:') context.addIssue({ code: 'custom', message: 'must be the URL of an HTTP proxy, such as http://proxy.example:3128, or direct for none' })
})

const transport = z.string().superRefine((name, context) => {
  if (Object.hasOwn(TRANSPORTS, name)) return
  const message =
    name === 'sse'
      ? 'the old SSE transport is not supported; use the streamable HTTP URL of the server and type: http'
      : 'must be stdio, http or streamable-http; or leave it out, since command and url say the same'
  context.addIssue({ code: 'custom', message })
})

const transportInfo = { about: 'As clients write it (stdio, http, streamable-http); not needed, checked against command and url.', live: true, defaultText: 'from command or url' }

/** The keys of one entry of mcp.servers. */
export const serverKeys = {
  command: optionalText({ about: 'Program of a server that speaks MCP on its standard input and output.', live: true, defaultText: 'none' }),
  args: key(z.array(value).max(MAX_ENTRIES), 'list', 'list of texts', '', [], { about: 'Arguments of the program; ${VARIABLE} is replaced.', live: true }),
  env: key(z.record(variableName, value), 'map', 'map of texts', '', {}, { about: 'Environment variables of the program; ${VARIABLE} in values is replaced.', live: true, secret: true }),
  cwd: path({ about: 'Directory in which the program runs, relative to the configuration file.', live: true, defaultText: 'the directory of skein' }),
  url: key(url.optional(), 'text', 'URL', '', undefined, { about: 'Streamable HTTP endpoint of a server that runs elsewhere; ${VARIABLE} is replaced.', live: true, defaultText: 'none' }),
  headers: key(z.record(headerName, headerValue), 'map', 'map of texts', '', {}, { about: 'HTTP headers sent to url; ${VARIABLE} in values is replaced.', live: true, secret: true }),
  proxy: key(proxy.optional(), 'text', 'URL or direct', '', undefined, {
    about: 'HTTP proxy on the way to url, or direct for none; ${VARIABLE} is replaced.',
    live: true,
    // It may hold a password.
    secret: true,
    defaultText: 'HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment, never for this machine itself'
  }),
  ca_file: path({ about: 'Certificates (PEM) of authorities that url may be signed by, beside those Node trusts; relative to the configuration file.', live: true, defaultText: 'none' }),
  protocol: key(protocolSchema, 'choice', 'auto, 2025, 2026', '', 'auto', {
    about: 'MCP revisions that the server speaks: 2025 (2025-11-25 and older), 2026 (2026-07-28), auto: whichever it answers to, newer first.',
    live: true
  }),
  type: key(transport.optional(), 'text', 'text', '', undefined, transportInfo),
  transport: key(transport.optional(), 'text', 'text', '', undefined, { ...transportInfo, about: 'Another spelling of type.' }),
  enabled: truth(true, { about: 'false keeps the entry in the file without starting it.', live: true }),
  expose: key(exposeSchema, 'expose', 'true, false, list of patterns, or {allow, deny}', '', true, {
    about: 'Tools of this server that clients and other nodes may see; patterns are tool names with * for any text.',
    live: true
  }),
  stateless: truth(false, { about: 'true: any server of this name in the federation may serve any call.', live: true }),
  timeout: key(durationSchema('100ms', '24h').optional(), 'duration', 'duration, 100ms to 24h', 's', undefined, {
    about: 'How long a call to this server may take without a sign of progress, wherever its client is.',
    live: true,
    defaultText: 'mcp.request_timeout'
  }),
  max_concurrent: integer(256, 1, 65_536, { about: 'Calls that the server runs at a time; more wait for their turn.', live: true }),
  max_waiting: integer(256, 0, 65_536, { about: 'Calls that wait beyond that, for as long as their time limit allows; more are refused as busy, and other nodes that have the server are tried.', live: true }),
  isolation: choice('auto', ISOLATION, { about: 'auto: a process of its own only for clients that the server may ask back; session: for every client; shared: one for all.', live: true }),
  repeatable: texts([], { about: 'Patterns of tools that may safely run twice, so that a call whose outcome is unknown is tried again.', live: true }, z.string().min(1).max(128)),
  trust_annotations: truth(false, { about: 'Whether readOnlyHint and idempotentHint of this server count as repeatable.', live: true })
} satisfies Group['keys']

const serverSchema = z
  .strictObject(Object.fromEntries(Object.entries(serverKeys).map(([name, entry]) => [name, entry.schema])) as { [N in keyof typeof serverKeys]: (typeof serverKeys)[N]['schema'] })
  .superRefine((server, context) => {
    const problem = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', message, path })
    if ((server.command === undefined) === (server.url === undefined)) {
      const both = server.command !== undefined
      return problem(both ? 'has both command and url; keep one of them' : 'needs command (a program to start) or url (a server that runs elsewhere)')
    }
    const kind = server.command === undefined ? 'http' : 'stdio'
    for (const name of ['type', 'transport'] as const) {
      const said = server[name]
      if (said !== undefined && Object.hasOwn(TRANSPORTS, said) && TRANSPORTS[said] !== kind) problem(`says ${said}, but the entry has ${kind === 'stdio' ? 'a command' : 'a url'}; leave ${name} out or correct it`, [name])
    }
    const foreign = kind === 'stdio' ? { headers: Object.keys(server.headers).length, proxy: server.proxy?.length ?? 0, ca_file: server.ca_file?.length ?? 0 } : { args: server.args.length, env: Object.keys(server.env).length, cwd: server.cwd?.length ?? 0 }
    for (const [name, count] of Object.entries(foreign)) {
      if (count > 0) problem(`has no meaning for a server with ${kind === 'stdio' ? 'a command' : 'a url'}; remove it`, [name])
    }
    for (const name of ['env', 'headers'] as const) {
      if (Object.keys(server[name]).length > MAX_ENTRIES) problem(`may have at most ${MAX_ENTRIES} entries`, [name])
    }
  })
export type ParsedServer = z.output<typeof serverSchema>

const serversSchema = z
  .record(z.string().regex(SERVER_NAME, 'must be 1 to 32 letters, digits, dashes or underscores'), serverSchema)
  .superRefine((servers, context) => {
    if (Object.keys(servers).length > MAX_SERVERS) context.addIssue({ code: 'custom', message: `may have at most ${MAX_SERVERS} servers` })
  })

export const mcp = {
  about: 'MCP servers of this node and the clients that use them.',
  keys: {
    request_timeout: duration('20s', '100ms', '1h', { about: 'How long a call may take without a sign of progress, for servers without a timeout of their own.' }),
    shutdown_timeout: duration('30s', '0s', '10m', { about: 'How long running calls may finish when the node stops.' }),
    max_sessions: integer(256, 1, 10_000, { about: 'Client sessions at a time; more are refused.' }),
    session_idle_timeout: duration('1h', '10s', '7d', { about: 'A client session without traffic for this long is ended.' }),
    max_body_bytes: size('4MiB', '4KiB', '64MiB', { about: 'Largest message of a client.' }),
    graph: {
      about: 'The bundled graph server.',
      keys: {
        enabled: truth(true, { about: 'Whether the bundled server runs, under the name graph.', live: true }),
        expose: truth(false, { about: 'Whether other nodes may use it; clients of this node always may.', live: true }),
        max_nodes: integer(10_000, 1, 10_000_000, { about: 'Nodes per graph.', live: true }),
        max_edges: integer(50_000, 1, 50_000_000, { about: 'Edges per graph.', live: true })
      }
    },
    views: key(viewsSchema, 'views', 'map of views', '', {}, {
      about: 'What clients see at /mcp (the entry default), /mcp/@search (search) and at endpoints of their own, /mcp/@<name>; see below.',
      live: true
    }),
    servers: key(serversSchema, 'servers', 'map of servers', '', {}, { about: 'MCP servers to attach, by name, in the shape that clients use; see below.', live: true })
  }
} satisfies Group
