import type { Stream } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { boundJoin } from '../../../src/net/relay/join.ts'

class FakeStream extends EventTarget {
  paused = 0
  resumed = 0
  sent: number[] = []
  pause(): void {
    this.paused++
  }
  resume(): void {
    this.resumed++
  }
  send(data: Uint8Array): boolean {
    this.sent.push(data.byteLength)
    return true
  }
  arrive(bytes: number): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(bytes) }))
  }
}

const KIB = 1_024

/** Two streams as the library joins them: what the negotiation reads is read by a listener of its own. */
function setup() {
  const [hop, stop] = [new FakeStream(), new FakeStream()]
  boundJoin(hop as unknown as Stream, stop as unknown as Stream)
  const negotiation = () => {}
  stop.addEventListener('message', negotiation)
  stop.arrive(300 * KIB)
  stop.removeEventListener('message', negotiation)
  const waiting = { hop: [] as number[], stop: [] as number[] }
  const listeners = {
    hop: (event: Event) => void waiting.hop.push((event as Event & { data: Uint8Array }).data.byteLength),
    stop: (event: Event) => void waiting.stop.push((event as Event & { data: Uint8Array }).data.byteLength)
  }
  hop.addEventListener('message', listeners.hop)
  // The library's second list.
  hop.addEventListener('message', () => waiting.hop.push(-1))
  stop.addEventListener('message', listeners.stop)
  return { hop, stop, waiting, listeners }
}

describe('the two streams of a relayed connection', () => {
  test('are read no faster than the other side takes, each direction by itself', () => {
    const { hop, stop, waiting } = setup()
    expect([hop.paused, stop.paused]).toEqual([0, 0])
    for (let round = 0; round < 5; round++) hop.arrive(64 * KIB)
    expect([hop.paused, stop.paused]).toEqual([1, 0])
    expect(waiting.hop).not.toContain(-1)
    for (const bytes of waiting.hop.splice(0, 3)) stop.send(new Uint8Array(bytes))
    expect(hop.resumed).toBe(0)
    stop.send(new Uint8Array(64 * KIB))
    expect(hop.resumed).toBe(1)
    for (let round = 0; round < 5; round++) stop.arrive(64 * KIB)
    expect([hop.paused, stop.paused]).toEqual([1, 1])
    expect(waiting.stop).toHaveLength(5)
  })

  test('what was negotiated is not counted, and a listener can be taken off again', () => {
    const { hop, stop, waiting, listeners } = setup()
    stop.arrive(250 * KIB)
    expect(stop.paused).toBe(0)
    stop.removeEventListener('message', listeners.stop)
    stop.arrive(1)
    expect(waiting.stop).toEqual([250 * KIB])
    hop.send(new Uint8Array(1_000 * KIB))
    hop.arrive(250 * KIB)
    expect(hop.paused).toBe(0)
  })
})
