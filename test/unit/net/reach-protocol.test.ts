import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createReachProtocol } from '../../../src/net/relay/reach-protocol.ts'
import { frameAdmission, unframeAdmission } from '../../../src/wire/admission.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { decodeReachAnswer, encodeReachRequest, type ReachAnswer } from '../../../src/wire/reach.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const [ASKER, RELAY] = [1, 2].map((seed) => peerIdOfKey(new Uint8Array(32).fill(seed))) as [string, string]

function setup() {
  const clock = createManualClock()
  const knocked: string[] = []
  const dialled: string[] = []
  const reach = createReachProtocol({
    clock, logger: silentLogger,
    async knock(addresses) {
      knocked.push(...addresses)
      return 'open'
    },
    async dialBack(_peer, address) {
      dialled.push(address)
    },
    local: () => ['127.0.0.1', '10.0.0.9', '[fd00::9]']
  })
  /** A member asks that is seen to come from there. */
  async function ask(from: string, addresses: string[]): Promise<ReachAnswer> {
    clock.advance(10_000)
    const sent: Uint8Array[] = []
    const stream = Object.assign(new EventTarget(), { status: 'open', send: (bytes: Uint8Array) => sent.push(bytes), close: async () => {} })
    const connection = { remotePeer: { toString: () => ASKER }, remoteAddr: multiaddr(from) }
    const served = reach.serve(stream as unknown as Stream, connection as unknown as Connection)
    stream.dispatchEvent(Object.assign(new Event('message'), { data: frameAdmission(encodeReachRequest({ addresses })) }))
    await served
    return decodeReachAnswer(unframeAdmission(sent[0] as Uint8Array) as Uint8Array)
  }
  return { ask, knocked, dialled }
}

describe('who is dialled back', () => {
  test('nobody is dialled where the asker was not seen', async () => {
    const { ask, knocked, dialled } = setup()
    const others = ['/ip4/10.0.0.2/tcp/22', '/ip4/127.0.0.1/tcp/6379', '/ip4/8.8.8.8/tcp/80', '/dns4/example.org/tcp/80', '/dns/10.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip4/169.254.169.254/tcp/80', '/ip4/10.0.0.9/tcp/1']
    expect(await ask('/ip4/10.0.0.1/tcp/1234', others)).toEqual({ verdict: 'unreached', seen: '/ip4/10.0.0.1/tcp/1234' })
    expect([knocked, dialled]).toEqual([[], []])
  })

  test('the asker is, however its address is spelled', async () => {
    const { ask, knocked, dialled } = setup()
    expect(await ask('/ip4/10.0.0.1/tcp/1234', ['/ip4/10.0.0.2/tcp/22', '/ip4/10.0.0.1/tcp/4001'])).toMatchObject({ verdict: 'reached' })
    expect(await ask('/ip4/10.0.0.1/tcp/1234', ['/ip6/::ffff:10.0.0.1/tcp/4002'])).toMatchObject({ verdict: 'reached' })
    expect(await ask('/ip6/::ffff:10.0.0.1/tcp/1234', ['/ip4/10.0.0.1/tcp/4003'])).toMatchObject({ verdict: 'reached' })
    expect(await ask('/ip6/2001:db8::1/tcp/1234', ['/ip6/2001:DB8:0::1/tcp/4004'])).toMatchObject({ verdict: 'reached' })
    expect(knocked.map((address) => address.replace(/.*\//, ''))).toEqual(['4001', '4002', '4003', '4004'])
    expect(dialled).toEqual(knocked)
  })

  test('who comes from this machine may name its addresses, and no others', async () => {
    const { ask, knocked } = setup()
    expect(await ask('/ip4/127.0.0.1/tcp/1234', ['/ip4/10.0.0.9/tcp/1', '/ip6/fd00::9/tcp/2', '/ip4/127.0.0.1/tcp/3', '/ip4/10.0.0.1/tcp/4'])).toMatchObject({ verdict: 'reached' })
    expect(knocked).toEqual(['/ip4/10.0.0.9/tcp/1', '/ip6/fd00::9/tcp/2', '/ip4/127.0.0.1/tcp/3'])
    expect(await ask('/ip6/::1/tcp/1234', ['/ip6/::1/tcp/5', '/ip4/10.0.0.1/tcp/6'])).toMatchObject({ verdict: 'reached' })
    expect(knocked.at(-1)).toBe('/ip6/::1/tcp/5')
  })

  test('where the asker is, is not known through a relay: busy', async () => {
    const { ask, knocked } = setup()
    expect(await ask(`/ip4/10.0.0.1/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${ASKER}`, ['/ip4/10.0.0.1/tcp/4001'])).toMatchObject({ verdict: 'busy' })
    expect(knocked).toEqual([])
  })
})
