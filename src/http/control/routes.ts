import type { IncomingMessage, ServerResponse } from 'node:http'
import { SkeinError } from '../../base/errors.ts'
import { toControlError } from '../../wire/control.ts'
import type { CallTrace, DrainOptions, DrainStatus, NodeApi, TokenOptions } from '../../node/api.ts'
import { onlyFields, optionalBoolean, optionalNumber, optionalObject, optionalString, optionalStrings, readFields, requiredString } from './body.ts'
import type { Fields } from './body.ts'
import { createLineStream } from './line-stream.ts'
import type { LineStream } from './line-stream.ts'
import { TIERS_ROUTES } from './tiers-routes.ts'

/** Seconds; a token that lives longer than the machines it lets in is a mistake. */
const TEN_YEARS = 10 * 365 * 24 * 3600
/** One token for a whole fleet; more is a leak waiting to happen. */
const MAX_TOKEN_USES = 10_000
/** ms; the longest call anybody may wait for. */
const ONE_DAY = 24 * 3600 * 1000
/** Dial, admission and echo have deadlines of their own; this ends a test that hangs in spite of them. */
const NET_TEST_TIMEOUT = 60_000
/** Tools in the answer to a search: a screen, and what anybody reads. */
const DEFAULT_FOUND = 20
const MAX_FOUND = 200

/** Answers one request: `plain` with a JSON body, `stream` with lines. */
export type ControlRoute =
  | { kind: 'plain'; run(api: NodeApi, input: RouteInput): unknown }
  | { kind: 'stream'; run(api: NodeApi, input: RouteInput, lines: LineStream): Promise<unknown>; check(fields: Fields): void }

export interface RouteInput {
  fields: Fields
  /** The part of the path behind the route, decoded; '' where there is none. */
  name: string
}

function tool(api: NodeApi, { name }: RouteInput): unknown {
  const found = api.tool(name)
  if (found === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `There is no tool ${name} here. \`skein tools ls\` shows the names.`)
  return found
}

function searchTools(api: NodeApi, { fields }: RouteInput): unknown {
  onlyFields(fields, ['query', 'limit'])
  const limit = optionalNumber(fields, 'limit', { min: 1, max: MAX_FOUND, integer: true }) ?? DEFAULT_FOUND
  return api.searchTools(requiredString(fields, 'query'), { limit })
}

function route(api: NodeApi, { name }: RouteInput): unknown {
  const found = api.explainRoute(name)
  if (found === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `There is no tool ${name} here. \`skein tools ls\` shows the names.`)
  return found
}

const TIERS = ['global', 'regional', 'local', 'leaf']

