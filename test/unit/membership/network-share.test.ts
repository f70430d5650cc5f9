import { describe, expect, test } from 'vitest'
import { createNetworkShare } from '../../../src/membership/network-share.ts'
import type { KnockResult } from '../../../src/membership/types.ts'

function setup(lives: readonly string[] = [], kept: readonly string[] = []) {
  const dials: { peer: string; signal: AbortSignal; end(error?: Error): void }[] = []
  const knocks: { addresses: readonly string[]; end(result: KnockResult): void }[] = []
  const closed: string[] = []
  const share = createNetworkShare(
    {
      send: () => 'sent',
      knock: (addresses) => new Promise((resolve) => knocks.push({ addresses, end: resolve })),
      dial: (peer, _addresses, { signal }) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
          dials.push({ peer, signal, end: (error) => (error === undefined ? resolve() : reject(error)) })
        }),
      close: (peer) => void closed.push(peer)
    },
    { livesBut: (pool, peer) => lives.some((one) => one !== `${pool} ${peer}` && one.endsWith(` ${peer}`)), keep: (peer) => kept.includes(peer) }
  )
  const dial = (pool: string, peer: string, controller = new AbortController()) => share.of(pool).dial(peer, ['/a'], { timeout: 5, signal: controller.signal })
  return { share, dials, knocks, closed, dial }
}

describe('dials of several pools', () => {
  test('one peer is dialled once, and all hear how it ended', async () => {
    const { dials, dial } = setup()
    const both = [dial('a', 'p'), dial('b', 'p')]
    void dial('a', 'q').catch(() => {})
    expect(dials.map(({ peer }) => peer)).toEqual(['p', 'q'])
    dials[0]?.end()
    await Promise.all(both)
    const again = [dial('a', 'p'), dial('b', 'p')]
    expect(dials).toHaveLength(3)
    dials[2]?.end(new Error('refused'))
    expect((await Promise.allSettled(again)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  test('it is given up when the last one gives up', async () => {
    const { dials, dial } = setup()
    const controllers = [new AbortController(), new AbortController()]
    const both = controllers.map((controller, index) => dial(`${index}`, 'p', controller))
    controllers[0]?.abort(new Error('left'))
    expect(dials[0]?.signal.aborted).toBe(false)
    controllers[1]?.abort(new Error('left too'))
    expect(dials[0]?.signal.aborted).toBe(true)
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  test('a dial that is being given up does not serve the next one', () => {
    const { dials, dial } = setup()
    const controller = new AbortController()
    dial('a', 'p', controller).catch(() => {})
    controller.abort(new Error('left'))
    dial('b', 'p').catch(() => {})
    expect(dials.map(({ signal }) => signal.aborted)).toEqual([true, false])
  })

  test('who has stopped dials nobody', async () => {
    const { dials, dial } = setup()
    const controller = new AbortController()
    controller.abort(new Error('stopped'))
    await expect(dial('a', 'p', controller)).rejects.toThrow('stopped')
    expect(dials).toEqual([])
  })
})

test('one look at the same addresses serves all, and the next look is a new one', async () => {
  const { share, knocks } = setup()
  const options = { timeout: 1, signal: new AbortController().signal }
  const both = [share.of('a').knock(['/x', '/y'], options), share.of('b').knock(['/x', '/y'], options)]
  void share.of('b').knock(['/x'], options)
  expect(knocks.map(({ addresses }) => addresses)).toEqual([['/x', '/y'], ['/x']])
  knocks[0]?.end('refused')
  expect(await Promise.all(both)).toEqual(['refused', 'refused'])
  void share.of('a').knock(['/x', '/y'], options)
  expect(knocks).toHaveLength(3)
})

test('a connection is closed when no other pool has its peer, and nobody wants it otherwise', () => {
  const { share, closed } = setup(['a p', 'b p', 'a q', 'b k'], ['w'])
  for (const peer of ['p', 'q', 'w', 'n', 'k']) share.of('a').close(peer)
  expect(closed).toEqual(['q', 'n'])
  for (const peer of ['p', 'w', 'n']) share.closeUnless(peer)
  expect(closed).toEqual(['q', 'n', 'n'])
})
