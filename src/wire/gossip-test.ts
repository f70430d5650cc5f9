import { MAX_PEER, MAX_SCOPE, readPeer } from './catalog-record.ts'
import type { Scope } from './catalog.ts'
import { decodeCbor, encodeCbor, fields } from './cbor.ts'

/** Chance enough that nobody answers a message that it has not seen. */
export const TEST_ID_BYTES = 16
/** Both documents have far less; later versions may add to them. */
export const MAX_TEST_BYTES = 1024

/** What travels through the mesh. */
export interface GossipTestMessage extends Scope {
  id: Uint8Array
}

/** What a member that got it tells its sender, as the body of GOSSIP_TEST. */
export interface GossipTestReport extends GossipTestMessage {
  /** Peer id of whoever handed it over. */
  via: string
  /** When it came, unix ms on the clock of the member. */
  at: number
}

export function encodeGossipTest({ federation, pool, id }: GossipTestMessage): Uint8Array {
  return encodeCbor({ federation, pool, id })
}

/** Throws SKEIN_PROTOCOL. */
export function decodeGossipTest(bytes: Uint8Array): GossipTestMessage {
  const map = fields(decodeCbor(bytes, { max: MAX_TEST_BYTES, what: 'the test message' }), 'test')
  return { federation: map.string('federation', { max: MAX_SCOPE }), pool: map.string('pool', { max: MAX_SCOPE }), id: map.bytes('id', { length: TEST_ID_BYTES }) }
}

export function encodeGossipTestReport({ federation, pool, id, via, at }: GossipTestReport): Uint8Array {
  return encodeCbor({ federation, pool, id, via, at })
}

/** Throws SKEIN_PROTOCOL. */
export function decodeGossipTestReport(bytes: Uint8Array): GossipTestReport {
  const map = fields(decodeCbor(bytes, { max: MAX_TEST_BYTES, what: 'the report about a test message' }), 'report')
  return {
    federation: map.string('federation', { max: MAX_SCOPE }), pool: map.string('pool', { max: MAX_SCOPE }), id: map.bytes('id', { length: TEST_ID_BYTES }),
    via: readPeer(map.string('via', { max: MAX_PEER }), 'report.via'), at: map.int('at')
  }
}
