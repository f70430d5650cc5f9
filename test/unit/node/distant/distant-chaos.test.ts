import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { randomInt, seededRandom } from '../../../../src/base/random.ts'
import type { ServerExchange } from '../../../../src/rpc/types.ts'
import { answer, createDistantCalls, distantServer, paramsOf, tell, type Made } from '../../../support/distant-calls.ts'
import type { ReachNode } from '../../../support/reach-net.ts'

/** ms of trouble, and ms afterwards in which everything has to end. */
const TROUBLE = 15_000
const CALM = 50_000
const CALLS = 60

const progress = { jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }

/** Links between hubs break and come back, hubs stand still, providers are slow, full or leaving, and the table is late, wrong or silent. */
async function run(seed: number) {
  const random = seededRandom(seed)
  const chance = (share: number) => random.float() < share
  const pick = <T>(list: readonly T[]): T => list[randomInt(random, list.length)] as T
  const w = await createDistantCalls(distantServer())
  const { edge, hub, region, local, spare, near, far, net } = w
  const ways = { local: [hub, region, local], spare: [hub, region, spare] }
  let way: keyof typeof ways = 'local'
  w.table.answer = () => [w.over(near, ways[way]), w.over(far, ways[way])]
  const { answer: table } = w.table
  const cables: [ReachNode, ReachNode][] = [[edge, hub], [hub, region], [region, local], [region, spare], [local, near], [spare, near], [local, far], [spare, far]]
  const cut = new Set<number>()
  const frozen = new Set<ReachNode>()
  let calm = false
  /** How often each call ran: it reached a provider that did not say that it does nothing. */
  const ran = new Map<string, number>()
  const handled = new Set<ServerExchange>()
  const due: { at: number; act(): void }[] = []
  const made: { id: string; tool: string; call: Made }[] = []
  const thawed = () => {
    for (const node of frozen) w.thaw(node)
    frozen.clear()
  }

  function serve(): void {
    for (const exchange of [...near.served, ...far.served]) {
      if (handled.has(exchange)) continue
      handled.add(exchange)
      const id = String((paramsOf(exchange)['arguments'] as { id?: string }).id)
      if (!calm && chance(0.1)) {
        exchange.fail(new SkeinError(pick(['SKEIN_BUSY', 'SKEIN_GOAWAY', 'SKEIN_NOT_FOUND'] as const), 'not now'))
        continue
      }
      ran.set(id, (ran.get(id) ?? 0) + 1)
      if (chance(0.3)) tell(exchange, progress)
      due.push({ at: net.clock.now() + random.float() * 1_500, act: () => answer(exchange, id) })
    }
    for (const one of due.filter(({ at }) => at <= net.clock.now())) {
      due.splice(due.indexOf(one), 1)
      one.act()
    }
  }

  async function trouble(): Promise<void> {
    const index = randomInt(random, cables.length)
    const [a, b] = cables[index] as [ReachNode, ReachNode]
    if (chance(0.25)) {
      if (cut.delete(index)) await w.link(a, b)
      else {
        cut.add(index)
        await w.unlink(a, b)
      }
    }
    if (chance(0.1)) way = way === 'local' ? 'spare' : 'local'
    if (chance(0.1)) w.table.answer = pick([table, table, undefined, () => []])
    if (chance(0.05)) {
      const node = pick([hub, region, local])
      w.freeze(node)
      frozen.add(node)
    } else if (chance(0.2)) thawed()
  }

  const step = 100
  for (let at = 0; at < TROUBLE; at += step) {
    await trouble()
    if (made.length < CALLS && chance(0.6)) {
      const id = `c${made.length}`
      const tool = chance(0.5) ? 'once' : 'again'
      made.push({ id, tool, call: await w.call({ params: { name: `s__${tool}`, arguments: { id } }, client: { session: undefined } }) })
    }
    await net.advance(step)
    serve()
  }
  calm = true
  thawed()
  for (const index of cut) {
    const [a, b] = cables[index] as [ReachNode, ReachNode]
    await w.link(a, b)
  }
  w.table.answer = table
  for (let at = 0; at < CALM; at += 500) {
    await net.advance(500)
    serve()
  }
  const last = await w.call({ params: { name: 's__once', arguments: { id: 'last' } }, client: { session: undefined } })
  for (let at = 0; at < 5_000 && last.result === undefined; at += 100) {
    await net.advance(100)
    serve()
  }
  return { made, ran, last }
}

describe('calls to distant providers while everything on the way fails', () => {
  test.each([1, 2, 3, 4, 5, 6, 110, 119])('seed %i: none runs twice that must not, each ends, and then all is well', async (seed) => {
    const { made, ran, last } = await run(seed)
    const results = new Map<string, number>()
    for (const { id, tool, call } of made) {
      const { result } = call
      const times = ran.get(id) ?? 0
      results.set(result === id ? 'ok' : String(result), (results.get(result === id ? 'ok' : String(result)) ?? 0) + 1)
      expect(result, `${id} has not ended`).toBeDefined()
      if (tool === 'once') expect(times, `${id} ran ${times} times and ended with ${result}`).toBeLessThanOrEqual(1)
      // Whatever says that it did not run is true, and what says that it ran, too.
      if (result === id) expect(times).toBeGreaterThan(0)
      if (['SKEIN_NO_PROVIDER', 'SKEIN_UNDELIVERED', 'SKEIN_BUSY', 'SKEIN_GOAWAY', 'SKEIN_NOT_FOUND'].includes(String(result))) expect(times, `${id}: ${result}`).toBe(0)
    }
    expect(results.get('ok') ?? 0, [...results].join(' ')).toBeGreaterThan(made.length / 8)
    expect(last.result).toBe('last')
  })
})
