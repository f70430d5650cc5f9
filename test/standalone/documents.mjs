/** protocols/admission.md and catalog.md: CBOR, peer ids, envelopes and the documents in them. Imports nothing of skein. */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { decode, encode } from 'cborg'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const CLOCK_SKEW = 60_000

export const toCbor = (value) => Buffer.from(encode(value))

export function fromCbor(bytes) {
  return decode(bytes, { strict: true, allowIndefinite: false, allowUndefined: false, allowNaN: false, allowInfinity: false, rejectDuplicateMapKeys: true })
}

function base58(bytes) {
  let number = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text
  for (const byte of bytes) {
    if (byte !== 0) break
    text = `1${text}`
  }
  return text
}

export const peerIdOf = (publicKey) => base58(Buffer.concat([Buffer.from('002408011220', 'hex'), publicKey]))

export function federationIdOf(authority) {
  const bits = [...createHash('sha256').update(authority).digest().subarray(0, 16)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return bits.match(/.{1,5}/g).map((five) => BASE32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** The document and its signer; throws when the signature is not good. */
export function openEnvelope(domain, envelope) {
  const [payload, publicKey, signature] = fromCbor(envelope)
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' })
  if (!verify(null, Buffer.concat([Buffer.from(`${domain}\0`), payload]), key, signature)) throw new Error(`the signature of a document of ${domain} is not good`)
  return { document: fromCbor(payload), publicKey: Buffer.from(publicKey) }
}

function check(condition, message) {
  if (!condition) throw new Error(message)
}

/** The authority's certificate for the signer of a document. */
function checkCertificate(authority, envelope, signer) {
  const { document, publicKey } = openEnvelope('skein/issuer/1', envelope)
  check(publicKey.equals(authority), 'the certificate is not signed by the authority')
  check(document.federation === federationIdOf(authority), 'the certificate is of another federation')
  check(signer.equals(document.issuer), 'the certificate is for another issuer')
  check(document.notBefore - CLOCK_SKEW <= Date.now() && Date.now() <= document.expires + CLOCK_SKEW, 'the certificate is not valid now')
}

export function readToken(input) {
  const text = input.replaceAll(/\s/g, '')
  check(text.startsWith('skein_') && text.length <= 4_096, 'this is not a join token')
  const bundle = fromCbor(Buffer.from(text.slice(6), 'base64url'))
  const authority = Buffer.from(bundle.authority)
  const { document, publicKey } = openEnvelope('skein/token/1', bundle.token)
  checkCertificate(authority, bundle.certificate, publicKey)
  check(peerIdOf(publicKey) === document.issuer && document.federation === federationIdOf(authority), 'the token is not from its issuer')
  check(Date.now() <= document.expires, 'the token has expired')
  return { text, ...document }
}

/** The credential of a bundle, when it is good for this peer in this federation. */
export function checkCredential(bundle, federation, peer) {
  const authority = Buffer.from(bundle.authority)
  const { document, publicKey } = openEnvelope('skein/credential/1', bundle.credential)
  checkCertificate(authority, bundle.certificate, publicKey)
  check(federationIdOf(authority) === federation && document.federation === federation, 'the credential is of another federation')
  check(document.subject === peer, 'the credential is for another peer')
  check(document.issued - CLOCK_SKEW <= Date.now() && Date.now() <= document.expires + CLOCK_SKEW, 'the credential is not valid now')
  return document
}

/** A catalog record, when its writer signed it. */
export function openRecord(sealed) {
  const { document, publicKey } = openEnvelope('skein/record/1', sealed)
  check(document.peer === peerIdOf(publicKey), 'the record is not from its peer')
  return document
}
