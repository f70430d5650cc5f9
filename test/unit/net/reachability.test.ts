import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createReachability, type DirectLink } from '../../../src/net/relay/reachability.ts'
import type { ReachVerdict } from '../../../src/wire/reach.ts'
import { createManualClock } from '../../support/manual-clock.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

const out = (peer: string, host: string): DirectLink => ({ peer, host, inbound: false })
const into = (peer: string, host: string): DirectLink => ({ peer, host, inbound: true })

function setup(answer: (peer: string) => ReachVerdict | Error = () => 'reached') {
  const clock = createManualClock()
  const asked: string[] = []
  const states: string[] = []
  const world = { links: [] as DirectLink[], answer }
  const reachability = createReachability({
    clock, random: seededRandom(1), logger: silentLogger,
    links: () => world.links,
    async ask(peer) {
      asked.push(peer)
      const verdict = world.answer(peer)
      if (verdict instanceof Error) throw verdict
      return verdict
    },
    onChange: () => states.push(reachability.state)
  })
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(500)
      await settle()
    }
  }
  return { reachability, world, asked, states, pass }
}

describe('whether members can dial this node', () => {
  test('nobody is asked where somebody has dialled already', async () => {
    const { reachability, world, asked, states, pass } = setup()
    world.links = [into('a', '10.0.0.1'), out('b', '10.0.0.2')]
    reachability.linked()
    await pass(10_000)
    expect(asked).toEqual([])
    expect(states).toEqual(['yes'])
  })

  test('one of each network where nobody dialled is asked, three at most; within 10 s', async () => {
    const { reachability, world, asked, states, pass } = setup()
    world.links = [out('a', '10.0.0.1'), out('b', '10.0.0.2'), into('c', '192.168.0.1'), out('d', '8.8.8.8'), out('e', '10.9.0.1'), out('f', '10.8.0.1')]
    reachability.linked()
    await pass(10_000)
    expect(asked).toHaveLength(3)
    expect(asked.filter((peer) => peer === 'a' || peer === 'b')).toHaveLength(1)
    expect(asked).toContain('d')
    expect(asked).not.toContain('c')
    expect(states).toEqual(['yes'])
  })

  test('a single one that cannot dial it makes it hidden, and it is asked again until it can', async () => {
    const { reachability, world, asked, states, pass } = setup((peer) => (peer === 'far' ? 'unreached' : 'reached'))
    world.links = [out('near', '10.0.0.1'), out('far', '8.8.8.8')]
    reachability.linked()
    await pass(10_000)
    expect(states).toEqual(['no'])
    world.answer = () => 'reached'
    await pass(70_000)
    expect(states).toEqual(['no', 'yes'])
    const before = asked.length
    await pass(120_000)
    expect(asked.length).toBe(before)
  })

  test('no answer is no verdict: asked again soon', async () => {
    const { reachability, world, states, pass } = setup(() => new Error('gone'))
    world.links = [out('a', '8.8.8.8')]
    reachability.linked()
    await pass(10_000)
    expect(reachability.state).toBe('unknown')
    world.answer = () => 'unreached'
    await pass(20_000)
    expect(states).toEqual(['no'])
  })

  test('alone it waits for the next connection, and stopped it asks nobody', async () => {
    const { reachability, world, asked, pass } = setup()
    reachability.linked()
    await pass(10_000)
    world.links = [out('a', '8.8.8.8')]
    await pass(400_000)
    expect(asked).toEqual([])
    reachability.linked()
    await pass(10_000)
    expect(asked).toEqual(['a'])
    reachability.stop()
    await pass(1_000_000)
    expect(asked).toEqual(['a'])
  })
})
