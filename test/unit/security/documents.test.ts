import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { createAuthority, issuerKit } from '../../../src/security/authority.ts'
import { issueCredential, verifyCredential, type IssuerKit } from '../../../src/security/credential.ts'
import { issueToken, verifyToken } from '../../../src/security/token.ts'
import {
  decodeTokenBundle,
  encodeTokenBundle,
  federationIdOf,
  openCredential,
  openToken,
  sealCredential,
  sealIssuerCertificate,
  sealToken,
  type CredentialBundle
} from '../../../src/wire/admission-documents.ts'
import { LEAF, testSigner } from '../../support/security-world.ts'

const NOW = 1_700_000_000_000
const DAY = 86_400_000
const random = seededRandom(1)
const [issuer, member, stranger] = [testSigner(1), testSigner(2), testSigner(3)]
const state = createAuthority({ ...LEAF, name: 'acme' }, { signer: issuer, random, now: NOW })
const kit = issuerKit(state, issuer) as IssuerKit
const bundle = issueCredential(kit, member.peer, LEAF, { now: NOW, random })
const good = { federation: state.id, peer: member.peer, now: NOW }
const { document } = openCredential(bundle.credential)

function refusal(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    const { code, data } = error as { code: string; data: { reason: string } }
    return [code, data.reason]
  }
  return 'accepted'
}

describe('verifyCredential', () => {
  const other = createAuthority({ ...LEAF, name: 'acme' }, { signer: issuer, random, now: NOW })
  const certificateBy = (authority = testSigner(9)) => sealIssuerCertificate({ federation: state.id, issuer: stranger.publicKey, notBefore: NOW, expires: NOW + DAY }, authority)
  const flipped = Uint8Array.from(bundle.credential)
  flipped[40] = (flipped[40] as number) ^ 1
  const cases: [string, CredentialBundle, Partial<typeof good>, unknown][] = [
    ['a good one', bundle, {}, 'accepted'],
    ['another peer', bundle, { peer: stranger.peer }, ['SKEIN_CREDENTIAL_INVALID', 'subject']],
    ['another federation asked for', bundle, { federation: other.id }, ['SKEIN_CREDENTIAL_INVALID', 'foreign']],
    ["another federation's authority", { ...bundle, authority: other.authority }, {}, ['SKEIN_CREDENTIAL_INVALID', 'foreign']],
    ["another federation's certificate", { ...bundle, certificate: other.certificate as Uint8Array }, {}, ['SKEIN_CREDENTIAL_INVALID', 'issuer']],
    ['signed by a peer that is no issuer', { ...bundle, credential: sealCredential(document, stranger) }, {}, ['SKEIN_CREDENTIAL_INVALID', 'issuer']],
    ['an issuer certified by itself', { ...bundle, certificate: certificateBy(stranger), credential: sealCredential(document, stranger) }, {}, ['SKEIN_CREDENTIAL_INVALID', 'issuer']],
    ['one bit changed', { ...bundle, credential: flipped }, {}, ['SKEIN_CREDENTIAL_INVALID', 'malformed']],
    ['a certificate in place of a credential', { ...bundle, credential: bundle.certificate }, {}, ['SKEIN_CREDENTIAL_INVALID', 'malformed']],
    ['a minute early', bundle, { now: NOW - 60_000 }, 'accepted'],
    ['over a minute early', bundle, { now: NOW - 60_001 }, ['SKEIN_CREDENTIAL_INVALID', 'early']],
    ['a minute late', bundle, { now: NOW + 30 * DAY + 60_000 }, 'accepted'],
    ['over a minute late', bundle, { now: NOW + 30 * DAY + 60_001 }, ['SKEIN_CREDENTIAL_EXPIRED', 'expired']],
    ['an expired issuer', { ...bundle, credential: sealCredential({ ...document, expires: NOW + 999 * DAY }, issuer) }, { now: NOW + 366 * DAY }, ['SKEIN_CREDENTIAL_EXPIRED', 'expired']],
    ['times past what a Date holds', { ...bundle, credential: sealCredential({ ...document, issued: Number.MAX_SAFE_INTEGER }, issuer) }, {}, ['SKEIN_CREDENTIAL_INVALID', 'early']]
  ]
  test.each(cases)('%s', (_name, shown, expected, outcome) => {
    expect(refusal(() => verifyCredential(shown, { ...good, ...expected }))).toEqual(outcome)
  })

  test('a credential never outlives the certificate of its issuer', () => {
    const late = issueCredential(kit, member.peer, LEAF, { now: NOW + 360 * DAY, random })
    expect(openCredential(late.credential).document.expires).toBe(NOW + 365 * DAY)
  })
})

