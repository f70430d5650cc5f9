import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { echoServer, metricOf, sees } from '../support/federation-checks.ts'
import { leanClient } from '../support/lean-mcp.ts'
import { watchMembers, type MemberWatch } from '../support/member-watch.ts'
import { makeToken, startSkein, type SkeinProcess } from '../support/skein-process.ts'

const IN_FLIGHT = 16
/** Together they keep two cores busy, whatever one client or one node takes. */
const CLIENTS = 2
const LOAD_MS = 20_000
/** The bar for a kill -9 seen by a node under load, ms. */
const SEEN_WITHIN = 3_000
const PAYLOAD = 'x'.repeat(4_096)

/** Ticks (10 ms) of all cores since the machine started: busy ones and all. */
function cpuTicks(): { busy: number; all: number } {
  const [, ...numbers] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] as string).split(/\s+/)
  const times = numbers.slice(0, 8).map(Number)
  const all = times.reduce((sum, value) => sum + value, 0)
  return { all, busy: all - (times[3] ?? 0) - (times[4] ?? 0) }
}

describe('nodes with all the calls they can take', () => {
  const nodes: SkeinProcess[] = []
  const watches: MemberWatch[] = []

  beforeAll(async () => {
    const founder = await startSkein({ config: { node: { id: 'edge' }, mcp: { graph: { enabled: false } } } })
    nodes.push(founder)
    const token = await makeToken(founder, { uses: 2 })
    nodes.push(...(await Promise.all([startSkein({ config: { node: { id: 'provider' }, mcp: echoServer('echo') }, token }), startSkein({ config: { node: { id: 'third' }, mcp: { graph: { enabled: false } } }, token })])))
    await sees(founder, 'echo')
    for (const node of nodes) watches.push(await watchMembers(node))
  })
  afterAll(async () => {
    await Promise.all(watches.map((watch) => watch.stop()))
    await Promise.all(nodes.map((node) => node.dispose()))
  })

  test('suspect nobody who is healthy, are suspected by nobody, and see a kill -9 of another in time', { timeout: 120_000 }, async () => {
    const [edge, provider, third] = nodes as [SkeinProcess, SkeinProcess, SkeinProcess]
    const loaded = watches.slice(0, 2)
    const stop = new AbortController()
    let calls = 0
    const failed: string[] = []
    async function worker(client: Awaited<ReturnType<typeof leanClient>>): Promise<void> {
      while (!stop.signal.aborted) {
        const { result, error } = await client.call('echo__echo', { text: PAYLOAD })
        calls++
        if (result === undefined || result.isError === true) failed.push(JSON.stringify(error ?? result).slice(0, 200))
      }
    }
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => leanClient(edge.mcpUrl(), IN_FLIGHT)))
    const began = Date.now()
    const before = cpuTicks()
    const workers = clients.flatMap((client) => Array.from({ length: IN_FLIGHT / CLIENTS }, () => worker(client)))
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    const after = cpuTicks()
    const busy = (after.busy - before.busy) / (after.all - before.all)
    const rate = (calls * 1000) / (Date.now() - began)
    const changes = watches.flatMap((watch) => watch.changes.filter(({ time }) => time >= began))
    const suspicions = await sum('skein_membership_suspicions_total')
    const failures = await sum('membership_failures_total')

    const killed = Date.now()
    const { peer } = third.status()
    await third.kill('SIGKILL')
    const seen = await Promise.all(loaded.map((watch) => watch.next(peer, 'failed', killed)))
    const took = seen.map(({ time }) => time - killed)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    stop.abort()
    await Promise.all(workers)
    for (const client of clients) client.close()
    console.log(
      [
        `${Math.round(rate)} calls/s of ${PAYLOAD.length} bytes, ${IN_FLIGHT} in flight, for ${LOAD_MS / 1000} s: ${Math.round(busy * 100)} % of ${availableParallelism()} cores busy`,
        `suspicions ${suspicions}, failures ${failures}; health scores after it ${(await Promise.all([edge, provider].map((node) => metricOf(node, 'skein_membership_health')))).join(' ')}`,
        `kill -9 of the third: seen by edge and provider after ms ${took.join(' ')} (${seen.map(({ evidence }) => evidence).join(' ')})`
      ].join('\n')
    )
    expect(failed).toEqual([])
    expect(changes.filter(({ type }) => type === 'failed' || type === 'left')).toEqual([])
    expect(failures).toBe(0)
    // A suspicion may happen on a machine that does more than this; it must not last.
    expect(loaded.map((watch) => [edge, provider].map((node) => watch.state(node.status().peer)))).toEqual([['alive', 'alive'], ['alive', 'alive']])
    expect(Math.max(...took)).toBeLessThanOrEqual(SEEN_WITHIN)
    expect(loaded.flatMap((watch) => watch.changes.filter(({ type, time, member }) => type === 'failed' && time >= began && member.peer !== peer))).toEqual([])
    expect(await metricOf(edge, 'membership_failures_total')).toBe(1)
    expect(await metricOf(provider, 'membership_failures_total')).toBe(1)
  })

  async function sum(metric: string): Promise<number> {
    return (await Promise.all(nodes.map((node) => metricOf(node, metric)))).reduce((total, value) => total + value, 0)
  }
})
