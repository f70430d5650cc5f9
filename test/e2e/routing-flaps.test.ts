import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { distantWorld, failed, hasTheCalls, isMeasured, keepCalling, percentile, printed, providersListed, sharesOf, workServer, type DistantNode, type DistantWorld, type Made } from '../support/distant-world.ts'
import { leanClient, type LeanClient } from '../support/lean-mcp.ts'
import { waitUntil } from '../support/wait-until.ts'

// Scenario J8 with real processes: nearly all of it is waiting.

/** How long a member that failed three times is watched while nobody chooses it, ms: shorter than it must be stable. */
const DAMPED = 10_000
/** It must be stable for half a minute; room for a busy machine, and for slow start, ms. */
const TRUSTED_WITHIN = 75_000

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('an edge, a provider 2 ms away and one 30 ms away', () => {
  let world: DistantWorld
  let near: DistantNode
  let client: LeanClient

  beforeAll(async () => {
    world = await distantWorld({ node: { id: 'edge' }, mcp: { graph: { enabled: false } } }, 2)
    const work = (id: string) => ({ servers: { work: workServer(id, { ms: 5, more: { repeatable: ['work'] } }) } })
    ;[near] = await Promise.all([world.add('near', 2, work('near')), world.add('far', 30, work('far'))])
    await providersListed(world.edge, 'work__work', 2)
    await Promise.all(['near', 'far'].map((id) => isMeasured(world.edge, id)))
    client = await leanClient(world.edge.mcpUrl(), 32)
  }, 120_000)
  afterAll(async () => {
    client?.close()
    await world?.dispose()
  })

  test('J8: a member that failed three times in a minute is not chosen until it was stable', { timeout: 150_000 }, async () => {
    await hasTheCalls(client, 'work__work', 'near', { within: 30_000, prefix: 'before' })
    const calls = keepCalling(client, 'work__work', { inFlight: 2, prefix: 'flaps' })
    for (let kill = 0; kill < 3; kill++) {
      await settle(500)
      await near.kill('SIGKILL')
      await providersListed(world.edge, 'work__work', 1)
      // One that is back before anybody took it for dead, and that no call was caught by, has failed for nobody.
      await waitUntil('it is dead', async () => (await world.edge.members()).find(({ name }) => name === 'near')?.state === 'dead', { every: 100 })
      await near.start()
      await providersListed(world.edge, 'work__work', 2)
    }
    const returned = Date.now()
    await settle(DAMPED)
    const damped = calls.made.filter(({ at }) => at >= returned)
    const explained = await world.edge.cli('route', 'explain', 'work__work')
    await waitUntil('the near one is chosen again', () => calls.made.some(({ at, by }) => at >= returned + DAMPED && by === 'near'), { timeout: TRUSTED_WITHIN, every: 100 }).finally(() => calls.stop())
    const chosen = calls.made.find(({ at, by }) => at >= returned && by === 'near')
    console.log(
      [
        `J8: after the third return ${damped.length} calls in ${DAMPED / 1000} s: ${printed(sharesOf(damped))}; chosen again ${((chosen as Made).at - returned) / 1000} s after it; p99 of all ${percentile(calls.made.map(({ ms }) => ms), 0.99).toFixed(0)} ms`,
        explained.stdout
      ].join('\n')
    )
    expect(explained.code, explained.stderr).toBe(0)
    expect(failed(calls.made)).toEqual([])
    expect(sharesOf(damped)).toEqual({ far: 1 })
    await hasTheCalls(client, 'work__work', 'near', { within: 20_000, prefix: 'after' })
  })
})
