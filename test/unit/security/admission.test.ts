import { describe, expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../../src/base/logger.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createAdmission } from '../../../src/security/admission.ts'
import type { Forward } from '../../../src/security/ports.ts'
import { decodeAdmissionAnswer, encodeAdmissionRequest } from '../../../src/wire/admission.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createFounder, createMember, join, LEAF, testSigner, tokenOf, unreachable } from '../../support/security-world.ts'

const DAY = 86_400_000

function codeOf(bytes: Uint8Array): string {
  const answer = decodeAdmissionAnswer(bytes)
  return answer.ok ? 'ok' : answer.code
}

describe('join', () => {
  test('a token makes a member with the standing the token gives', async () => {
    const [founder, joiner] = [createFounder(1), createMember(2)]
    await join(joiner, founder, tokenOf(founder))
    const { credential } = joiner.admission.myCredential()
    expect(credential).toMatchObject({ subject: joiner.signer.peer, name: 'acme', tier: 'leaf', region: 'eu', roles: ['tools'], expires: credential.issued + 30 * DAY })
    expect(joiner.admission.federation()).toEqual({ ...founder.admission.federation(), issuer: false })
  })

  test('pasting may wrap the token', async () => {
    const [founder, joiner] = [createFounder(1), createMember(2)]
    const token = tokenOf(founder)
    await join(joiner, founder, `  ${token.slice(0, 40)}\r\n\t${token.slice(40)}\n`)
    expect(joiner.admission.federation()?.name).toBe('acme')
  })

  test('one use admits one peer, which may come again', async () => {
    const founder = createFounder(1)
    const token = tokenOf(founder)
    await join(createMember(2), founder, token)
    await join(createMember(2), founder, token)
    await expect(join(createMember(3), founder, token)).rejects.toMatchObject({ code: 'SKEIN_TOKEN_USED' })
    expect(founder.admission.tokens()).toMatchObject([{ uses: 1, used: 1 }])
  })

  test('an expired token is refused by both sides: by its issuer at once, by others with a minute of mercy', async () => {
    const clock = createManualClock()
    const founder = createFounder(1, clock)
    const token = tokenOf(founder, 5)
    const [early, late] = [createMember(2, clock), createMember(3, clock)]
    const lateRequest = late.admission.joinRequest(token, 'late')
    clock.advance(DAY)
    await join(early, founder, token)
    clock.advance(1)
    expect(codeOf((await founder.admission.answer(lateRequest, late.signer.peer, unreachable)).bytes)).toBe('SKEIN_TOKEN_EXPIRED')
    clock.advance(59_999)
    expect(late.admission.joinRequest(token, 'late')).toEqual(lateRequest)
    clock.advance(1)
    expect(() => late.admission.joinRequest(token, 'late')).toThrow(expect.objectContaining({ code: 'SKEIN_TOKEN_EXPIRED' }))
    expect(codeOf((await founder.admission.answer(lateRequest, late.signer.peer, unreachable)).bytes)).toBe('SKEIN_TOKEN_EXPIRED')
  })

  test('the token of another federation is refused', async () => {
    const [founder, other, joiner] = [createFounder(1), createFounder(4), createMember(2)]
    await expect(join(joiner, founder, tokenOf(other))).rejects.toMatchObject({ code: 'SKEIN_TOKEN_FOREIGN' })
  })

  test('a member of one federation cannot join another, and an issuer keeps its keys when it joins its own again', async () => {
    const [founder, other] = [createFounder(1), createFounder(4)]
    const token = tokenOf(founder)
    expect(() => other.admission.joinRequest(token, 'x')).toThrow(expect.objectContaining({ code: 'SKEIN_ALREADY_JOINED' }))
    expect(() => founder.admission.found({ ...LEAF, name: 'again' })).toThrow(expect.objectContaining({ code: 'SKEIN_ALREADY_JOINED' }))
    await join(founder, founder, token)
    expect(founder.admission.federation()?.issuer).toBe(true)
  })

  test('a token that its issuer does not remember is refused', async () => {
    const [founder, twin] = [createFounder(1), createMember(1)]
    twin.federation.save(founder.federation.load() as NonNullable<ReturnType<typeof founder.federation.load>>)
    const forgetful = { ...twin, admission: twin.restart() }
    await expect(join(createMember(2), forgetful, tokenOf(founder))).rejects.toMatchObject({ code: 'SKEIN_TOKEN_INVALID' })
  })

  test('a node without a federation refuses politely', async () => {
    const founder = createFounder(1)
    await expect(join(createMember(2), createMember(3), tokenOf(founder))).rejects.toMatchObject({ code: 'SKEIN_NOT_ADMITTED' })
  })
})

