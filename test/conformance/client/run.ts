/**
 * The client under test of `conformance client`: our upstream host and connector, used as an edge uses them. The tool appends the
 * URL of its server and says the scenario in the environment; VERBOSE=1 prints what our side logs.
 * `conformance client --command "node test/conformance/client/run.ts" --scenario tools_call --spec-version 2026-07-28`,
 * all of them: `npm run conformance -- --only clients`
 */
import { systemClock } from '../../../src/base/clock.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { silentLogger, type Logger } from '../../../src/base/logger.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { ClientContext } from '../../../src/mcp/ports.ts'
import { createUpstreamHost } from '../../../src/mcp/upstream/host.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import { readOutcome, type Json } from '../../../src/wire/json-rpc.ts'
import { testGuards } from '../../support/guards.ts'
import { answerFor, argumentsFor } from './answers.ts'

const SERVER = 'remote'
/** As an edge: a client that is asked again and again for ever would be a mistake of the server. */
const MAX_ROUNDS = 32

const url = process.argv.at(-1) as string
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? ''
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}') as { toolCalls?: { name: string; arguments: Json }[] }
const modern = (process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? '') >= '2026'

const client: ClientContext = {
  session: modern ? undefined : 'conformance/1',
  clientInfo: { name: 'skein-conformance', version: '1.0.0' },
  capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
  logLevel: undefined
}

const speaking: Logger = { debug: print, info: print, warn: print, error: print, child: () => speaking }
function print(message: string, fields?: unknown): void {
  process.stderr.write(`${message} ${JSON.stringify(fields ?? {})}\n`)
}
const logger = process.env.VERBOSE === undefined ? silentLogger : speaking
const connector = createUpstreamConnector({ clock: systemClock, logger })
const host = createUpstreamHost(
  { clock: systemClock, random: systemRandom, meter: createMeter(), logger, guards: testGuards(systemClock), connect: (spec, name) => connector.connect(spec, name) },
  { version: '1.0.0' }
)

/** One request of the client, all its rounds: the result, or the server's error as text. */
async function ask(method: string, params: Json): Promise<Json | string> {
  let more: Json = {}
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const request = { server: SERVER, method, params: { ...params, ...more }, client, timeout: 20_000, correlation: scenario }
    const end = readOutcome(await host.run(request, { notification() {} }).outcome)
    if ('error' in end) return `${end.error.code} ${end.error.message}`
    if (end.result.resultType !== 'input_required') return end.result
    const { inputRequests = {}, requestState } = end.result as { inputRequests?: Json; requestState?: string }
    const inputResponses = Object.fromEntries(Object.entries(inputRequests).map(([key, asked]) => [key, answerFor(asked as Json)]))
    more = { inputResponses, ...(requestState === undefined ? {} : { requestState }) }
  }
  throw new Error(`${method} asked more than ${MAX_ROUNDS} times`)
}
/** Asks, and says what came of it. */
async function show(method: string, params: Json): Promise<Json> {
  const end = await ask(method, params)
  process.stdout.write(`${method} ${JSON.stringify(params).slice(0, 100)}: ${JSON.stringify(end).slice(0, 200)}\n`)
  return typeof end === 'string' ? {} : end
}

/** What there is to call: what the tool told us, or each tool of the list. */
function callsFor(tools: readonly Json[]): { name: string; arguments: Json }[] {
  if (context.toolCalls !== undefined) return context.toolCalls
  const echo = tools.find(({ name }) => name === 'json_schema_echo')
  const focal = tools.find((tool) => tool !== echo)
  if (echo !== undefined && focal !== undefined) return [{ name: 'json_schema_echo', arguments: { schema: focal.inputSchema } }]
  return tools.map((tool) => ({ name: String(tool.name), arguments: argumentsFor(tool.inputSchema) }))
}

try {
  await host.apply({ [SERVER]: {
    kind: 'http', url, headers: {}, enabled: true, isolation: 'auto', protocol: 'auto', expose: { allow: ['*'], deny: [] }, stateless: false, timeout: 20_000, repeatable: [], trustAnnotations: false
  } }, { wait: 20_000 })
  const [status] = host.list()
  const offered = host.tools(SERVER)
  if (offered === undefined) throw new Error(`the server did not start: ${JSON.stringify(status)}`)
  // All at once: the rounds of one call are no business of the others.
  await Promise.all(callsFor(offered.definitions).map((call) => show('tools/call', call)))
  for (const { uri } of offered.about.resources) await show('resources/read', { uri })
  for (const prompt of offered.about.prompts) await show('prompts/get', { name: prompt.name, arguments: {} })
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
} finally {
  await host.stop({ grace: 1_000 })
}
