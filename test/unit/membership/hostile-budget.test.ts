import { describe, expect, test } from 'vitest'
import { silentLogger, type LogFields, type Logger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createMembership } from '../../../src/membership/driver.ts'
import { PROFILES } from '../../../src/membership/profiles.ts'
import { signerFromSeed, type Signer } from '../../../src/wire/envelope.ts'
import { encodeCbor } from '../../../src/wire/cbor.ts'
import { sealStatement, verifyStatement } from '../../../src/wire/swim-statements.ts'
import type { Sealed, Statement, SwimMessage, SwimScope } from '../../../src/wire/swim-types.ts'
import { encodeSwimFrame } from '../../../src/wire/swim.ts'
import { signer } from '../../support/catalog-fixtures.ts'
import { createManualClock } from '../../support/manual-clock.ts'

/** What one member can make another one do: the work is counted, not timed. */

const SCOPE: SwimScope = { federation: 'fed', pool: 'root' }
const BOOT = 1_700_000_000_000
const CREDENTIAL = { authority: new Uint8Array(32), certificate: Uint8Array.of(1), credential: Uint8Array.of(2) }
const [me, liar, honest] = [signer(0), signer(1), signer(2)]

function say<S extends Statement>(statement: S, by: Signer): Sealed<S> {
  return sealStatement(statement, SCOPE, by)
}
const aliveOf = (by: Signer, incarnation = BOOT) =>
  say({ kind: 'alive', subject: by.peer, incarnation, boot: BOOT, name: by.peer.slice(-6), version: '1', addresses: [], credential: CREDENTIAL }, by)

function victim({ members = [liar, honest], clockIsRight = true } = {}) {
  const clock = createManualClock()
  const meter = createMeter()
  const work = { verified: 0, standings: 0 }
  const lines: { message: string; fields: LogFields | undefined }[] = []
  const logger: Logger = { ...silentLogger, warn: (message, fields) => void lines.push({ message, fields }), error: (message, fields) => void lines.push({ message, fields }), child: () => logger }
  const sent: { to: string; bytes: number }[] = []
  const membership = createMembership(
    {
      clock, random: seededRandom(1), meter, logger,
      network: {
        send(to, frame) {
          sent.push({ to, bytes: frame.length })
          return 'sent'
        },
        knock: async () => 'silent',
        dial: async () => {},
        close() {}
      },
      seal: {
        seal: (statement) => sealStatement(statement, SCOPE, me),
        verify(sealed) {
          work.verified++
          return verifyStatement(sealed, SCOPE)
        },
        standing({ subject }) {
          work.standings++
          const known = clockIsRight && [me, ...members].some(({ peer }) => peer === subject)
          return known ? { tier: 'leaf', region: 'eu' } : undefined
        }
      }
    },
    { self: me.peer, scope: SCOPE, profile: PROFILES.lan }
  )
  const raw = (from: string, message: SwimMessage) => membership.received(from, encodeSwimFrame(SCOPE, message).subarray(4))
  const gossip = (from: string, ...updates: Sealed[]) => raw(from, { kind: 'gossip', updates })
  membership.start({ name: 'me', version: '1', addresses: [], credential: CREDENTIAL }, BOOT)
  for (const by of members) {
    membership.linkUp(by.peer, { address: '/ip4/192.0.2.1/tcp/4001', dialled: false })
    gossip(by.peer, aliveOf(by))
  }
  clock.advance(100)
  work.verified = 0
  work.standings = 0
  sent.length = 0
  const metric = (metricName: string, label: string) => meter.snapshot().find(({ name }) => name === metricName)?.samples.find(({ labels }) => labels.includes(label))?.value ?? 0
  const rejected = (reason: string) => metric('skein_membership_rejected_total', reason)
  const read = (kind: string) => metric('skein_membership_received_total', kind)
  return { clock, membership, work, lines, sent, raw, gossip, rejected, read }
}

const pingOf = (nonce: number): SwimMessage => ({ kind: 'ping', nonce, target: me.peer, updates: [] })

