import { decodeCbor, encodeCbor, fields, readString, type Fields } from './cbor.ts'
import { METHOD } from './protocols.ts'
import { REFUSAL_REASONS, type Certificate, type QuorumAnswer, type QuorumRequest, type Refused } from './quorum-types.ts'
import {
  acceptedOut, ballotOut, certificateOf, certificateOut, MAX_CHAIN, MAX_DATA_BYTES, MAX_KEY, MAX_POOL, OP_BYTES, readAccepted, readBallot, readCertificate,
  readOp, readValue, SIGNATURE_BYTES, valueOut
} from './quorum-votes.ts'

/** The bodies of the QUORUM methods: one map each, its `t` says which (protocols/quorum.md). */

/** Registers in a pool's group: one lease, one of voters, the settings, and a thousand bans. */
export const MAX_KEYS = 1_024
/** Decisions in one message; more are asked for again. */
export const MAX_DECIDED = 32
/** What one message may weigh: 32 of the largest certificates (220 KiB), or a list of all names with their versions (150 KiB). */
export const MAX_QUORUM_BYTES = 384 * 1024
/** A forwarded change is not waited for longer, ms. */
export const MAX_WITHIN = 60_000
/** Nodes that pass a change on: the tiers there are, with room. */
const MAX_PASSED_ON = 8
/** A sentence of why. */
export const MAX_WHY = 512
const HASH_BYTES = 32
const OUTCOMES = ['decided', 'conflict', 'no-quorum', 'expired', 'unknown', 'busy'] as const

const METHOD_OF = { prepare: METHOD.QUORUM_PREPARE, keys: METHOD.QUORUM_PREPARE, accept: METHOD.QUORUM_ACCEPT, learn: METHOD.QUORUM_LEARN, forward: METHOD.QUORUM_FORWARD } as const

/** The RPC method that carries a request. */
export function quorumMethod(request: QuorumRequest): number {
  return METHOD_OF[request.kind]
}

export function encodeQuorumRequest(request: QuorumRequest): Uint8Array {
  const { kind: t, pool: p } = request
  switch (request.kind) {
    case 'prepare': {
      const next = request.next === undefined ? undefined : { v: request.next.version, d: request.next.data }
      return encodeCbor({ t, p, g: request.voters, c: chainOut(request.chain), k: request.key, b: ballotOut(request.ballot), n: next })
    }
    case 'accept':
      return encodeCbor({ t, p, g: request.voters, c: chainOut(request.chain), k: request.key, b: ballotOut(request.ballot), x: valueOut(request.value) })
    case 'keys':
      return encodeCbor({ t, p, g: request.voters, c: chainOut(request.chain) })
    case 'learn':
      return encodeCbor({ t, p, l: request.told.map(certificateOut), h: request.hash, e: request.have?.map(({ key, version }) => ({ k: key, v: version })) })
    case 'forward':
      return encodeCbor({
        t, p, k: request.key, w: request.what, o: request.op === '' ? undefined : Buffer.from(request.op, 'hex'), e: request.expect, d: request.data,
        m: Math.max(1, Math.min(MAX_WITHIN, Math.floor(request.within))), u: request.relays
      })
  }
}