describe('a join through another member', () => {
  async function federation() {
    const clock = createManualClock()
    const [founder, member] = [createFounder(1, clock), createMember(2, clock)]
    await join(member, founder, tokenOf(founder))
    const forward: Forward = (issuer, request) => {
      expect(issuer).toBe(founder.signer.peer)
      return Promise.resolve(founder.admission.answerForwarded(request, member.signer.peer))
    }
    return { clock, founder, member, forward }
  }

  test('is counted at the issuer', async () => {
    const { clock, founder, member, forward } = await federation()
    const token = tokenOf(founder)
    const joiner = createMember(3, clock)
    await join(joiner, member, token, forward)
    expect(joiner.admission.myCredential().credential.subject).toBe(joiner.signer.peer)
    await expect(join(createMember(4, clock), member, token, forward)).rejects.toMatchObject({ code: 'SKEIN_TOKEN_USED' })
  })

  test('fails by name when the issuer cannot be reached', async () => {
    const { founder, member } = await federation()
    const error = await join(createMember(3), member, tokenOf(founder), unreachable).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SKEIN_ISSUER_UNREACHABLE', message: expect.stringContaining(founder.signer.peer) as string })
  })

  test('gives up on a silent issuer, aborting the call', async () => {
    const { clock, founder, member } = await federation()
    let aborted = false
    const silent: Forward = (_issuer, _request, { signal }) => {
      signal.addEventListener('abort', () => (aborted = true))
      return new Promise(() => {})
    }
    const joining = join(createMember(3, clock), member, tokenOf(founder), silent)
    clock.advance(8_000)
    await expect(joining).rejects.toMatchObject({ code: 'SKEIN_ISSUER_UNREACHABLE' })
    expect(aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })

  test('is refused while too many others wait', async () => {
    const { clock, founder, member } = await federation()
    const token = tokenOf(founder)
    const silent: Forward = () => new Promise(() => {})
    const waiting = Array.from({ length: 32 }, () => join(createMember(3, clock), member, token, silent).catch(() => {}))
    await expect(join(createMember(4, clock), member, token, silent)).rejects.toMatchObject({ code: 'SKEIN_BUSY' })
    clock.advance(8_000)
    await Promise.all(waiting)
  })

  test('is not taken from a stranger, and not forwarded twice', async () => {
    const { founder, member } = await federation()
    const redeem = encodeAdmissionRequest({ kind: 'redeem', subject: testSigner(5).peer, token: tokenOf(founder), name: 'x' })
    expect(codeOf((await founder.admission.answer(redeem, testSigner(5).peer, unreachable)).bytes)).toBe('SKEIN_NOT_ADMITTED')
    expect(codeOf(member.admission.answerForwarded(redeem, founder.signer.peer))).toBe('SKEIN_NOT_ISSUER')
    const present = founder.admission.presentRequest()
    expect(codeOf(founder.admission.answerForwarded(present, member.signer.peer))).toBe('SKEIN_PROTOCOL')
  })

  test('renewal goes to the issuer too', async () => {
    const { clock, member, forward, founder } = await federation()
    const joiner = createMember(3, clock)
    await join(joiner, member, tokenOf(founder), forward)
    clock.advance(21 * DAY)
    const { bytes } = await member.admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, forward)
    expect(joiner.admission.readRenewAnswer(bytes).issued).toBe(clock.wall())
  })
})

