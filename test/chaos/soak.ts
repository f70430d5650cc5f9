/**
 * Four real nodes under mixed traffic of clients and servers of both eras while servers crash, nodes are killed and configurations
 * change: `npm run soak -- --minutes 30`. Every 30 s a line per node. At the end: what each node had in the first and in the last
 * third of the time, what is left once every client is gone, and the totals. The exit code is 1 after an answer that the
 * disturbances do not explain, an error in a node's log, something left over, or, from 15 minutes on, something that grew. Ends
 * only processes it started.
 */
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { createReport } from './report.ts'
import { startTraffic, type Traffic } from './traffic.ts'
import { createWorld } from './world.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '8' } } })
const minutes = Number(values.minutes)
const REPORT_MS = 30_000
/** Longer than the recovery, so that there are times in which every error is one. */
const DISTURB_MS = 20_000
/** Sessions whose clients left without a word are found after a minute and a keep-alive or two. */
const QUIET_MS = 95_000
/** Questions that nobody answers end after this; the sessions of their clients a minute and a keep-alive or two later. */
const QUESTION_KEPT_MS = 600_000
const SESSION_KEPT_MS = QUESTION_KEPT_MS + QUIET_MS
/** In less time what grows is what starts. */
const JUDGED_MINUTES = 15

const world = await createWorld()
const started = performance.now()
const seconds = () => Math.round((performance.now() - started) / 1000)
const disturbances = new Map<string, number>()
const ending = new AbortController()
const problems: string[] = []
const report = createReport()
let traffic: Traffic | undefined

async function disturb(): Promise<void> {
  while (!ending.signal.aborted) {
    await sleep(DISTURB_MS, undefined, { signal: ending.signal }).catch(() => {})
    if (ending.signal.aborted) return
    const what = await world.disturb()
    console.log(`${seconds()}s ${what}`)
    const kind = what.split(' ')[0] as string
    disturbances.set(kind, (disturbances.get(kind) ?? 0) + 1)
  }
}

function summary(): string {
  const told = Object.fromEntries([...(traffic?.counts ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify(told)}, disturbances ${JSON.stringify(Object.fromEntries(disturbances))}, unexplained ${traffic?.unexplained.length}`
}

try {
  traffic = startTraffic(world)
  const disturbing = disturb().catch((error: unknown) => void problems.push(`the soak itself: ${String(error)}`))
  let told = 0
  for (const end = started + minutes * 60_000; performance.now() < end; ) {
    await sleep(Math.min(REPORT_MS, Math.max(0, end - performance.now())))
    await report.sample(world.homes, seconds())
    for (const problem of traffic.unexplained.slice(told)) console.log(`UNEXPLAINED ${problem}`)
    told = traffic.unexplained.length
  }
  ending.abort()
  await Promise.all([disturbing, traffic.stop()])
  const flat = report.table()
  if (!flat && minutes >= JUDGED_MINUTES) problems.push('something grew')
  await sleep(QUIET_MS)
  console.log('once every client is gone:')
  const left = { sessions: 0, running: 0, listeners: 0, open: 0, parked: 0 }
  for (const sample of (await report.sample(world.homes, seconds())).values()) for (const name of Object.keys(left) as (keyof typeof left)[]) left[name] += sample[name]
  // A question left open keeps its call, at the provider and at the edge, and the session if its client had one.
  const most = { sessions: traffic.leftOpen(SESSION_KEPT_MS), running: left.parked, listeners: 0, open: 0, parked: traffic.leftOpen(QUESTION_KEPT_MS) }
  for (const name of Object.keys(left) as (keyof typeof left)[]) if (left[name] > most[name]) problems.push(`left over: ${left[name]} ${name}, and ${most[name]} can be explained`)
} finally {
  ending.abort()
  await traffic?.stop()
  await world.close()
}
for (const [text, count] of world.errors()) problems.push(`${count} times in a log: ${text}`)
for (const problem of [...traffic.unexplained, ...problems]) console.log(`PROBLEM ${problem}`)
console.log(`totals after ${minutes} min: ${summary()}, other problems ${problems.length}`)
process.exitCode = traffic.unexplained.length + problems.length === 0 ? 0 : 1
