import { decodeCbor, encodeCbor, fields, readString } from './cbor.ts'

/** The messages of /skein/reach/1.0.0 (protocols/discovery.md): one request and one answer per stream, framed as in admission. */
export interface ReachRequest {
  /** Multiaddrs at which the sender believes to listen. */
  addresses: string[]
}

/** `reached`: a connection to one of them was made, and the sender proved its key there. `unreached`: to none. `busy`: not tried, ask another member. */
export type ReachVerdict = 'reached' | 'unreached' | 'busy'

export interface ReachAnswer {
  verdict: ReachVerdict
  /** Where the asker comes from, as the answerer sees it: a multiaddr. */
  seen: string
}

/** As many as a member publishes (swim.md). */
export const MAX_REACH_ADDRESSES = 8
export const MAX_REACH_ADDRESS = 256
/** Room for later versions. */
export const MAX_REACH_MESSAGE = 8 * 1024

export function encodeReachRequest({ addresses }: ReachRequest): Uint8Array {
  return encodeCbor({ addresses: addresses.filter((address) => address.length <= MAX_REACH_ADDRESS).slice(0, MAX_REACH_ADDRESSES) })
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeReachRequest(bytes: Uint8Array): ReachRequest {
  const read = fields(decodeCbor(bytes, { max: MAX_REACH_MESSAGE, what: 'the reach request' }), 'request')
  return { addresses: read.array('addresses', { max: MAX_REACH_ADDRESSES }, (item, path) => readString(item, path, { max: MAX_REACH_ADDRESS })) }
}

export function encodeReachAnswer(answer: ReachAnswer): Uint8Array {
  return encodeCbor({ verdict: answer.verdict, seen: answer.seen })
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeReachAnswer(bytes: Uint8Array): ReachAnswer {
  const read = fields(decodeCbor(bytes, { max: MAX_REACH_MESSAGE, what: 'the reach answer' }), 'answer')
  return { verdict: read.oneOf('verdict', ['reached', 'unreached', 'busy']), seen: read.string('seen', { max: MAX_REACH_ADDRESS }) }
}