describe('present', () => {
  test('one exchange admits both', async () => {
    const [founder, joiner] = [createFounder(1), createMember(2)]
    await join(joiner, founder, tokenOf(founder))
    const { bytes, admitted } = await founder.admission.answer(joiner.admission.presentRequest(), joiner.signer.peer, unreachable)
    expect(admitted).toMatchObject({ subject: joiner.signer.peer, tier: 'leaf' })
    expect(joiner.admission.readPresentAnswer(bytes, founder.signer.peer)).toMatchObject({ subject: founder.signer.peer, tier: 'global' })
  })

  test('a stolen credential admits nobody, on either side', async () => {
    const [founder, joiner, thief] = [createFounder(1), createMember(2), testSigner(9).peer]
    await join(joiner, founder, tokenOf(founder))
    const refused = await founder.admission.answer(joiner.admission.presentRequest(), thief, unreachable)
    expect(refused.admitted).toBeUndefined()
    expect(codeOf(refused.bytes)).toBe('SKEIN_CREDENTIAL_INVALID')
    const { bytes } = await founder.admission.answer(joiner.admission.presentRequest(), joiner.signer.peer, unreachable)
    expect(() => joiner.admission.readPresentAnswer(bytes, thief)).toThrow(expect.objectContaining({ code: 'SKEIN_CREDENTIAL_INVALID' }))
  })

  test('a member of another federation is refused', async () => {
    const [founder, other] = [createFounder(1), createFounder(4)]
    const { bytes, admitted } = await founder.admission.answer(other.admission.presentRequest(), other.signer.peer, unreachable)
    expect([codeOf(bytes), admitted]).toEqual(['SKEIN_CREDENTIAL_INVALID', undefined])
  })

  test('joining or renewing alone does not admit', async () => {
    const [founder, joiner] = [createFounder(1), createMember(2)]
    const answer = await founder.admission.answer(joiner.admission.joinRequest(tokenOf(founder), 'x'), joiner.signer.peer, unreachable)
    expect([codeOf(answer.bytes), answer.admitted]).toEqual(['ok', undefined])
  })
})

describe('renewal', () => {
  test('is due after two thirds, works until the end and not after', async () => {
    const clock = createManualClock()
    const [founder, joiner] = [createFounder(1, clock), createMember(2, clock)]
    await join(joiner, founder, tokenOf(founder))
    clock.advance(20 * DAY - 1)
    expect(joiner.admission.dueForRenewal(clock.wall())).toBe(false)
    clock.advance(1)
    expect(joiner.admission.dueForRenewal(clock.wall())).toBe(true)
    const { bytes } = await founder.admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, unreachable)
    joiner.admission.readRenewAnswer(bytes)
    expect(joiner.admission.dueForRenewal(clock.wall())).toBe(false)
    clock.advance(30 * DAY + 60_001)
    const late = await founder.admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, unreachable)
    expect(codeOf(late.bytes)).toBe('SKEIN_CREDENTIAL_EXPIRED')
  })

  test('an answer with an older credential is not kept', async () => {
    const clock = createManualClock()
    const [founder, joiner] = [createFounder(1, clock), createMember(2, clock)]
    await join(joiner, founder, tokenOf(founder))
    const old = (await founder.admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, unreachable)).bytes
    clock.advance(1_000)
    joiner.admission.readRenewAnswer((await founder.admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, unreachable)).bytes)
    expect(() => joiner.admission.readRenewAnswer(old)).toThrow(expect.objectContaining({ code: 'SKEIN_CREDENTIAL_INVALID' }))
  })

  test('the founder renews itself, over years, and its members still believe it', async () => {
    const clock = createManualClock()
    const [founder, joiner] = [createFounder(1, clock), createMember(2, clock)]
    await join(joiner, founder, tokenOf(founder))
    for (let month = 0; month < 40; month++) {
      clock.advance(20 * DAY)
      expect(founder.admission.dueForRenewal(clock.wall())).toBe(true)
      expect(founder.admission.renewSelf()).toBe(true)
      joiner.admission.readRenewAnswer((await founder.admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, unreachable)).bytes)
      const { bytes } = await founder.admission.answer(joiner.admission.presentRequest(), joiner.signer.peer, unreachable)
      joiner.admission.readPresentAnswer(bytes, founder.signer.peer)
    }
    expect(joiner.admission.renewSelf()).toBe(false)
  })
})

