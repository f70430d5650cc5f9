import type { Connection } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createPunchDials } from '../../../src/net/relay/punch-dials.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const [PARTNER, OTHER] = [1, 2].map((seed) => peerIdOfKey(new Uint8Array(32).fill(seed))) as [string, string]
const CONNECTION = {} as Connection

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

function setup() {
  const clock = createManualClock()
  const dials = createPunchDials({ clock, logger: silentLogger })
  const dialled: string[] = []
  const failing = async (address: Multiaddr): Promise<Connection> => {
    dialled.push(address.toString())
    throw new Error('refused')
  }
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      clock.advance(10)
      await settle()
    }
  }
  /** How it ended, once it has. */
  function begin(partner: string, addresses: readonly string[], dial = failing): { ended: string | undefined } {
    const how: { ended: string | undefined } = { ended: undefined }
    dials.punch(partner, addresses.map((text) => multiaddr(text)), dial).then(() => (how.ended = 'open'), (error: Error) => (how.ended = error.message))
    return how
  }
  return { clock, dials, dialled, failing, pass, begin }
}

const PUBLIC = '/ip4/8.8.8.8/tcp/4001'

describe('the dials of a hole punch', () => {
  test('go to two public IP addresses at most, each for the other side alone, and never to a name', async () => {
    const { dialled, pass, begin } = setup()
    const how = begin(PARTNER, ['/dns4/example.org/tcp/80', '/ip4/10.0.0.1/tcp/1', '/ip6/::ffff:10.0.0.1/tcp/1', `${PUBLIC}/p2p/${OTHER}`, PUBLIC, `${PUBLIC}/p2p/${PARTNER}`, '/ip6/2606:4700::1/tcp/2', '/ip4/9.9.9.9/tcp/3'])
    await pass(4_000)
    expect([...new Set(dialled)]).toEqual([`${PUBLIC}/p2p/${PARTNER}`, `/ip6/2606:4700::1/tcp/2/p2p/${PARTNER}`])
    expect(how.ended).toBe('refused')
    // Every 40 ms for 3 s, and not once more.
    expect(dialled.length).toBeGreaterThan(100)
    expect(dialled.length).toBeLessThanOrEqual(152)
    const none = begin(PARTNER, ['/dns/example.org/tcp/80'])
    await settle()
    expect(none.ended).toMatch(/no public IP address/)
  })

  test('are six for one member within 30 s, however they end', async () => {
    const { pass, begin } = setup()
    for (let round = 0; round < 6; round++) begin(PARTNER, [PUBLIC], async () => CONNECTION)
    const seventh = begin(PARTNER, [PUBLIC], async () => CONNECTION)
    const another = begin(OTHER, [PUBLIC], async () => CONNECTION)
    await settle()
    expect([seventh.ended, another.ended]).toEqual(['the other side has had 6 attempts within 30 s', 'open'])
    await pass(30_000)
    const later = begin(PARTNER, [PUBLIC], async () => CONNECTION)
    await settle()
    expect(later.ended).toBe('open')
  })

  test('are sixteen at a time for all members together', async () => {
    const { pass, begin } = setup()
    const members = Array.from({ length: 17 }, (_, seed) => peerIdOfKey(new Uint8Array(32).fill(seed + 1)))
    const all = members.map((member) => begin(member, [PUBLIC]))
    await settle()
    expect(all.filter(({ ended }) => ended === undefined)).toHaveLength(16)
    expect(all.at(-1)?.ended).toBe('16 hole punches run already')
    await pass(3_100)
    expect(all.every(({ ended }) => ended !== undefined)).toBe(true)
    const next = begin(members[16] as string, [PUBLIC], async () => CONNECTION)
    await settle()
    expect(next.ended).toBe('open')
  })

  test('end when the node stops, the one that waits for an answer too, and none begins any more', async () => {
    const { clock, dials, dialled, begin, pass } = setup()
    const repeating = begin(PARTNER, [PUBLIC])
    const hanging: { reason?: unknown } = {}
    const plain = dials.plain(OTHER, [multiaddr(PUBLIC)], { timeout: 5_000 }, (_targets, signal) => new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject((hanging.reason = signal.reason) as Error), { once: true })
    }))
    plain.catch(() => {})
    await pass(100)
    dials.stop()
    await settle()
    expect(repeating.ended).toBe('refused')
    await expect(plain).rejects.toThrow('the node is stopping')
    expect(clock.pending).toBe(0)
    const before = dialled.length
    const late = begin(PARTNER, [PUBLIC])
    await pass(1_000)
    expect([late.ended, dialled.length]).toEqual(['the node is stopping', before])
  })

  test('a plain dial ends after its time', async () => {
    const { dials, pass } = setup()
    const plain = dials.plain(PARTNER, [multiaddr(PUBLIC)], { timeout: 5_000 }, (_targets, signal) => new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    }))
    plain.catch(() => {})
    await pass(5_000)
    await expect(plain).rejects.toThrow('took too long')
  })
})