describe('the budget of a member', () => {
  test('of 10 000 pings at once 1 000 are answered; the stream is given up in the end, and another member is still heard', () => {
    const s = victim()
    const verdicts = Array.from({ length: 10_000 }, (_, nonce) => s.raw(liar.peer, pingOf(nonce)))
    expect(s.sent.filter(({ to }) => to === liar.peer).length).toBeLessThanOrEqual(1_000)
    expect(s.rejected('flood')).toBeGreaterThanOrEqual(9_000)
    expect(verdicts.slice(0, 5_000)).not.toContain(false)
    expect(verdicts.at(-1)).toBe(false)
    s.sent.length = 0
    expect(s.raw(honest.peer, pingOf(1))).toBe(true)
    expect(s.sent).toMatchObject([{ to: honest.peer }])
    // Said once.
    expect(s.lines).toMatchObject([{ fields: { from: liar.peer, reason: 'flood' } }])
    s.clock.advance(5_000)
    const before = s.rejected('flood')
    expect(s.raw(liar.peer, pingOf(1))).toBe(true)
    expect(s.rejected('flood')).toBe(before)
  })

  test('an honest member that speaks a hundred times a second for a minute loses nothing', () => {
    const s = victim()
    for (let count = 0; count < 6_000; count++) {
      s.raw(honest.peer, pingOf(count))
      s.clock.advance(10)
    }
    expect(s.rejected('flood')).toBe(0)
  })

  test('forged statements by the thousand cost a few signatures, and nobody is accused by them', () => {
    const s = victim()
    const base = say({ kind: 'suspect', subject: honest.peer, incarnation: BOOT, accuser: liar.peer, evidence: 'refused' }, liar)
    for (let message = 0; message < 15; message++) {
      const updates = Array.from({ length: 200 }, (_, index) => {
        const bytes = Uint8Array.from(base.bytes)
        bytes.set([message, index], bytes.length - 2)
        return { statement: base.statement, bytes }
      })
      s.raw(liar.peer, { kind: 'state', nonce: 1, want: [], updates })
    }
    expect(s.work.verified).toBeLessThanOrEqual(8)
    expect(s.rejected('forged')).toBe(3_000)
    expect(s.membership.member(honest.peer)?.state).toBe('alive')
    // What others say of the liar and of each other is believed meanwhile.
    s.gossip(honest.peer, aliveOf(honest, BOOT + 1))
    expect(s.membership.member(honest.peer)?.incarnation).toBe(BOOT + 1)
    // And after a while the liar again.
    s.clock.advance(2_000)
    s.gossip(liar.peer, aliveOf(liar, BOOT + 1))
    expect(s.membership.member(liar.peer)?.incarnation).toBe(BOOT + 1)
  })

  test('statements signed by invented keys are checked at a pace: strangers and goodbyes', () => {
    const s = victim()
    const invented = Array.from({ length: 300 }, (_, index) => signerFromSeed(new Uint8Array(32).fill(7).with(0, index % 256).with(1, index >> 8)))
    for (const by of invented) s.gossip(liar.peer, aliveOf(by), say({ kind: 'leave', subject: by.peer, incarnation: BOOT }, by))
    expect(s.work.verified).toBeLessThanOrEqual(70)
    expect(s.work.standings).toBeLessThanOrEqual(70)
    expect(s.membership.members().filter(({ state }) => state !== 'left')).toHaveLength(3)
  })

  test('its own incarnation raised a thousand times a second is followed at a pace', () => {
    const s = victim()
    const told: string[] = []
    s.membership.onEvent(({ type }) => told.push(type))
    for (let count = 1; count <= 400; count++) {
      s.gossip(liar.peer, say({ ...aliveOf(liar, BOOT + count).statement, name: `name ${count}` }, liar))
      s.clock.advance(1)
    }
    expect(s.work.verified).toBeLessThanOrEqual(75)
    expect(told.length).toBeLessThanOrEqual(75)
    // The latest word is taken as soon as the pace allows.
    s.clock.advance(1_000)
    s.gossip(liar.peer, aliveOf(liar, BOOT + 500))
    expect(s.membership.member(liar.peer)?.incarnation).toBe(BOOT + 500)
  })

  test('words that others made up beforehand, each a little newer, are checked at a pace too', () => {
    const colluder = signer(2)
    const s = victim()
    for (let message = 0; message < 12; message++) {
      s.raw(liar.peer, { kind: 'state', nonce: 1, want: [], updates: Array.from({ length: 200 }, (_, index) => say({ kind: 'leave', subject: colluder.peer, incarnation: BOOT + message * 200 + index }, colluder)) })
    }
    expect(s.work.verified).toBeLessThanOrEqual(1_290)
    expect(s.work.verified).toBeGreaterThan(1_000)
  })

  test('comparisons are answered at a pace, whatever they ask for', () => {
    const s = victim()
    for (let count = 0; count < 900; count++) s.raw(liar.peer, { kind: 'sync', nonce: count, hash: new Uint8Array(16), updates: [] })
    expect(s.sent.length).toBeLessThanOrEqual(50)
    // Whoever says that it knows nobody is told of all.
    s.sent.length = 0
    s.raw(liar.peer, { kind: 'digest', nonce: 1, entries: [], updates: [] })
    expect(s.sent).toEqual([])
    const want = [liar.peer, honest.peer]
    s.raw(honest.peer, { kind: 'state', nonce: 1, want, updates: [] })
    expect(s.sent.length).toBe(1)
    const before = s.read('state')
    // A long one is not even read any more.
    expect(s.raw(liar.peer, { kind: 'state', nonce: 1, want: Array.from({ length: 400 }, () => honest.peer), updates: [] })).toBe(true)
    expect(s.sent.length).toBe(1)
    expect(s.read('state')).toBe(before)
  })

  test('64 KiB messages by the hundred: a megabyte is read', () => {
    const s = victim()
    const garbage = Uint8Array.from(encodeCbor({ federation: 'fed', pool: 'root', kind: 'gossip', updates: [], more: new Uint8Array(65_000) }))
    for (let count = 0; count < 200; count++) s.membership.received(liar.peer, garbage)
    expect(s.rejected('flood')).toBeGreaterThanOrEqual(180)
  })
})

