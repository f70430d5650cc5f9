import { SkeinError } from '../base/errors.ts'
import { MAX_CERTIFICATE, MAX_CREDENTIAL, readCredentialBundle } from './admission-documents.ts'
import { isWireAddress, isWireName, MAX_SCOPE } from './catalog-record.ts'
import { decodeCbor, encodeCbor, fields, readArray, readBytes, readString, type Fields } from './cbor.ts'
import { KEY_BYTES, openEnvelope, sealEnvelope, type Signer } from './envelope.ts'
import { COMPUTED_PEER_KEYS, type PeerKeys } from './swim-peers.ts'
import { MAX_INCARNATION, type Sealed, type Statement, type SwimScope } from './swim-types.ts'

/** Statements of members about themselves and each other, in signed envelopes (protocols/swim.md). */

export const STATEMENT_DOMAIN = 'skein/swim/1\0'
/** Name and software version: a line on a screen. */
export const MAX_LABEL = 64
/** Interfaces times transports of one host; more would only make every statement longer. */
export const MAX_ADDRESSES = 8
export const MAX_ADDRESS = 256
/** Head, keys, addresses and signature, beside a credential of the largest size. */
export const MAX_STATEMENT_BYTES = 4 * 1024 + MAX_CERTIFICATE + MAX_CREDENTIAL
const KINDS = ['alive', 'leave', 'suspect', 'dead'] as const
const EVIDENCES = ['silence', 'refused'] as const
const ENVELOPE = 'the envelope skein/swim/1'

/**
 * Signs `statement` as its subject (alive, leave) or accuser (suspect, dead), whose key `signer` must have.
 * Throws SKEIN_PROTOCOL naming the field for what no receiver would take, such as a name of more than 64 characters.
 */
export function sealStatement<S extends Statement>(statement: S, scope: SwimScope, signer: Signer): Sealed<S> {
  // A copy: what the encoder gives may lie in a larger pool, and statements are kept for long.
  const bytes = Uint8Array.from(sealEnvelope(STATEMENT_DOMAIN, encodeCbor(payloadOf(statement, scope)), signer))
  // Reads it as everybody else will: what leaves can be read, and has the very values that others see.
  return openStatement(bytes, scope) as Sealed<S>
}

function payloadOf(statement: Statement, { federation, pool }: SwimScope): unknown {
  const named = { ...statement, federation, pool, subject: keyOf(statement.subject, 'subject') }
  return 'accuser' in statement ? { ...named, accuser: keyOf(statement.accuser, 'accuser') } : named
}

function keyOf(peer: string, what: string): Uint8Array {
  const key = COMPUTED_PEER_KEYS.keyOf(peer)
  if (key === undefined) throw wrong(`statement.${what} must be the peer id of an Ed25519 key (12D3Koo...)`)
  return key
}

/**
 * Reads an envelope without checking its signature: structure, limits, scope, and that the key it names is that of who may say so.
 * Throws SKEIN_PROTOCOL, with `data.reason` `foreign` for another federation or pool and `forged` for the key of another member.
 */
export function openStatement(bytes: Uint8Array, scope: SwimScope, peers: PeerKeys = COMPUTED_PEER_KEYS): Sealed {
  const parts = readArray(decodeCbor(bytes, { max: MAX_STATEMENT_BYTES, what: ENVELOPE }), ENVELOPE, { max: 3 }, (item) => item)
  const payload = readBytes(parts[0], `${ENVELOPE}[0]`, { max: MAX_STATEMENT_BYTES })
  const publicKey = readBytes(parts[1], `${ENVELOPE}[1]`, { length: KEY_BYTES })
  readBytes(parts[2], `${ENVELOPE}[2]`, { length: 64 })
  return { statement: readStatement(payload, publicKey, scope, peers), bytes }
}

