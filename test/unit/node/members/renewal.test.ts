import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import type { Host } from '../../../../src/net/host.ts'
import { createRenewal, joinAgain } from '../../../../src/node/members/credential.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { createFounder, createMember, join, tokenOf, unreachable, type Member } from '../../../support/security-world.ts'

const DAY = 86_400_000
const MINUTE = 60_000

/** Promises only: what a timer set off runs to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

async function setup() {
  const clock = createManualClock()
  const issuer = createFounder(1, clock)
  const [helper, node] = [createMember(2, clock), createMember(3, clock)]
  await join(helper, issuer, tokenOf(issuer))
  await join(node, issuer, tokenOf(issuer))
  const connected: Member[] = []
  const presented: number[] = []
  const host = {
    peers: () => connected.map((member) => member.signer.peer),
    async askPeer(peer: string, request: Uint8Array) {
      const member = connected.find(({ signer }) => signer.peer === peer) as Member
      // A member that is no issuer forwards it.
      return (await member.admission.answer(request, node.signer.peer, async (to, bytes) => {
        expect(to).toBe(issuer.signer.peer)
        return issuer.admission.answerForwarded(bytes, member.signer.peer)
      })).bytes
    },
    presentAgain: async () => void presented.push(clock.wall())
  } as unknown as Host
  const renewed: number[] = []
  const renewal = createRenewal({ admission: node.admission, host, clock, random: seededRandom(1), logger: silentLogger, onRenewed: () => void renewed.push(clock.wall()) })
  const expires = () => node.admission.myCredential().credential.expires
  return { clock, issuer, node, helper, connected, presented, renewed, renewal, expires }
}

describe('renewal of our credential', () => {
  test('not before two thirds of its life; then through a member that asks the issuer, and it is shown again', async () => {
    const { clock, helper, connected, presented, renewed, renewal, expires } = await setup()
    connected.push(helper)
    const first = expires()
    renewal.start()
    await settle()
    expect(expires()).toBe(first)
    for (let hour = 0; hour < 21 * 24; hour++) {
      clock.advance(60 * MINUTE)
      await settle()
    }
    expect(expires()).toBeGreaterThan(first)
    expect(presented).toHaveLength(1)
    expect(renewed).toEqual(presented)
    renewal.stop()
  })

  test('a node that starts late in its credential and alone does not wait an hour for its first peers', async () => {
    const { clock, helper, connected, renewal, expires } = await setup()
    const first = expires()
    clock.advance(30 * DAY - 10 * MINUTE)
    renewal.start()
    await settle()
    expect(expires()).toBe(first)
    connected.push(helper)
    clock.advance(MINUTE)
    await settle()
    expect(expires()).toBeGreaterThan(first)
    renewal.stop()
  })

  test('an issuer that is away is not asked for through everybody at once', async () => {
    const { clock, connected, node, helper, renewal } = await setup()
    const others = [4, 5, 6, 7, 8].map((seed) => createMember(seed, clock))
    connected.push(...others)
    clock.advance(25 * DAY)
    const before = requests()
    renewal.start()
    await settle()
    expect(requests() - before).toBe(3)
    connected.push(helper)
    const first = node.admission.myCredential().credential.expires
    for (let minute = 0; minute < 30; minute++) {
      clock.advance(MINUTE)
      await settle()
    }
    expect(node.admission.myCredential().credential.expires).toBeGreaterThan(first)
    renewal.stop()
    // Members 4 to 8 have joined nothing, so they refuse.
    function requests(): number {
      return others.reduce((sum, { meter }) => sum + meter.snapshot().filter(({ name }) => name === 'skein_admission_requests_total').flatMap(({ samples }) => samples).reduce((total, { value }) => total + value, 0), 0)
    }
  })
})

describe('a token for a member whose credential has ended', () => {
  test('lets it in again; before that, or when it does not work, nothing happens', async () => {
    const { clock, node, issuer } = await setup()
    const asked: number[] = []
    const host = {
      async ask(_addresses: readonly string[], request: Uint8Array) {
        asked.push(clock.wall())
        return { answer: (await issuer.admission.answer(request, node.signer.peer, unreachable)).bytes, peer: issuer.signer.peer }
      }
    } as unknown as Host
    const again = (token: string) => joinAgain({ admission: node.admission, host, clock, random: seededRandom(1), logger: silentLogger, bootstrap: [] }, token, 'node')
    const used = tokenOf(issuer)
    await join(createMember(9, clock), issuer, used)
    await again(used)
    expect(asked).toEqual([])
    clock.advance(31 * DAY)
    expect(node.admission.myCredential().credential.expires).toBeLessThan(clock.wall())
    await again(used)
    issuer.admission.renewSelf()
    await again(tokenOf(issuer))
    expect(node.admission.myCredential().credential.expires).toBeGreaterThan(clock.wall())
  })
})