describe('the node itself', () => {
  test('is the same member after a restart, and refuses the credential of another key', async () => {
    const [founder, joiner] = [createFounder(1), createMember(2)]
    await join(joiner, founder, tokenOf(founder))
    expect(joiner.restart().myCredential()).toEqual(joiner.admission.myCredential())
    const swapped = createMember(7)
    swapped.federation.save(joiner.federation.load() as NonNullable<ReturnType<typeof joiner.federation.load>>)
    expect(() => swapped.restart()).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE' }))
  })

  test('only an issuer makes tokens', async () => {
    const [founder, joiner] = [createFounder(1), createMember(2)]
    await join(joiner, founder, tokenOf(founder))
    expect(() => joiner.admission.issueTokenText({ ...LEAF, addresses: [] })).toThrow(expect.objectContaining({ code: 'SKEIN_NOT_ISSUER' }))
    expect(() => createMember(3).admission.issueTokenText({ ...LEAF, addresses: [] })).toThrow(expect.objectContaining({ code: 'SKEIN_NOT_ADMITTED' }))
  })

  test('counts and writes down every answer, and tells strangers nothing of its insides', async () => {
    const lines: string[] = []
    const note = (message: string) => void lines.push(message)
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger }
    const founder = createFounder(1, createManualClock(), logger)
    const broken = () => {
      throw new Error('/secret/path: disk I/O error')
    }
    const token = tokenOf(founder)
    founder.tokens.redeem = broken
    const { bytes } = await founder.admission.answer(createMember(2).admission.joinRequest(token, 'x'), testSigner(2).peer, unreachable)
    expect(decodeAdmissionAnswer(bytes)).toMatchObject({ ok: false, code: 'SKEIN_INTERNAL', message: expect.not.stringContaining('secret') as string })
    expect(codeOf((await founder.admission.answer(Uint8Array.of(0xff), testSigner(2).peer, unreachable)).bytes)).toBe('SKEIN_PROTOCOL')
    expect(lines.filter((line) => line === 'admission refused')).toHaveLength(2)
    const family = founder.meter.snapshot().find(({ name }) => name === 'skein_admission_requests_total')
    expect(family?.samples.map(({ labels, value }) => [...labels, value])).toEqual([
      ['join', 'SKEIN_INTERNAL', 1],
      ['unreadable', 'SKEIN_PROTOCOL', 1]
    ])
    const remaining = founder.meter.snapshot().find(({ name }) => name === 'skein_admission_credential_remaining_seconds')
    expect(remaining?.samples[0]?.value).toBe(30 * 86_400)
  })
})

test('an issuer issues credentials of the life it was told, its own included', async () => {
  const clock = createManualClock()
  const founder = createMember(1, clock)
  const admission = createAdmission({ ...founder, random: seededRandom(1), logger: silentLogger }, { credentialLifetime: 2 * DAY })
  admission.found({ name: 'acme', ...LEAF })
  const joiner = createMember(2, clock)
  await join(joiner, { ...founder, admission }, admission.issueTokenText({ ...LEAF, uses: 1, addresses: [] }).text)
  const lives = [admission, joiner.admission].map((one) => one.myCredential().credential).map(({ issued, expires }) => expires - issued)
  expect(lives).toEqual([2 * DAY, 2 * DAY])
  clock.advance(1.5 * DAY)
  const { bytes } = await admission.answer(joiner.admission.renewRequest(), joiner.signer.peer, unreachable)
  expect(joiner.admission.readRenewAnswer(bytes).expires).toBe(clock.wall() + 2 * DAY)
  expect(admission.renewSelf()).toBe(true)
  expect(admission.myCredential().credential.expires).toBe(clock.wall() + 2 * DAY)
})

describe('a banned peer', () => {
  const banned = testSigner(2).peer

  async function world() {
    const clock = createManualClock()
    const founder = createFounder(1, clock)
    const [joiner, other] = [createMember(2, clock), createMember(3, clock)]
    const token = tokenOf(founder, 3)
    await join(joiner, founder, token)
    await join(other, founder, token)
    const restarted = (member: typeof founder) => createAdmission({ ...member, logger: silentLogger, random: seededRandom(1), isBanned: (peer) => peer === banned })
    return { founder: restarted(founder), other: restarted(other), joiner, token }
  }

  test('is refused whatever it asks for, also at a node that is no issuer', async () => {
    const { founder, other, joiner, token } = await world()
    const { admission } = joiner
    for (const request of [admission.presentRequest(), admission.renewRequest(), admission.joinRequest(token, 'again')]) {
      for (const at of [founder, other]) {
        const { bytes, admitted } = await at.answer(request, banned, unreachable)
        expect([codeOf(bytes), admitted]).toEqual(['SKEIN_BANNED', undefined])
      }
    }
  })

  test('is refused by the issuer when a member forwards its request, who may not know of the ban yet', async () => {
    const { founder, joiner, token, other } = await world()
    const redeem = encodeAdmissionRequest({ kind: 'redeem', token, name: 'again', subject: banned })
    expect(codeOf(founder.answerForwarded(redeem, testSigner(3).peer))).toBe('SKEIN_BANNED')
    expect(codeOf(founder.answerForwarded(joiner.admission.renewRequest(), testSigner(3).peer))).toBe('SKEIN_BANNED')
    expect(codeOf(founder.answerForwarded(other.renewRequest(), testSigner(4).peer))).toBe('ok')
  })
})