/** Throws SKEIN_PROTOCOL naming the bad field, or when another method carried it. */
export function decodeQuorumRequest(method: number, bytes: Uint8Array): QuorumRequest {
  const read = fields(decodeCbor(bytes, { max: MAX_QUORUM_BYTES, what: 'the quorum request' }), 'request')
  const kinds = (Object.keys(METHOD_OF) as (keyof typeof METHOD_OF)[]).filter((each) => METHOD_OF[each] === method)
  const kind = read.oneOf('t', kinds)
  const pool = read.string('p', { max: MAX_POOL })
  if (kind === 'learn') {
    const have = read.optionalArray('e', { max: MAX_KEYS }, (item, path) => {
      const entry = fields(item, path)
      return { key: entry.string('k', { max: MAX_KEY }), version: entry.int('v') }
    })
    return { kind, pool, told: read.array('l', { max: MAX_DECIDED }, readCertificate), ...defined({ hash: read.optionalBytes('h', { length: HASH_BYTES }), have }) }
  }
  if (kind === 'forward') {
    return {
      kind, pool, key: readKey(read), what: read.oneOf('w', ['change', 'read', 'voters']), within: read.int('m', { min: 1, max: MAX_WITHIN }),
      op: read.has('o') ? readOp(read.bytes('o', { length: OP_BYTES }), 'request.o') : '',
      ...defined({ expect: read.optionalInt('e'), relays: read.optionalInt('u', { min: 0, max: MAX_PASSED_ON }), data: read.optionalBytes('d', { max: MAX_DATA_BYTES }) })
    }
  }
  const asked = { pool, voters: read.int('g'), ...defined({ chain: readChain(read) }) }
  if (kind === 'keys') return { kind, ...asked }
  const attempt = { key: readKey(read), ballot: readBallot(read) }
  if (kind === 'accept') return { kind, ...asked, ...attempt, value: readValue(read.map('x')) }
  const next = read.optionalMap('n')
  if (next === undefined) return { kind, ...asked, ...attempt }
  return { kind, ...asked, ...attempt, next: defined({ version: next.optionalInt('v'), data: next.optionalBytes('d', { max: MAX_DATA_BYTES }) }) }
}

export function encodeQuorumAnswer(answer: QuorumAnswer): Uint8Array {
  const t = answer.kind
  switch (answer.kind) {
    case 'promised':
      return encodeCbor({ t, a: answer.accepted === undefined ? undefined : acceptedOut(answer.accepted) })
    case 'accepted':
      return encodeCbor({ t, s: answer.signature })
    case 'keys':
      return encodeCbor({ t, k: answer.keys })
    case 'learned':
      return encodeCbor({ t, q: answer.same, l: answer.decided.map(certificateOut), m: answer.more })
    case 'outcome':
      return encodeCbor({ t, r: answer.outcome, l: answer.decided === undefined ? undefined : certificateOut(answer.decided), w: answer.why?.slice(0, MAX_WHY) })
    case 'refused':
      return encodeCbor({
        t, r: answer.reason, b: answer.ballot === undefined ? undefined : ballotOut(answer.ballot), g: answer.voters, c: chainOut(answer.chain),
        w: answer.why?.slice(0, MAX_WHY)
      })
  }
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeQuorumAnswer(bytes: Uint8Array): QuorumAnswer {
  const read = fields(decodeCbor(bytes, { max: MAX_QUORUM_BYTES, what: 'the quorum answer' }), 'answer')
  const kind = read.oneOf('t', ['promised', 'accepted', 'keys', 'learned', 'outcome', 'refused'])
  const why = read.has('w') ? { why: read.string('w', { max: MAX_WHY }) } : {}
  switch (kind) {
    case 'promised': {
      const accepted = read.optionalMap('a')
      return { kind, ...(accepted !== undefined && { accepted: readAccepted(accepted) }) }
    }
    case 'accepted':
      return { kind, signature: read.bytes('s', { length: SIGNATURE_BYTES }) }
    case 'keys':
      return { kind, keys: read.array('k', { max: MAX_KEYS }, (item, path) => readString(item, path, { max: MAX_KEY })) }
    case 'learned':
      return { kind, same: read.bool('q'), decided: read.array('l', { max: MAX_DECIDED }, readCertificate), more: read.bool('m') }
    case 'outcome': {
      const decided = read.has('l') ? { decided: certificateOf(read.map('l')) } : {}
      return { kind, outcome: read.oneOf('r', OUTCOMES), ...decided, ...why }
    }
    case 'refused':
      return { kind, reason: read.oneOf('r', REFUSAL_REASONS), ...readRefusal(read), ...why }
  }
}

function readRefusal(read: Fields): Partial<Refused> {
  return { ...defined({ voters: read.optionalInt('g'), chain: readChain(read) }), ...(read.has('b') && { ballot: readBallot(read) }) }
}

function chainOut(chain: readonly Certificate[] | undefined): unknown {
  return chain?.map(certificateOut)
}

function readChain(read: Fields): Certificate[] | undefined {
  return read.optionalArray('c', { max: MAX_CHAIN }, readCertificate)
}

function readKey(read: Fields): string {
  return read.string('k', { max: MAX_KEY })
}

/** Without the properties that are undefined. */
function defined<T extends Record<string, unknown>>(from: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
