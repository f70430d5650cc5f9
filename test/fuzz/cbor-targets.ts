import { randomInt, type Random } from '../../src/base/random.ts'
import { verifyCredential } from '../../src/security/credential.ts'
import { verifyToken } from '../../src/security/token.ts'
import { CREDENTIAL_DOMAIN, decodeTokenBundle, ISSUER_DOMAIN, openCredential, openIssuerCertificate, openToken, TOKEN_DOMAIN } from '../../src/wire/admission-documents.ts'
import { decodeAdmissionAnswer, decodeAdmissionRequest, frameAdmission, unframeAdmission } from '../../src/wire/admission.ts'
import { RECORD_DOMAIN } from '../../src/wire/catalog-record.ts'
import { decodeCbor, encodeCbor } from '../../src/wire/cbor.ts'
import { openEnvelope, sealEnvelope } from '../../src/wire/envelope.ts'
import { decodeGossipTest, decodeGossipTestReport, encodeGossipTest, encodeGossipTestReport } from '../../src/wire/gossip-test.ts'
import { decodeReachAnswer, decodeReachRequest, encodeReachAnswer, encodeReachRequest } from '../../src/wire/reach.ts'
import { decodeOrigin, decodeWayAnswer, decodeWayQuestion, openTicket, TICKET_DOMAIN } from '../../src/wire/relay.ts'
import { admissionVectors } from '../support/admission-vectors.ts'
import { CODECS, readVectors } from '../support/catalog-vectors.ts'
import { readRelayVectors, type RelayVector } from '../support/relay-vectors.ts'
import { testSigner } from '../support/security-world.ts'
import { readSummaryVectors, SUMMARY_CODECS } from '../support/summary-vectors.ts'
import { readTiersVectors, TIERS_DECODERS } from '../support/tiers-vectors.ts'
import type { FuzzTarget } from './driver.ts'
import { mutateBytes, mutateValue } from './mutate.ts'

const NOW = 1_700_000_000_000
const max = 1 << 20
/** Raw damage mostly fails the first decode: less than half of the inputs. */
const RAW = 0.3
const parse = (input: Uint8Array) => decodeCbor(input, { max, what: 'the input' })

function mutateCbor(bytes: Uint8Array, random: Random): Uint8Array {
  return encodeCbor(mutateValue(parse(bytes), random))
}

/** The payload changed and signed again: the damage is behind a good signature. */
function resealed(domain: string, envelope: Uint8Array, random: Random): Uint8Array {
  return sealEnvelope(domain, mutateCbor(openEnvelope(domain, envelope, { max }).payload, random), testSigner(1))
}

function target(name: string, vectors: readonly Uint8Array[], read: (input: Uint8Array) => unknown, domain?: string): FuzzTarget {
  return {
    name,
    parse,
    read: (input) => void read(input),
    next(random) {
      const vector = vectors[randomInt(random, vectors.length)] as Uint8Array
      if (random.float() < RAW) return mutateBytes(vector, random)
      return domain === undefined || random.float() < RAW ? mutateCbor(vector, random) : resealed(domain, vector, random)
    }
  }
}

const { bytes } = admissionVectors()
const pick = (...names: string[]) => names.map((name) => bytes[name] as Uint8Array)
const requests = pick('present', 'join', 'renew', 'redeem')

/** Every reader of admission bytes, down to the checks behind the first decode. */
export const admissionTargets: FuzzTarget[] = [
  target('admission request', requests, (input) => {
    const request = decodeAdmissionRequest(input)
    if ('token' in request) verifyToken(request.token, NOW)
    else verifyCredential(request.bundle, { federation: 'a'.repeat(26), peer: testSigner(2).peer, now: NOW })
  }),
  target('admission answer', pick('granted', 'refused'), decodeAdmissionAnswer),
  {
    name: 'admission frame',
    next(random) {
      const frame = frameAdmission(requests[randomInt(random, requests.length)] as Uint8Array)
      return random.float() < RAW ? mutateBytes(frame, random) : frame.subarray(0, random.float() < 0.5 ? frame.length : randomInt(random, frame.length))
    },
    parse: unframeAdmission,
    read: (input) => unframeAdmission(input) !== undefined
  },
  target('token bundle', pick('tokenBundle'), decodeTokenBundle),
  tokenText(),
  target('issuer certificate', pick('certificate'), openIssuerCertificate, ISSUER_DOMAIN),
  target('credential', pick('credential'), openCredential, CREDENTIAL_DOMAIN),
  target('token', pick('token'), openToken, TOKEN_DOMAIN)
]