/** Whether the signature of exactly these bytes is right, and they say what `sealed` says. */
export function verifyStatement({ bytes, statement }: Sealed, scope: SwimScope, peers: PeerKeys = COMPUTED_PEER_KEYS): boolean {
  try {
    const { payload, publicKey } = openEnvelope(STATEMENT_DOMAIN, bytes, { max: MAX_STATEMENT_BYTES })
    const said = readStatement(payload, publicKey, scope, peers)
    return said.kind === statement.kind && said.subject === statement.subject && said.incarnation === statement.incarnation
  } catch {
    return false
  }
}

function readStatement(payload: Uint8Array, speaker: Uint8Array, scope: SwimScope, peers: PeerKeys): Statement {
  const read = fields(decodeCbor(payload, { max: MAX_STATEMENT_BYTES, what: 'the statement' }), 'statement')
  checkScope(read, scope, 'statement')
  const kind = read.oneOf('kind', KINDS)
  const subjectKey = read.bytes('subject', { length: KEY_BYTES })
  const subject = peers.peerOf(subjectKey)
  const incarnation = read.int('incarnation', { min: 1, max: MAX_INCARNATION })
  if (kind === 'alive' || kind === 'leave') {
    requireSpeaker('subject', subjectKey, speaker, peers)
    return kind === 'leave' ? { kind, subject, incarnation } : { kind, subject, incarnation, ...readAbout(read, incarnation) }
  }
  const accuserKey = read.bytes('accuser', { length: KEY_BYTES })
  requireSpeaker('accuser', accuserKey, speaker, peers)
  const accuser = peers.peerOf(accuserKey)
  if (accuser === subject) throw wrong('statement.accuser is its subject: nobody accuses itself')
  return kind === 'dead' ? { kind, subject, incarnation, accuser } : { kind, subject, incarnation, accuser, evidence: read.oneOf('evidence', EVIDENCES) }
}

function readAbout(read: Fields, incarnation: number) {
  const boot = read.int('boot', { min: 1, max: MAX_INCARNATION })
  if (boot > incarnation) throw wrong(`statement.boot is ${boot}, above the incarnation ${incarnation}, which starts there`)
  return {
    boot,
    name: readLabel(read, 'name'),
    version: readLabel(read, 'version'),
    addresses: read.array('addresses', { max: MAX_ADDRESSES }, readAddress),
    credential: readCredentialBundle(read.map('credential'))
  }
}

function readLabel(read: Fields, key: string): string {
  const text = read.string(key, { max: MAX_LABEL })
  if (!isWireName(text)) throw wrong(`statement.${key} must have 1 to ${MAX_LABEL} characters, none of them control characters`)
  return text
}

function readAddress(item: unknown, path: string): string {
  const text = readString(item, path, { max: MAX_ADDRESS })
  if (!isWireAddress(text)) throw wrong(`${path} must be a multiaddr of printable ASCII characters`)
  return text
}

function requireSpeaker(role: string, key: Uint8Array, speaker: Uint8Array, peers: PeerKeys): void {
  if (Buffer.compare(key, speaker) === 0) return
  const message = `statement.${role} is ${peers.peerOf(key)}, but another key signed it: a member speaks for itself only`
  throw new SkeinError('SKEIN_PROTOCOL', message, { data: { reason: 'forged' } })
}

/** Throws unless `federation` and `pool` are ours; `data.reason` is `foreign`. */
export function checkScope(read: Fields, scope: SwimScope, what: string): void {
  const federation = read.string('federation', { max: MAX_SCOPE })
  const pool = read.string('pool', { max: MAX_SCOPE })
  if (federation === scope.federation && pool === scope.pool) return
  const message = `the ${what} is for the pool "${printable(pool)}" of the federation "${printable(federation)}", not for ours`
  throw new SkeinError('SKEIN_PROTOCOL', message, { data: { reason: 'foreign' } })
}

/** Another machine wrote it, and a person reads it in a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?')
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message)
}
