import { createHash } from 'node:crypto'
import { decodeCbor, encodeCbor, fields, readArray, readBytes, readInt, readString, type Fields } from './cbor.ts'
import type { Accepted, Ballot, Certificate, RegisterValue, SignedVote, VoterSet } from './quorum-types.ts'

/** The parts of the quorum's messages and rows: ballots, values, votes, certificates (protocols/quorum.md). */

export const MAX_POOL = 128
export const MAX_KEY = 128
/** A setting or a ban, with room. */
export const MAX_DATA_BYTES = 4 * 1024
/** A retried change is recognised while so many have followed it. */
export const MAX_OPS = 16
/** 5 by rule; a change has one more for a while, and later versions may want more. */
export const MAX_VOTERS = 15
/** Decisions of `voters` handed over at once: a node that missed more begins at the oldest of them. */
export const MAX_CHAIN = 32
export const SIGNATURE_BYTES = 64
export const OP_BYTES = 12
export const VOTE_DOMAIN = 'skein/quorum-vote/1\0'
/** Ed25519 peer ids have 52 characters; others are a little longer. */
const MAX_PEER = 64
/** A value with its ops: data, 16 ids, heads. */
export const MAX_VALUE_BYTES: number = MAX_DATA_BYTES + MAX_OPS * (OP_BYTES + 2) + 64
/** A certificate: a value, a key, a ballot, votes. */
export const MAX_CERTIFICATE_BYTES: number = MAX_VALUE_BYTES + MAX_KEY + 2 * MAX_PEER + MAX_VOTERS * (MAX_PEER + SIGNATURE_BYTES + 16) + 128

/** What a vote signs, after VOTE_DOMAIN: the whole of it, so that no vote serves for another pool, key, ballot, voters or value. */
export function voteBytes(vote: { federation: string; pool: string; key: string; ballot: Ballot; voters: number; value: RegisterValue }): Uint8Array {
  const { federation, pool, key, ballot, voters } = vote
  const payload = encodeCbor([federation, pool, key, ballot.n, ballot.peer, voters, hashValue(vote.value)])
  return Buffer.concat([Buffer.from(VOTE_DOMAIN, 'ascii'), payload])
}

export function hashValue(value: RegisterValue): Uint8Array {
  return new Uint8Array(createHash('sha256').update(encodeCbor(valueOut(value))).digest())
}

export function sameValue(a: RegisterValue, b: RegisterValue): boolean {
  return a.version === b.version && sameData(a.data, b.data) && a.ops.length === b.ops.length && a.ops.every((op, index) => op === b.ops[index])
}

export function sameData(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
}

export function encodeVoterSet({ peers, settled }: VoterSet): Uint8Array {
  return new Uint8Array(encodeCbor({ peers, settled }))
}

/** Throws SKEIN_PROTOCOL: at least one, at most 15, none twice. */
export function decodeVoterSet(data: Uint8Array): VoterSet {
  const read = fields(decodeCbor(data, { max: MAX_DATA_BYTES, what: 'the voters' }), 'voters')
  const peers = read.array('peers', { max: MAX_VOTERS }, readPeer)
  return { peers: [...new Set(peers)], settled: read.bool('settled') }
}

export function ballotOut({ n, peer }: Ballot): unknown {
  return [n, peer]
}

export function valueOut({ version, data, ops }: RegisterValue): unknown {
  return { v: version, d: data, o: ops.map((op) => Buffer.from(op, 'hex')) }
}

export function readOp(item: unknown, path: string): string {
  return Buffer.from(readBytes(item, path, { length: OP_BYTES })).toString('hex')
}

export function acceptedOut({ ballot, voters, value, signature }: Accepted): unknown {
  return { b: ballotOut(ballot), g: voters, x: valueOut(value), s: signature }
}

/** Reads `b`, `g`, `x` and `s`. */
export function readAccepted(map: Fields): Accepted {
  return { ballot: readBallot(map), voters: map.int('g'), value: readValue(map.map('x')), signature: map.bytes('s', { length: SIGNATURE_BYTES }) }
}

/** Reads `b`. */
export function readBallot(map: Fields): Ballot {
  const [n, peer] = map.array('b', { max: 2 }, (item) => item)
  return { n: readInt(n, 'ballot[0]'), peer: readPeer(peer, 'ballot[1]') }
}

export function certificateOut({ key, ballot, voters, value, votes }: Certificate): unknown {
  return { k: key, b: ballotOut(ballot), g: voters, x: valueOut(value), y: votes.map(({ peer, signature }) => [peer, signature]) }
}

export function readCertificate(item: unknown, path: string): Certificate {
  return certificateOf(fields(item, path))
}

/** Reads `k`, `b`, `g`, `x` and `y`. */
export function certificateOf(map: Fields): Certificate {
  return {
    key: map.string('k', { max: MAX_KEY }),
    ballot: readBallot(map),
    voters: map.int('g'),
    value: readValue(map.map('x')),
    votes: map.array('y', { max: MAX_VOTERS }, readVote)
  }
}

/** Reads `v`, `d` and `o`. */
export function readValue(map: Fields): RegisterValue {
  const data = map.optionalBytes('d', { max: MAX_DATA_BYTES })
  return { version: map.int('v'), ops: map.array('o', { max: MAX_OPS }, readOp), ...(data === undefined ? {} : { data }) }
}

function readVote(item: unknown, path: string): SignedVote {
  const [peer, signature] = readArray(item, path, { max: 2 }, (part) => part)
  return { peer: readPeer(peer, `${path}[0]`), signature: readBytes(signature, `${path}[1]`, { length: SIGNATURE_BYTES }) }
}

export function readPeer(item: unknown, path: string): string {
  return readString(item, path, { max: MAX_PEER })
}
