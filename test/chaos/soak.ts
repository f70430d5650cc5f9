/**
 * Four real nodes under mixed traffic while servers crash and nodes are killed: `npm run soak -- --minutes 8`. Every 30 s a line per
 * node: resident memory, heap after a collection, open handles, children, worst event-loop delay. The last line has the totals;
 * the exit code is 1 after an answer that the disturbances do not explain. Ends only processes it started.
 */
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createInspector, type Inspector } from '../support/inspector.ts'
import { leanClient, type LeanAnswer, type LeanClient } from '../support/lean-mcp.ts'
import { descendants } from '../support/processes.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '8' } } })
const minutes = Number(values.minutes)
const REPORT_MS = 30_000
/** Longer than the recovery, so that there are times in which every error is one. */
const DISTURB_MS = 12_000
const SETTLE_MS = 2_000
const WORKERS_PER_NODE = 4
/** After a disturbance everything works again within this: a server's restart, a node's start and its first sync. */
const RECOVERED_MS = 10_000
const NAMES = ['a', 'b', 'c', 'd']
/** What a client may be told while a node or server is down. */
const EXPLAINED = new Set(['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_NO_PROVIDER', 'SKEIN_NOT_FOUND', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_UNDELIVERED', 'SKEIN_GOAWAY', 'SKEIN_BUSY'])

interface Running {
  name: string
  dataDir: string
  node: SkeinProcess
  inspector: Inspector
  /** Being killed or just started: its clients get no answers. */
  away: boolean
}

const echo = { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] }
const config = (name: string) => ({
  node: { id: name },
  monitoring: { log_level: 'warn' },
  mcp: { servers: { [`state-${name}`]: echo, shared: { ...echo, stateless: true, repeatable: ['echo', 'big'] } } }
})

const nodes: Running[] = []
const counts = new Map<string, number>()
const unexplained: string[] = []
const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
const ending = new AbortController()
const isOver = () => ending.signal.aborted
/** When something was last broken or came back. */
let disturbed = -Infinity

async function startNode(name: string, dataDir: string, token?: string): Promise<Pick<Running, 'node' | 'inspector'>> {
  const node = await startSkein({ dataDir, config: config(name), env: { NODE_OPTIONS: '--inspect=127.0.0.1:0' }, ...(token === undefined ? {} : { token }) })
  return { node, inspector: await createInspector(node.output) }
}

const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T

/** One call of a random kind; says what is wrong with the answer, if it cannot be explained. */
async function oneCall(client: LeanClient, home: Running): Promise<string | undefined> {
  const server = Math.random() < 0.4 ? 'shared' : `state-${pick(NAMES)}`
  const kind = pick(['echo', 'echo', 'echo', 'echo', 'slow', 'big', 'list', 'cancel'])
  count(kind)
  if (kind === 'list') {
    const { result } = await client.ask('tools/list', {})
    return Array.isArray((result as { tools?: unknown[] } | undefined)?.tools) ? undefined : 'a list without tools'
  }
  if (kind === 'cancel') {
    await client.abandon('tools/call', { name: `${server}__slow`, arguments: { steps: 50, ms: 100 } }, 50 + Math.random() * 200)
    return undefined
  }
  const text = 'x'.repeat(Math.floor(Math.random() * 2_000))
  const bytes = Math.floor(Math.random() * 1_000_000)
  const args = { echo: { text }, big: { bytes }, slow: { steps: 5, ms: 20 } }[kind as 'echo' | 'big' | 'slow']
  const answer = await client.ask('tools/call', { name: `${server}__${kind}`, arguments: args, ...(kind === 'slow' ? { _meta: { progressToken: 'p' } } : {}) })
  return judge(answer, { echo: text.length, big: bytes, slow: 'done 5'.length }[kind as 'echo' | 'big' | 'slow'], `${home.name}: ${server}__${kind}`)
}

function judge({ result, error }: LeanAnswer, length: number, what: string): string | undefined {
  if (error !== undefined) {
    const code = error.data?.code ?? String(error.code)
    count(code)
    const explained = EXPLAINED.has(code) && performance.now() - disturbed < RECOVERED_MS
    return explained ? undefined : `${what}: ${code} ${error.message}`
  }
  const got = result?.content?.[0]?.text?.length
  return got === length ? undefined : `${what}: ${got} characters instead of ${length}`
}

async function worker(home: Running): Promise<void> {
  let client: LeanClient | undefined
  while (!isOver()) {
    if (home.away) {
      client?.close()
      client = undefined
      await sleep(200)
      continue
    }
    try {
      client ??= await leanClient(home.node.mcpUrl(), 4)
      const problem = await oneCall(client, home)
      if (problem !== undefined) unexplained.push(problem)
      // Clients come and go.
      if (Math.random() < 0.01) {
        await client.end()
        client = undefined
      }
    } catch (error) {
      client?.close()
      client = undefined
      if (!home.away && !isOver()) unexplained.push(`${home.name}: ${String(error)}`)
    }
    await sleep(5)
  }
  await client?.end().catch(() => {})
}

async function disturb(): Promise<void> {
  while (!isOver()) {
    await sleep(DISTURB_MS)
    const victim = pick(nodes)
    if (isOver() || victim.away) continue
    disturbed = performance.now()
    if (Math.random() < 0.6) {
      count('server kills')
      const child = pick(descendants(victim.node.child.pid as number).filter((found) => found.command.includes('echo-server')))
      if (child !== undefined) process.kill(child.pid, 'SIGKILL')
      continue
    }
    count('node restarts')
    victim.away = true
    victim.inspector.close()
    await victim.node.kill(Math.random() < 0.5 ? 'SIGKILL' : 'SIGTERM')
    Object.assign(victim, await startNode(victim.name, victim.dataDir))
    victim.away = false
    disturbed = performance.now()
  }
}

async function report(started: number): Promise<void> {
  for (const { name, node, inspector, away } of nodes) {
    if (away) continue
    const { rss, heap, handles, delay } = await inspector.measure().catch(() => ({ rss: 0, heap: 0, handles: 0, delay: 0 }))
    const mib = (bytes: number) => (bytes / 1_048_576).toFixed(1)
    console.log(`${Math.round((performance.now() - started) / 1000)}s ${name} up ${Math.round(inspector.age() / 1000)}s rss ${mib(rss)} heap ${mib(heap)} handles ${handles} children ${descendants(node.child.pid as number).length} worst delay ${delay.toFixed(0)} ms`)
  }
  console.log(JSON.stringify(Object.fromEntries(counts)), `unexplained ${unexplained.length}`, unexplained.slice(-3))
}

const started = performance.now()
const work: Promise<void>[] = []
try {
  let first: SkeinProcess | undefined
  for (const name of NAMES) {
    const token = first === undefined ? undefined : await makeToken(first)
    const dataDir = tempDataDir()
    nodes.push({ name, dataDir, away: false, ...(await startNode(name, dataDir, token)) })
    first ??= nodes[0]?.node
  }
  // Until each knows the others' tools.
  await sleep(SETTLE_MS)
  work.push(...nodes.flatMap((home) => Array.from({ length: WORKERS_PER_NODE }, () => worker(home))), disturb())
  for (const end = performance.now() + minutes * 60_000; performance.now() < end; ) {
    await sleep(Math.min(REPORT_MS, Math.max(0, end - performance.now())))
    await report(started)
  }
} finally {
  ending.abort()
  for (const { status, reason } of (await Promise.allSettled(work)) as PromiseRejectedResult[]) if (status === 'rejected') unexplained.push(String(reason))
  for (const { inspector } of nodes) inspector.close()
  await Promise.all(nodes.map(({ node }) => node.dispose()))
}
for (const problem of unexplained) console.log(problem)
console.log(`totals: ${JSON.stringify(Object.fromEntries(counts))}, unexplained ${unexplained.length}`)
process.exitCode = unexplained.length === 0 ? 0 : 1