/** What people paste: the bundle behind the text damaged, or its characters, or white space put in. */
function tokenText(): FuzzTarget {
  const [bundle] = pick('tokenBundle') as [Uint8Array]
  const textOf = (input: Uint8Array) => `skein_${Buffer.from(input).toString('base64url')}`
  return {
    name: 'token text',
    next(random) {
      const dice = random.float()
      if (dice < 0.6) return Buffer.from(textOf(mutateCbor(bundle, random)))
      const text = textOf(bundle)
      const at = randomInt(random, text.length)
      return dice < 0.85 ? mutateBytes(Buffer.from(text), random) : Buffer.from(`${text.slice(0, at)}${[' ', '\r\n', '\u00a0', '='][randomInt(random, 4)]}${text.slice(at)}`)
    },
    parse: (input) => parse(Buffer.from(Buffer.from(input).toString().replaceAll(/\s/g, '').slice(6), 'base64url')),
    read: (input) => void verifyToken(Buffer.from(input).toString(), NOW)
  }
}

const catalogVectors = readVectors()
const DOMAINS: Record<string, string> = { 'sealed-record': RECORD_DOMAIN }

/** Every message of the catalog. */
export const catalogTargets: FuzzTarget[] = Object.entries(CODECS).map(([kind, codec]) => {
  const vectors = catalogVectors.filter((vector) => vector.kind === kind).map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex')))
  return target(`catalog ${kind}`, vectors, codec.decode, DOMAINS[kind])
})

const id = new Uint8Array(16).fill(7)
const scope = { federation: 'f'.repeat(26), pool: 'root' }

/** Test messages and the reports about them. */
export const gossipTestTargets: FuzzTarget[] = [
  target('test message', [encodeGossipTest({ ...scope, id })], decodeGossipTest),
  target('test report', [encodeGossipTestReport({ ...scope, id, via: testSigner(1).peer, at: NOW })], decodeGossipTestReport)
]

const places = ['/ip4/192.0.2.1/tcp/4001', '/ip6/2001:db8::1/tcp/4001']

export const reachTargets: FuzzTarget[] = [
  target('reach request', [encodeReachRequest({ addresses: places }), encodeReachRequest({ addresses: [] })], decodeReachRequest),
  target('reach answer', (['reached', 'unreached', 'busy'] as const).map((verdict) => encodeReachAnswer({ verdict, seen: '/ip4/192.0.2.1/tcp/50123' })), decodeReachAnswer)
]

const relayVectors = (kind: RelayVector['kind']) => readRelayVectors().filter((vector) => vector.kind === kind).map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex')))

/** Tickets of relayed exchanges, and questions about the way to a member. */
export const relayTargets: FuzzTarget[] = [
  target('relay ticket', relayVectors('ticket'), openTicket, TICKET_DOMAIN),
  target('way question', relayVectors('question'), decodeWayQuestion),
  target('way answer', relayVectors('answer'), decodeWayAnswer),
  target('credential of an origin', relayVectors('origin'), decodeOrigin)
]

const summaryVectors = readSummaryVectors()

/** Every message about what is offered beyond a pool. */
export const summaryTargets: FuzzTarget[] = Object.entries(SUMMARY_CODECS).map(([kind, codec]) => {
  const vectors = summaryVectors.filter((vector) => vector.kind === kind).map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex')))
  return target(`summary ${kind}`, vectors, codec.decode)
})

/** Leases, and where a node is told to attach. */
export const tiersTargets: FuzzTarget[] = Object.entries(TIERS_DECODERS).map(([kind, decode]) => {
  const vectors = readTiersVectors().filter((vector) => vector.kind === kind).map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex')))
  return target(`tiers ${kind}`, vectors, decode)
})
