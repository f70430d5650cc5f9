import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { distantWorld, failed, hasTheCalls, isMeasured, keepCalling, makeCall, printed, providersListed, sharesOf, workedIn, workServer, type DistantNode, type DistantWorld, type Made } from '../support/distant-world.ts'
import { leanClient, type LeanClient } from '../support/lean-mcp.ts'
import { tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

// Scenarios J1, J2, J4 and J6 with real processes; J3, J5 and J7 are in routing-scenarios-hub.test.ts, J8 in routing-flaps.test.ts.

const CALLS = 100
/** Calls that follow each other on a machine that does other things too, where a provider that lacks the processor for a moment is slow: some may go elsewhere. */
const MOST = 0.85
/** From the return of a provider until it has nearly all calls again: slow start is over by then, ms. */
const BACK_WITHIN = 10_000
/** Nobody asks anybody for this answer; room for a busy machine, ms. */
const AT_ONCE = 1_000

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The servers section of a running node, changed in its file and read again. */
async function reconfigure(node: SkeinProcess, servers: Record<string, unknown>): Promise<void> {
  const file = join(node.dataDir, 'node.yaml')
  const before = parse(readFileSync(file, 'utf8')) as { mcp?: Record<string, unknown> }
  writeFileSync(file, stringify({ ...before, mcp: { ...before.mcp, servers } }), { mode: 0o600 })
  expect(await node.cli('reload')).toMatchObject({ code: 0 })
}

describe('an edge, a provider 2 ms away and one 30 ms away', () => {
  const scratch = tempDataDir()
  let world: DistantWorld
  let near: DistantNode
  let far: DistantNode
  let client: LeanClient
  let run = 0

  const log = (id: string) => join(scratch, id)
  /** Calls so long that they are caught by whatever happens; a server of its own, so that nobody takes the other for slow. */
  const LONG = 1_500
  const long = (id: string) => workServer(id, { log: log(`${id}-long`), ms: LONG })
  const work = (id: string) => workServer(id, { log: log(id), ms: 5, more: { repeatable: ['work'] } })
  const start = (inFlight: number, server = 'work') => keepCalling(client, `${server}__work`, { inFlight, prefix: `run${++run}` })
  async function some(inFlight = 1, calls = CALLS): Promise<Made[]> {
    const calling = keepCalling(client, 'work__work', { inFlight, calls, prefix: `run${++run}` })
    await calling.done
    return calling.made
  }
  const listed = (count: number) => providersListed(world.edge, 'work__work', count)
  const measured = (id: string) => isMeasured(world.edge, id)
  const answeredBy = (id: string, within: number) => hasTheCalls(client, 'work__work', id, { within, prefix: `run${++run}` })

  beforeAll(async () => {
    world = await distantWorld({ node: { id: 'edge' }, mcp: { graph: { enabled: false } } }, 2)
    ;[near, far] = await Promise.all([
      world.add('near', 2, { servers: { work: work('near'), long: long('near') } }),
      world.add('far', 30, { servers: { work: work('far'), long: long('far'), solo: workServer('far', { ms: 5 }) } })
    ])
    await listed(2)
    await Promise.all([measured('near'), measured('far')])
    client = await leanClient(world.edge.mcpUrl(), 32)
  }, 120_000)
  afterAll(async () => {
    client?.close()
    await world?.dispose()
    rmSync(scratch, { recursive: true, force: true })
  })

  test('J1: the local one first, then the lowest round trip, and back to the local one after its return', async () => {
    await reconfigure(world.edge, { work: work('local') })
    await listed(3)
    const arrived = await answeredBy('local', BACK_WITHIN)
    const first = sharesOf(await some())
    await reconfigure(world.edge, {})
    await listed(2)
    const without = sharesOf(await some())
    await reconfigure(world.edge, { work: work('local') })
    await listed(3)
    const returned = await answeredBy('local', BACK_WITHIN)
    const after = sharesOf(await some())
    await reconfigure(world.edge, {})
    await listed(2)
    console.log(`J1: with a local one ${printed(first)} (after ${arrived} ms); without ${printed(without)}; after its return ${printed(after)} (after ${returned} ms)`)
    expect(first['local'] ?? 0).toBeGreaterThanOrEqual(MOST)
    expect(without['near'] ?? 0).toBeGreaterThanOrEqual(MOST)
    expect(after['local'] ?? 0).toBeGreaterThanOrEqual(MOST)
  })

  test('J2: of two members one leaves and calls go on; so it is after restarts of the edge and of providers', { timeout: 90_000 }, async () => {
    const leaves = async (leaving: DistantNode, other: DistantNode) => {
      const calls = start(4)
      await settle(500)
      await leaving.kill('SIGTERM')
      await listed(1)
      await settle(300)
      const gone = Date.now()
      await settle(500)
      await calls.stop()
      expect(failed(calls.made)).toEqual([])
      expect(sharesOf(calls.made.filter(({ at }) => at >= gone))).toEqual({ [other.id]: 1 })
      await leaving.start()
      await listed(2)
      return calls.made.length
    }
    const before = await leaves(far, near)
    client.close()
    await world.restartEdge()
    await listed(2)
    client = await leanClient(world.edge.mcpUrl(), 32)
    expect(failed(await some(4))).toEqual([])
    const afterEdge = await leaves(near, far)
    await far.kill('SIGKILL')
    await listed(1)
    await far.start()
    await listed(2)
    const afterProvider = await leaves(near, far)
    console.log(`J2: calls without a failure while one left: ${before} at first, ${afterEdge} after a restart of the edge, ${afterProvider} after one of a provider`)
    await Promise.all([measured('near'), measured('far')])
  })

  test('J4: where nobody answers, the error comes at once', async () => {
    const timed = async (tool: string) => {
      const calls = await Promise.all(Array.from({ length: 10 }, (_, n) => makeCall(client, tool, `solo-${n}`)))
      return { codes: [...new Set(calls.map(({ code }) => code))], ms: Math.max(...calls.map(({ ms }) => ms)) }
    }
    expect((await makeCall(client, 'solo__work', 'there')).by).toBe('far')
    const unknown = await timed('solo__nothing')
    await far.kill('SIGKILL')
    const justGone = await timed('solo__work')
    await listed(1)
    const gone = await timed('solo__work')
    await far.start()
    await listed(2)
    console.log(`J4: slowest of ten: no such tool ${unknown.ms.toFixed(0)} ms (${unknown.codes}); its node just died ${justGone.ms.toFixed(0)} ms (${justGone.codes}); it is gone ${gone.ms.toFixed(0)} ms (${gone.codes})`)
    expect(unknown.codes).toEqual(['SKEIN_NOT_FOUND'])
    expect(gone.codes).toEqual(['SKEIN_NOT_FOUND'])
    for (const code of justGone.codes) expect(['SKEIN_NOT_FOUND', 'SKEIN_NO_PROVIDER', 'SKEIN_UNDELIVERED', 'SKEIN_DIAL_FAILED', 'SKEIN_OUTCOME_UNKNOWN']).toContain(code)
    expect(Math.max(unknown.ms, justGone.ms, gone.ms)).toBeLessThan(AT_ONCE)
    await measured('far')
  })

  test('J6: a drained one gets no new work, finishes what it has and leaves; no call fails', { timeout: 90_000 }, async () => {
    try {
      await answeredBy('near', 30_000)
      const slow = start(4, 'long')
      await waitUntil('long calls run at the near one', () => workedIn(log('near-long')).filter(({ what }) => what === 'start').length >= 2)
      const short = start(4)
      await settle(300)
      const asked = Date.now()
      const drain = await near.node.cli('drain', '--wait', '--json')
      const drained = Date.now()
      expect(drain, drain.stderr).toMatchObject({ code: 0 })
      expect(JSON.parse(drain.stdout)).toMatchObject({ state: 'drained', running: 0 })
      // Whatever began there has ended there.
      const open = workedIn(log('near-long'))
      expect(open.filter(({ what }) => what === 'start').length).toBe(open.filter(({ what }) => what === 'end').length)
      await settle(700)
      const meanwhile = short.made.filter(({ at }) => at > drained)
      expect(meanwhile.length).toBeGreaterThan(10)
      expect(new Set(meanwhile.map(({ by }) => by))).toEqual(new Set(['far']))
      expect([...workedIn(log('near')), ...workedIn(log('near-long'))].filter(({ at }) => at > drained)).toEqual([])
      expect((await world.edge.members()).find(({ name }) => name === 'near')?.state).toBe('alive')

      expect(await near.node.cli('drain', '--undo')).toMatchObject({ code: 0 })
      await listed(2)
      const began = Date.now()
      await waitUntil('the near one is used again', () => short.made.some(({ at, by }) => at > drained && by === 'near'), { timeout: BACK_WITHIN }).catch(async (error: unknown) => {
        throw new Error(`${String(error)}\n${(await world.edge.cli('route', 'explain', 'work__work')).stdout}`)
      })
      const again = Date.now() - began
      expect(await near.node.cli('stop')).toMatchObject({ code: 0 })
      await listed(1)
      await waitUntil('it has left', async () => (await world.edge.members()).find(({ name }) => name === 'near')?.state === 'left', { every: 100 })
      await Promise.all([slow.stop(), short.stop()])
      console.log(`J6: drained in ${drained - asked} ms under ${slow.made.length} long and ${short.made.length} short calls; used ${again} ms after it was undone`)
      expect(failed([...slow.made, ...short.made])).toEqual([])
    } finally {
      // Whatever happened, the next test finds both.
      await near.kill('SIGTERM')
      await near.start()
      await listed(2)
    }
  })
})
