import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { createLinks } from '../../../src/membership/links.ts'

/** A handshake between two idle machines, ms. */
const HANDSHAKE = 50
/** From the first link between the halves until everybody has heard everybody's refutation: a digest exchange and a few rounds of gossip, ms. */
const NEWS = 800

const addressOf = (peer: string) => `/ip4/127.0.0.1/tcp/${4_000 + Number(peer.slice(1))}`

/** A pool cut in two after 20 s; each half has declared the other dead 10 s into the cut. */
function cutPool(count: number, cut: number, seed: number, isLeft: (index: number) => boolean = (index) => index < count / 2) {
  const peers = Array.from({ length: count }, (_, index) => `p${String(index).padStart(3, '0')}`)
  const nodes = new Map(peers.map((self, index) => [self, createLinks({ self, random: seededRandom(seed * 1_000 + index), fullMesh: 128 })]))
  const left = new Set(peers.filter((_, index) => isLeft(index)))
  const crosses = (a: string, b: string) => left.has(a) !== left.has(b)
  const dials: { at: number; from: string; to: string }[] = []
  let later: { at: number; run: () => void }[] = []
  let now = 0
  let open = true
  let firstCross = Infinity

  const member = (state: 'alive' | 'dead', peer: string, recovered = false) => ({ state, addresses: [addressOf(peer)], recovered })
  const everyPair = (act: (from: string, to: string) => void) => {
    for (const from of peers) for (const to of peers) if (from !== to) act(from, to)
  }
  const node = (peer: string) => nodes.get(peer) as ReturnType<typeof createLinks>

  function link(from: string, to: string): void {
    if (!node(from).isUp(to)) {
      node(from).up(to, { address: addressOf(to), dialled: true }, now)
      node(to).up(from, { address: addressOf(from), dialled: false }, now)
    }
    if (crosses(from, to)) firstCross = Math.min(firstCross, now)
  }

  function step(): void {
    for (const [from, links] of nodes) {
      for (const effect of links.due(now, 1)) {
        const to = effect.peer
        if (effect.type === 'close') {
          links.down(to, now)
          continue
        }
        dials.push({ at: now, from, to })
        const ok = open || !crosses(from, to)
        const end = now + (ok ? HANDSHAKE : effect.timeout)
        later.push({ at: end, run: () => {
          if (ok) link(from, to)
          links.dialled(to, ok, now)
        } })
      }
    }
  }

  function until(end: number): void {
    for (;;) {
      step()
      const next = Math.min(...[...nodes.values()].map((links) => links.nextDue()), ...later.map(({ at }) => at))
      if (next > end) break
      now = next
      const due = later.filter(({ at }) => at <= now)
      later = later.filter(({ at }) => at > now)
      for (const { run } of due) run()
    }
    now = end
  }

  everyPair((from, to) => node(from).set(to, member('alive', to), now))
  until(20_000)
  const meshed = peers.every((peer) => node(peer).linked().length === count - 1)
  open = false
  until(30_000)
  everyPair((from, to) => crosses(from, to) && node(from).set(to, member('dead', to), now))
  firstCross = Infinity
  until(20_000 + cut)
  const heal = now
  open = true
  // Until the halves have a link they know nothing of each other; then the news spread.
  const crossed = () => firstCross < Infinity
  for (let waited = 0; waited < 20_000 && !crossed(); waited += 10) until(heal + waited)
  const found = firstCross - heal
  until(firstCross + NEWS)
  everyPair((from, to) => crosses(from, to) && node(from).set(to, member('alive', to, true), now))
  until(heal + 20_000)
  const perNode = peers.map((peer) => dials.filter(({ at, from }) => from === peer && at >= 30_000))
  const densest = Math.max(...perNode.map((own) => Math.max(0, ...own.map(({ at }) => own.filter((other) => other.at >= at && other.at < at + 1_000).length))))
  return { meshed, found, densest, healed: peers.every((peer) => node(peer).linked().length === count - 1), dials, heal }
}

describe('a pool cut in two', () => {
  test.each([
    [16, 20_000], [16, 60_000], [16, 120_000], [32, 60_000]
  ])('%i members, %i ms: the halves find each other at once, at two dials a second and member', (count, cut) => {
    for (const seed of [1, 2, 3]) {
      const run = cutPool(count, cut, seed)
      expect(run.meshed).toBe(true)
      expect(run.found).toBeLessThan(1_200)
      expect(run.densest).toBeLessThanOrEqual(2)
      expect(run.healed, 'the full mesh is back').toBe(true)
    }
  })

  test('one member cut off from 15 is found too', () => {
    const found = [1, 2, 3, 4, 5].map((seed) => cutPool(16, 60_000, seed, (index) => index === 7).found)
    expect(Math.max(...found)).toBeLessThan(1_600)
  })

  test('two members cut off from each other find each other within the wait of one dial', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const run = cutPool(2, 120_000, seed)
      expect(run.found).toBeLessThan(2_600)
      expect(run.healed).toBe(true)
    }
  })

  test('the storm of dials after 32 joins is spread: nobody is dialled by more than a few at once', () => {
    const { dials } = cutPool(32, 20_000, 9)
    const first = dials.filter(({ at }) => at < 20_000)
    expect(first.length, 'hardly a pair is dialled from both sides').toBeLessThan((32 * 31 / 2) * 1.1)
    const crowd = first.map(({ at, to }) => first.filter((other) => other.to === to && other.at >= at && other.at < at + 500).length)
    expect(Math.max(...crowd)).toBeLessThanOrEqual(12)
  })
})
