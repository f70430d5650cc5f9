import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeCbor } from '../../../src/wire/cbor.ts'
import { ANSWER_EVERY, TEST_EVERY } from '../../../src/node/views/gossip-test.ts'
import { decodeGossipTest, decodeGossipTestReport, encodeGossipTest, encodeGossipTestReport, MAX_TEST_BYTES, TEST_ID_BYTES } from '../../../src/wire/gossip-test.ts'
import { gossipTestTopic, METHOD } from '../../../src/wire/protocols.ts'
import { testSigner } from '../../support/security-world.ts'
import { constantOf, expectStated } from '../../support/stated.ts'

const page = readFileSync(new URL('../../../protocols/gossip-test.md', import.meta.url), 'utf8')
const message = { federation: 'f', pool: 'root', id: new Uint8Array(TEST_ID_BYTES).fill(1) }
const report = { ...message, via: testSigner(2).peer, at: 1_700_000_000_000 }

describe('test messages', () => {
  test('the example of the page', () => {
    const hex = Buffer.from(encodeGossipTest(message)).toString('hex')
    expect(page).toContain(`\n${hex}\n`)
    expect(decodeGossipTest(Buffer.from(hex, 'hex'))).toEqual(message)
  })

  test('what the page says about topic, method and sizes', () => {
    expect(page).toContain(`\`${gossipTestTopic('<federation>', '<pool>')}\``)
    expect(page).toContain(`RPC method ${METHOD.GOSSIP_TEST} \`GOSSIP_TEST\``)
    expect(page).toContain(`${TEST_ID_BYTES} random bytes`)
    expectStated(page, 'of at most #; ignore', [MAX_TEST_BYTES])
    expectStated(page, 'at most once in #, and', [ANSWER_EVERY])
    expectStated(page, 'the last # senders', [constantOf('node/views/gossip-test.ts', 'MAX_REMEMBERED')])
    expectStated(page, 'waits # by default', [constantOf('node/views/gossip-test.ts', 'DEFAULT_WITHIN')])
    expect([page.includes('at most one message a second'), TEST_EVERY]).toEqual([true, 1_000])
  })

  test('a report comes back as it went', () => expect(decodeGossipTestReport(encodeGossipTestReport(report))).toEqual(report))

  test('unknown keys are for later versions', () => {
    expect(decodeGossipTest(encodeCbor({ ...message, more: 1 }))).toEqual(message)
    expect(decodeGossipTestReport(encodeCbor({ ...report, more: 1 }))).toEqual(report)
  })

  test.each([
    ['nothing', {}, /federation is missing/],
    ['an id that is too short', { ...report, id: new Uint8Array(15) }, /id must have 16 bytes/],
    ['via that is no peer', { ...report, via: 'somebody' }, /via must be an Ed25519 peer id/],
    ['a time that is a text', { ...report, at: 'now' }, /at must be an integer/],
    ['no place', { ...message }, /via is missing/]
  ])('a report with %s is refused', (_what, value, problem) => {
    expect(() => decodeGossipTestReport(encodeCbor(value))).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringMatching(problem) }))
  })

  test('what is too large is refused before it is read', () => {
    for (const decode of [decodeGossipTest, decodeGossipTestReport]) {
      expect(() => decode(new Uint8Array(MAX_TEST_BYTES + 1))).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringMatching(/1025 bytes/) }))
    }
  })
})
