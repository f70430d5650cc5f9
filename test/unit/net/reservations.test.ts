import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createReservations } from '../../../src/net/relay/reservations.ts'
import type { ReservationStore } from '../../../src/net/relay/parts.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const [A, B, C] = [1, 2, 3].map((seed) => peerIdOfKey(new Uint8Array(32).fill(seed))) as [string, string, string]

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

function setup() {
  const clock = createManualClock()
  const asked: string[] = []
  const refusing = new Set<string>()
  const held = new Set<string>()
  const events = new EventTarget()
  /** Set: answers wait for it. */
  const world: { slow?: Promise<void>; hosts: string[]; named: (peer: string) => string } = { hosts: ['127.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.3'], named: (peer) => peer }
  const store = Object.assign(events, {
    async addRelay(peer: PeerId) {
      asked.push(peer.toString())
      if (refusing.has(peer.toString())) throw new Error('reservation failed with status RESERVATION_REFUSED')
      await world.slow
      held.add(peer.toString())
      return { details: { reservation: { addrs: world.hosts.map((host) => multiaddr(`/ip4/${host}/tcp/1/p2p/${world.named(peer.toString())}`).bytes) } } }
    },
    hasReservation: (peer: PeerId) => held.has(peer.toString()),
    cancelReservations: () => held.clear()
  }) as ReservationStore
  let changes = 0
  const reservations = createReservations({
    store: () => store, clock, random: seededRandom(1), logger: silentLogger, candidates: () => [A, B, C], onChange: () => changes++
  })
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(500)
      await settle()
    }
  }
  function lose(peer: string): void {
    held.delete(peer)
    events.dispatchEvent(new CustomEvent('relay:removed', { detail: { relay: { toString: () => peer } } }))
  }
  return { reservations, world, held, asked, refusing, pass, lose, changes: () => changes }
}

describe('places at relays', () => {
  test('two are held while wanted; of each two addresses are told, never loopback beside others', async () => {
    const { reservations, asked, pass, changes } = setup()
    await pass(10_000)
    expect(asked).toEqual([])
    reservations.set(true)
    await pass(2_000)
    expect(asked).toEqual([A, B])
    expect(reservations.addresses()).toEqual([A, B].flatMap((peer) => ['10.0.0.1', '10.0.0.2'].map((host) => `/ip4/${host}/tcp/1/p2p/${peer}/p2p-circuit`)))
    expect(changes()).toBe(2)
    reservations.set(false)
    expect(reservations.addresses()).toEqual([])
    await pass(60_000)
    expect(asked).toEqual([A, B])
  })

  test('a lost relay is replaced by the next', async () => {
    const { reservations, pass, lose, refusing } = setup()
    reservations.set(true)
    await pass(2_000)
    refusing.add(A)
    lose(A)
    expect(reservations.relays()).toEqual([B])
    await pass(1_000)
    expect(reservations.relays()).toEqual([B, C])
  })

  test('one that refuses is asked ever less often', async () => {
    const { reservations, asked, pass, refusing } = setup()
    for (const peer of [A, B, C]) refusing.add(peer)
    reservations.set(true)
    await pass(60_000)
    const first = asked.length
    expect(first).toBeGreaterThanOrEqual(9)
    await pass(60_000)
    expect(asked.length - first).toBeLessThan(first)
    refusing.clear()
    await pass(300_000)
    expect(reservations.relays()).toHaveLength(2)
  })

  test.each(['no longer wanted', 'stopped'])('a place that comes when it is %s is given up', async (why) => {
    const { reservations, world, held, pass, changes } = setup()
    const answer = Promise.withResolvers<void>()
    world.slow = answer.promise
    reservations.set(true)
    await pass(1_000)
    if (why === 'stopped') reservations.stop()
    else reservations.set(false)
    answer.resolve()
    await pass(5_000)
    expect([...held]).toEqual([])
    expect(reservations.addresses()).toEqual([])
    expect(changes()).toBe(0)
  })

  test('of the addresses that a relay names only its own are told, and one without any is none', async () => {
    const { reservations, world, pass } = setup()
    world.hosts = ['127.0.0.1', '10.0.0.1']
    let turn = 0
    // Its own is the one on loopback.
    world.named = (peer) => (turn++ % 2 === 0 ? peer : C)
    reservations.set(true)
    await pass(1_000)
    expect(reservations.addresses()).toEqual([A, B].map((peer) => `/ip4/127.0.0.1/tcp/1/p2p/${peer}/p2p-circuit`))
    const other = setup()
    other.world.named = (peer) => `${C}/p2p-circuit/p2p/${peer}`
    other.reservations.set(true)
    await other.pass(1_000)
    expect(other.asked).toEqual([A, B, C])
    expect(other.reservations.relays()).toEqual([])
  })
})