describe('tokens', () => {
  const request = { ...LEAF, addresses: ['/ip4/192.0.2.1/tcp/4001/p2p/' + issuer.peer] }
  const { text, token } = issueToken(kit, request, { now: NOW, random })
  const parts = decodeTokenBundle(Buffer.from(text.slice(6), 'base64url'))
  const textOf = (changes: Partial<typeof parts>) => 'skein_' + Buffer.from(encodeTokenBundle({ ...parts, ...changes })).toString('base64url')

  test('say what they were asked to say', () => {
    expect(verifyToken(text, NOW)).toMatchObject({ ...request, name: 'acme', federation: state.id, issuer: issuer.peer, uses: 1, expires: NOW + DAY })
    expect(text).toMatch(/^skein_[\w-]+$/)
  })

  const other = createAuthority({ ...LEAF, name: 'other' }, { signer: issuer, random, now: NOW })
  test.each([
    ['empty', '', 'malformed'],
    ['another prefix', 'ghp_' + text.slice(6), 'malformed'],
    ['cut off', text.slice(0, -2), 'malformed'],
    ['one character changed', text.slice(0, 700) + (text[700] === 'A' ? 'B' : 'A') + text.slice(701), 'malformed'],
    ['not base64url', text + '+', 'malformed'],
    ['far too long', 'skein_' + 'A'.repeat(5000), 'malformed'],
    ['longer than anything pasted', ' '.repeat(20_000) + text, 'malformed'],
    ["signed by a peer that is no issuer", textOf({ token: sealToken(token, stranger) }), 'issuer'],
    ['naming another issuer than its signer', textOf({ token: sealToken({ ...token, issuer: stranger.peer }, issuer) }), 'issuer'],
    ["another federation's certificate", textOf({ certificate: other.certificate as Uint8Array }), 'issuer'],
    ['naming another federation', textOf({ token: sealToken({ ...token, federation: other.id }, issuer) }), 'foreign'],
    ['control characters in the name', textOf({ token: sealToken({ ...token, name: 'a\u001b[2Jb' }, issuer) }), 'malformed'],
    ['no uses', textOf({ token: sealToken({ ...token, uses: 0 }, issuer) }), 'malformed']
  ])('refused: %s', (_name, pasted, why) => {
    expect(refusal(() => verifyToken(pasted, NOW))).toEqual(['SKEIN_TOKEN_INVALID', why])
  })

  test('are refused before their issuer is one, and after it was', () => {
    expect(refusal(() => verifyToken(text, NOW - 60_001))).toEqual(['SKEIN_TOKEN_INVALID', 'early'])
    expect(refusal(() => verifyToken(textOf({ token: sealToken({ ...token, expires: NOW + 999 * DAY }, issuer) }), NOW + 366 * DAY))).toEqual(['SKEIN_TOKEN_EXPIRED', 'expired'])
  })

  test('take as many addresses as fit', () => {
    const addresses = Array.from({ length: 20 }, (_, index) => `/dns4/${'n'.repeat(280)}${index}/tcp/4001`)
    const long = issueToken(kit, { ...LEAF, addresses }, { now: NOW, random })
    const read = verifyToken(long.text, NOW)
    expect(long.text.length).toBeLessThanOrEqual(4096)
    expect(read.addresses).toEqual(addresses.slice(0, read.addresses.length))
    expect(read.addresses.length).toBeGreaterThan(5)
    expect(issueToken(kit, { ...LEAF, addresses: Array.from({ length: 20 }, () => '/ip4/192.0.2.1') }, { now: NOW, random }).token.addresses).toHaveLength(8)
  })

  test.each([
    [{ uses: 0 }],
    [{ uses: 10_001 }],
    [{ uses: 1.5 }],
    [{ expires: NOW }],
    [{ expires: NOW + 366 * DAY }],
    [{ region: 'x'.repeat(65) }],
    [{ roles: Array.from({ length: 17 }, () => 'r') }],
    [{ roles: ['a\nb'] }]
  ])('are not made from %j', (bad) => {
    expect(() => issueToken(kit, { ...request, ...bad }, { now: NOW, random })).toThrow(expect.objectContaining({ code: 'SKEIN_USAGE' }))
  })

  test('cannot pass for credentials', () => {
    expect(() => openCredential(parts.token)).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
    expect(() => openToken(bundle.credential)).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
  })
})

test('a federation id is the base32 of half a SHA-256', () => {
  // printf '\0%.0s' {1..32} | sha256sum | head -c 32 | xxd -r -p | base32 | tr -d = | tr A-Z a-z
  expect(federationIdOf(new Uint8Array(32))).toBe('mzuhvlpymk6xo3epygfy5h4oea')
})
test.each(['', 'x'.repeat(65), 'a\nb'])('a federation cannot be named %j', (name) => {
  expect(() => createAuthority({ ...LEAF, name }, { signer: issuer, random, now: NOW })).toThrow(expect.objectContaining({ code: 'SKEIN_USAGE' }))
})
