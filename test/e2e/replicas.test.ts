import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RouteExplanation } from '../../src/node/api.ts'
import { distantWorld, keepCalling, makeCall, percentile, printed, providersListed, sharesOf, workedIn, workServer, type DistantNode, type DistantWorld, type Made } from '../support/distant-world.ts'
import { metricOf } from '../support/federation-checks.ts'
import { leanClient, type LeanClient } from '../support/lean-mcp.ts'
import { tempDataDir } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** Round trips of the replicas, ms. */
const AWAY = { near: 1, mid: 20, far: 80 }
const LIMIT = 8
const WORK = 50
/** Calls of each part: enough that a share of a few percent is more than chance. */
const CALLS = 600
const NEAR_SHARE = 0.9
/** The same with as many calls as it has room for, of which some meet a full one. */
const LATER_SHARE = 0.75
/** What may wait at the near one while the others have room. */
const QUEUE = 2
/** From its start until the near one is used again, ms. */
const USED_WITHIN = 10_000
/** Slow start is over after this, ms after the first call. */
const WARM = 6_000
const SAMPLE = 40

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('three replicas, 1, 20 and 80 ms away, each with room for eight calls of 50 ms', () => {
  const scratch = tempDataDir()
  let world: DistantWorld
  let client: LeanClient
  const replicas = {} as Record<keyof typeof AWAY, DistantNode>
  const log = (id: string) => join(scratch, id)

  beforeAll(async () => {
    world = await distantWorld({ node: { id: 'edge' }, mcp: { graph: { enabled: false } } }, 3)
    await Promise.all(
      Object.entries(AWAY).map(async ([id, ms]) => {
        replicas[id as keyof typeof AWAY] = await world.add(id, ms, {
          servers: { work: workServer(id, { log: log(id), limit: LIMIT, ms: WORK, more: { max_concurrent: LIMIT, repeatable: ['work'] } }) }
        })
      })
    )
    await providersListed(world.edge, 'work__work', 3)
    await measured()
    // Whoever has just joined takes few calls for its first seconds; that is the last test's matter.
    await waitUntil('all three take their share', async () => (await explained()).every(({ standing }) => standing === 'good'), { timeout: 20_000, every: 500 })
    client = await leanClient(world.edge.mcpUrl(), 32)
    // The first calls open what stays open.
    for (let n = 0; n < 6; n++) await makeCall(client, 'work__work', `warm-${n}`)
  }, 120_000)
  afterAll(async () => {
    client?.close()
    await world?.dispose()
    rmSync(scratch, { recursive: true, force: true })
  })

  /** Every round trip is known at the edge, and is about what the link makes it: the first answers of busy processes are late. */
  async function measured(): Promise<void> {
    const found: Record<string, number | undefined> = {}
    await waitUntil(
      'the edge has measured all three',
      async () => {
        for (const { name, rtt } of await world.edge.peers()) found[name] = rtt
        const { near = -1, mid = -1, far = -1 } = found
        return near >= AWAY.near && mid >= Math.max(AWAY.mid, 2 * near) && far >= Math.max(AWAY.far, 2 * mid)
      },
      { timeout: 60_000, every: 500 }
    ).finally(() => console.log(`round trips as the edge measured them: ${JSON.stringify(found)}`))
  }

  async function explained(): Promise<RouteExplanation['candidates']> {
    const { code, stdout, stderr } = await world.edge.cli('route', 'explain', 'work__work', '--json')
    if (code !== 0) throw new Error(stderr)
    return (JSON.parse(stdout) as RouteExplanation).candidates
  }
  const figures = async () =>
    (await explained()).map(({ name, path, service, ahead, reliability, expected, standing }) => `${name} ${standing}: path ${path.toFixed(1)}, service ${service.toFixed(1)}, ahead ${ahead.toFixed(1)}, reliability ${reliability.toFixed(2)}, expected ${expected.toFixed(1)}`).join('; ')

  test(`4 in flight: at least ${NEAR_SHARE * 100} % take the near one`, async () => {
    const calls = keepCalling(client, 'work__work', { inFlight: 4, calls: CALLS, prefix: 'four' })
    await calls.done
    const shares = sharesOf(calls.made)
    console.log(`4 in flight: ${printed(shares)}; ms p50 ${percentile(times(calls.made), 0.5).toFixed(0)}, p99 ${percentile(times(calls.made), 0.99).toFixed(0)}\n  ${await figures()}`)
    expect(calls.made.filter(({ by }) => by === undefined)).toEqual([])
    expect(shares['near'] ?? 0).toBeGreaterThanOrEqual(NEAR_SHARE)
  })

  test(`16 in flight: at most ${QUEUE} wait at the near one, and the others take the rest`, async () => {
    const calls = keepCalling(client, 'work__work', { inFlight: 16, calls: CALLS * 2, prefix: 'sixteen' })
    const queues: number[] = []
    const over = new AbortController()
    const sampling = (async () => {
      while (!over.signal.aborted) {
        queues.push(await metricOf(replicas.near.node, 'skein_guard_waiting', { component: 'upstream:work' }))
        await settle(SAMPLE)
      }
    })()
    await calls.done
    over.abort()
    await sampling
    const shares = sharesOf(calls.made)
    const waits = waited(calls.made, 'near')
    console.log(
      [
        `16 in flight: ${printed(shares)}; ms p50 ${percentile(times(calls.made), 0.5).toFixed(0)}, p99 ${percentile(times(calls.made), 0.99).toFixed(0)}`,
        `  waiting at the near one in ${queues.length} looks: most ${Math.max(...queues)}, mean ${mean(queues).toFixed(2)}`,
        `  from the client until the near one works, ms: p50 ${percentile(waits, 0.5).toFixed(1)}, p90 ${percentile(waits, 0.9).toFixed(1)}, p99 ${percentile(waits, 0.99).toFixed(1)}`,
        `  ${await figures()}`
      ].join('\n')
    )
    expect(calls.made.filter(({ by }) => by === undefined)).toEqual([])
    expect(queues.length).toBeGreaterThan(20)
    expect(Math.max(...queues)).toBeLessThanOrEqual(QUEUE)
    // It is kept busy all the same: eight at a time here, the other eight elsewhere.
    expect(shares['near'] ?? 0).toBeGreaterThan(0.4)
    expect((shares['mid'] ?? 0) + (shares['far'] ?? 0)).toBeGreaterThan(0.25)
    // No replica had more in service than it can.
    for (const id of Object.keys(AWAY)) expect(Math.max(...workedIn(log(id)).map(({ running }) => running))).toBeLessThanOrEqual(LIMIT)
  })

  test('killed with -9 and started again, the near one is used within 10 s, gently', { timeout: 90_000 }, async () => {
    // As many as the near one can take: the kill fails more of them in a row than any breaker waits for.
    const calls = keepCalling(client, 'work__work', { inFlight: LIMIT, prefix: 'return' })
    await settle(2_000)
    const killed = Date.now()
    await replicas.near.kill('SIGKILL')
    await settle(2_000)
    const started = Date.now()
    await replicas.near.start()
    const ready = Date.now()
    let first = Infinity
    try {
      await waitUntil(
        'the near one is used again',
        () => {
          first = Math.min(...calls.made.filter(({ at, by }) => at >= started && by === 'near').map(({ at }) => at))
          return first < Infinity
        },
        { timeout: 20_000 }
      )
      await settle(WARM + 2_500)
    } finally {
      await calls.stop()
    }
    const shareIn = (from: number, to: number) => {
      const some = calls.made.filter(({ at }) => at >= from && at < to)
      return some.filter(({ by }) => by === 'near').length / some.length
    }
    const seconds = Array.from({ length: 8 }, (_, second) => shareIn(first + second * 1_000, first + (second + 1) * 1_000))
    const away = sharesOf(calls.made.filter(({ at }) => at > killed + 500 && at < started))
    console.log(
      [
        `while it was away: ${printed(away)}; used again ${first - started} ms after its start, ${first - ready} ms after it was ready`,
        `  its share in each second since then, %: ${seconds.map((share) => Math.round(share * 100)).join(' ')}`
      ].join('\n')
    )
    // The tool may run twice, so nobody notices the kill.
    expect(calls.made.filter(({ by }) => by === undefined)).toEqual([])
    expect(away['near'] ?? 0).toBe(0)
    expect(first - started).toBeLessThanOrEqual(USED_WITHIN)
    const later = shareIn(first + WARM, first + WARM + 2_000)
    expect(seconds[0]).toBeLessThan(later)
    expect(later).toBeGreaterThanOrEqual(LATER_SHARE)
  })

  const times = (made: readonly Made[]) => made.map(({ ms }) => ms)
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

  /** From the client's sending until the work began, for calls that one replica answered. */
  function waited(made: readonly Made[], id: string): number[] {
    const begun = new Map(workedIn(log(id)).flatMap(({ what, id: call, at }) => (what === 'start' ? [[call, at] as const] : [])))
    return made.flatMap(({ id: call, at, by }) => (by === id && begun.has(call) ? [(begun.get(call) as number) - at] : []))
  }
})
