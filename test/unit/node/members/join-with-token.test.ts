import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { listSource } from '../../../../src/net/discovery/sources.ts'
import type { DiscoverySource } from '../../../../src/net/discovery/ports.ts'
import type { Host } from '../../../../src/net/host.ts'
import { checkLeftoverToken, joinWithToken } from '../../../../src/node/members/credential.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { createFounder, createMember, LEAF, tokenOf, unreachable, type Member } from '../../../support/security-world.ts'

const at = (member: Member, port: number) => `/ip4/10.0.0.${port}/tcp/4001/p2p/${member.signer.peer}`

/** Founders of two federations, a newcomer, and a network of addresses that somebody answers at or nobody does. */
function world() {
  const clock = createManualClock()
  const [ours, other, newcomer] = [createFounder(1, clock), createFounder(2, clock), createMember(3, clock)]
  const places = { ours: at(ours, 1), other: at(other, 2), seed: at(createMember(4, clock), 4) }
  const asked: string[][] = []
  const down = new Set<string>()
  const ask: Host['ask'] = async (addresses, request) => {
    asked.push([...addresses])
    const who = [ours, other].find((each) => addresses.some((address) => address.includes(each.signer.peer) && !down.has(address)))
    if (who === undefined) throw new SkeinError('SKEIN_DIAL_FAILED', `no connection to ${addresses.join(', ')}`)
    return { answer: (await who.admission.answer(request, newcomer.signer.peer, unreachable)).bytes, peer: who.signer.peer }
  }
  const token = ours.admission.issueTokenText({ ...LEAF, addresses: [places.ours] }).text
  async function joinThrough(...bootstrap: DiscoverySource[]): Promise<void> {
    const state = { settled: false }
    const joining = joinWithToken({ admission: newcomer.admission, host: { ask } as Host, clock, random: seededRandom(1), logger: silentLogger, bootstrap }, token, 'newcomer').finally(() => (state.settled = true))
    joining.catch(() => {})
    for (let turn = 0; turn < 200 && !state.settled; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (!state.settled) clock.advance(500)
    }
    return joining
  }
  return { clock, ours, other, newcomer, places, asked, down, token, joinThrough }
}

const list = (...addresses: string[]) => listSource('ipfs_nodes', () => addresses)
const broken: DiscoverySource = { name: 'file_based', find: () => Promise.reject(new Error('no such file')) }

describe('joining with a token', () => {
  test('asks bootstrap nodes first, each peer once with all its addresses, then those of the token', async () => {
    const { newcomer, ours, places, asked, joinThrough } = world()
    const second = places.seed.replace('10.0.0.4', '10.0.0.5')
    await joinThrough(broken, list(places.seed, second))
    expect(asked).toEqual([[places.seed, second], [places.ours]])
    expect(newcomer.admission.federation()?.id).toBe(ours.admission.federation()?.id)
  })

  test('a bootstrap node of another federation is no obstacle', async () => {
    const { newcomer, ours, places, joinThrough } = world()
    await joinThrough(list(places.other))
    expect(newcomer.admission.federation()?.id).toBe(ours.admission.federation()?.id)
  })

  test('it is not asked again while the others are silent, and in the end the refusal says more than the silence', async () => {
    const { clock, places, asked, down, joinThrough } = world()
    down.add(places.ours)
    await expect(joinThrough(list(places.other))).rejects.toMatchObject({ code: 'SKEIN_TOKEN_FOREIGN', message: expect.stringContaining(`no connection to ${places.ours}`) })
    expect(asked.filter(([address]) => address === places.other)).toHaveLength(1)
    expect(asked.filter(([address]) => address === places.ours).length).toBeGreaterThan(5)
    expect(clock.now()).toBeGreaterThanOrEqual(30_000)
    expect(clock.now()).toBeLessThan(40_000)
  })

  test('a used token is refused at once', async () => {
    const { clock, ours, token, joinThrough } = world()
    const first = createMember(9, clock)
    await ours.admission.answer(first.admission.joinRequest(token, 'first'), first.signer.peer, unreachable)
    await expect(joinThrough()).rejects.toMatchObject({ code: 'SKEIN_TOKEN_USED' })
    expect(clock.now()).toBeLessThanOrEqual(500)
  })
})

test('a leftover token is a mistake only if it is of another federation', () => {
  const clock = createManualClock()
  const [ours, other] = [createFounder(1, clock), createFounder(2, clock)]
  const [own, foreign] = [tokenOf(ours), tokenOf(other)]
  checkLeftoverToken(ours.admission, own)
  checkLeftoverToken(ours.admission, 'garbage')
  expect(() => checkLeftoverToken(ours.admission, foreign)).toThrow(expect.objectContaining({ code: 'SKEIN_ALREADY_JOINED' }))
  clock.advance(2 * 86_400_000)
  checkLeftoverToken(ours.admission, own)
})