describe('what cannot be read', () => {
  test.each([
    ['nothing', {}],
    ['names with control characters', { updates: [new Uint8Array(12_800).fill(0xff)] }],
    ['a deep nest', { updates: Array.from({ length: 16 }, () => encodeCbor([[[[[[[]]]]]]])) }],
    ['a target that is no key', { kind: 'ping', nonce: 1, target: new Uint8Array(31) }],
    ['a nonce below zero', { kind: 'sync', nonce: -1, hash: new Uint8Array(4) }]
  ])('is refused: %s', (_, parts) => {
    const s = victim()
    expect(s.membership.received(liar.peer, encodeCbor({ federation: 'fed', pool: 'root', kind: 'gossip', ...parts }))).toBe(true)
    expect(s.lines.filter(({ message }) => message.includes('could not'))).toEqual([])
    expect(s.membership.members()).toHaveLength(3)
  })
})

describe('a node whose own clock is wrong', () => {
  test('takes everybody for a stranger, keeps nobody, says so once for each and counts it', () => {
    const s = victim({ clockIsRight: false })
    expect(s.membership.members().map(({ peer }) => peer)).toEqual([me.peer])
    expect(s.rejected('stranger')).toBeGreaterThanOrEqual(2)
    expect(s.lines).toMatchObject([{ fields: { from: liar.peer, reason: 'stranger' } }, { fields: { from: honest.peer, reason: 'stranger' } }])
    expect(String(s.lines[0]?.fields?.['error'])).toContain('clock')
  })

  test('accuses nobody for it', () => {
    const s = victim({ clockIsRight: false })
    s.clock.advance(60_000)
    expect(s.membership.stats()).toMatchObject({ suspicions: 0, members: { alive: 1, suspect: 0, dead: 0, left: 0 } })
  })
})