function tokenOptions(fields: Fields): TokenOptions {
  onlyFields(fields, ['expires', 'uses', 'tier', 'region', 'roles'])
  const tier = optionalString(fields, 'tier')
  if (tier !== undefined && !TIERS.includes(tier)) throw new SkeinError('SKEIN_BAD_REQUEST', `"tier" must be one of ${TIERS.join(', ')}.`)
  const options = {
    expires: optionalNumber(fields, 'expires', { min: 1, max: TEN_YEARS, integer: false }),
    uses: optionalNumber(fields, 'uses', { min: 1, max: MAX_TOKEN_USES, integer: true }),
    tier,
    region: optionalString(fields, 'region'),
    roles: optionalStrings(fields, 'roles')
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as TokenOptions
}

/** `within`: how long running calls may finish, ms. */
export function drainOptions(fields: Fields): DrainOptions {
  onlyFields(fields, ['within'])
  const within = optionalNumber(fields, 'within', { min: 0, max: ONE_DAY, integer: false })
  return within === undefined ? {} : { within }
}

/** Begins and does not wait: the longest call may take hours, a request on the socket may not. */
function drain(api: NodeApi, { fields }: RouteInput): DrainStatus {
  // How it ends is in the log and in GET /drain.
  api.drain(drainOptions(fields)).catch(() => {})
  return api.drainStatus()
}

function checkCall(fields: Fields): void {
  onlyFields(fields, ['name', 'arguments', 'timeout', 'trace'])
  optionalBoolean(fields, 'trace')
  requiredString(fields, 'name')
  optionalObject(fields, 'arguments')
  optionalNumber(fields, 'timeout', { min: 1, max: ONE_DAY, integer: false })
}

async function call(api: NodeApi, { fields }: RouteInput, lines: LineStream): Promise<unknown> {
  const timeout = optionalNumber(fields, 'timeout', { min: 1, max: ONE_DAY, integer: false })
  return await api.call(requiredString(fields, 'name'), optionalObject(fields, 'arguments') ?? {}, {
    signal: lines.signal,
    ...(timeout === undefined ? {} : { timeout }),
    onProgress: (progress) => void lines.report({ progress }),
    ...(optionalBoolean(fields, 'trace') === true ? { onTrace: (trace: CallTrace) => void lines.report({ trace }) } : {})
  })
}

async function netTest(api: NodeApi, { fields }: RouteInput, lines: LineStream): Promise<unknown> {
  // One signal per test, not per call: AbortSignal.any is fine off the hot path.
  const signal = AbortSignal.any([lines.signal, AbortSignal.timeout(NET_TEST_TIMEOUT)])
  return { ok: await api.netTest(requiredString(fields, 'address'), { signal, onStep: (step) => void lines.report({ step }) }) }
}

/** Everyone, then each change until the reader goes away; a reader that missed some gets everyone again before the next. */
async function watchMembers(api: NodeApi, _input: RouteInput, lines: LineStream): Promise<unknown> {
  let complete = false
  // Nothing can change between the two: both happen now.
  const stop = api.onMember((change) => {
    complete = complete ? lines.report({ change }) : lines.report({ members: api.members() })
  })
  complete = lines.report({ members: api.members() })
  if (!lines.signal.aborted) await new Promise<void>((resolve) => lines.signal.addEventListener('abort', () => resolve(), { once: true }))
  stop()
  return {}
}

const ROUTES: Record<string, ControlRoute> = {
  'GET /status': { kind: 'plain', run: (api) => api.status() },
  'GET /peers': { kind: 'plain', run: (api) => api.peers() },
  'GET /members': { kind: 'plain', run: (api) => api.members() },
  'POST /members/watch': { kind: 'stream', run: watchMembers, check: (fields) => onlyFields(fields, []) },
  ...TIERS_ROUTES,
  'GET /tools': { kind: 'plain', run: (api) => api.tools() },
  'GET /tools/': { kind: 'plain', run: tool },
  'POST /tools/search': { kind: 'plain', run: searchTools },
  'GET /route/': { kind: 'plain', run: route },
  'GET /tokens': { kind: 'plain', run: (api) => api.tokens() },
  'GET /health': { kind: 'plain', run: (api) => api.health() },
  'POST /tokens': { kind: 'plain', run: (api, { fields }) => api.createToken(tokenOptions(fields)) },
  'GET /drain': { kind: 'plain', run: (api) => api.drainStatus() },
  'POST /drain': { kind: 'plain', run: drain },
  'POST /undrain': { kind: 'plain', run: (api) => api.undrain() },
  'POST /reload': { kind: 'plain', run: (api) => api.reload() },
  'POST /call': { kind: 'stream', run: call, check: checkCall },
  'POST /net-test': {
    kind: 'stream',
    run: netTest,
    check(fields) {
      onlyFields(fields, ['address'])
      requiredString(fields, 'address')
    }
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new SkeinError('SKEIN_BAD_REQUEST', 'The path of the request is not a valid URL.')
  }
}

function find(method: string, path: string): { route: ControlRoute; name: string } {
  const exact = ROUTES[`${method} ${path}`]
  if (exact !== undefined && !path.endsWith('/')) return { route: exact, name: '' }
  const cut = path.indexOf('/', 1) + 1
  const named = cut > 1 && cut < path.length ? ROUTES[`${method} ${path.slice(0, cut)}`] : undefined
  if (named === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `This node does not know ${method} ${path}; is the command of another version than the node?`)
  return { route: named, name: decode(path.slice(cut)) }
}

/** Runs the route of a request and writes its answer; a thrown error is left to the caller unless the answer has begun. */
export async function answerControl(api: NodeApi, req: IncomingMessage, res: ServerResponse, json: (body: unknown) => void): Promise<void> {
  const { route, name } = find(req.method ?? '', (req.url ?? '/').split('?', 1)[0] as string)
  const input = { fields: await readFields(req), name }
  if (route.kind === 'plain') return json(await route.run(api, input))
  // Mistakes in the request still get a status of their own; later errors travel as the last line.
  route.check(input.fields)
  const lines = createLineStream(res)
  try {
    lines.end({ result: await route.run(api, input, lines) })
  } catch (error) {
    lines.end({ error: toControlError(error) })
  }
}
