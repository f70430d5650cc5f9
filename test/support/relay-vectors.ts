import { readFileSync } from 'node:fs'
import { decodeOrigin, decodeWayAnswer, encodeOrigin, decodeWayQuestion, encodeWayAnswer, encodeWayQuestion, openTicket, sealTicket, type WayAnswer, type WayQuestion, type RelayTicket } from '../../src/wire/relay.ts'
import { testSigner } from './security-world.ts'

/** A golden body of protocols/vectors/rpc/relay.json. Tickets are signed with the seed `origin` repeated 32 times; bytes are hex. */
export type RelayVector =
  | { name: string; kind: 'ticket'; origin: number; value: Omit<RelayTicket, 'nonce'> & { nonce: string } }
  | { name: string; kind: 'question'; value: WayQuestion }
  | { name: string; kind: 'answer'; value: WayAnswer }
  | { name: string; kind: 'origin'; value: Record<'authority' | 'certificate' | 'credential', string> }

const peer = (seed: number) => testSigner(seed).peer
const ticket = { federation: 'a'.repeat(26), target: peer(2), expires: 1_700_000_300_000, nonce: '0102030405060708' }

export const RELAY_VECTORS: RelayVector[] = [
  { name: 'one relay', kind: 'ticket', origin: 1, value: { ...ticket, relays: [peer(3)] } },
  { name: 'five relays', kind: 'ticket', origin: 1, value: { ...ticket, relays: [3, 4, 5, 6, 7].map(peer) } },
  { name: 'asked by the origin', kind: 'question', value: { target: peer(2), fresh: 300, visited: [] } },
  { name: 'passed on twice', kind: 'question', value: { target: peer(2), fresh: 0, visited: [peer(1), peer(3)] } },
  { name: 'a session of its own', kind: 'answer', value: { rtt: 12.345, age: 17, via: [] } },
  { name: 'over two more', kind: 'answer', value: { rtt: 0, age: 0, via: [peer(4), peer(5)] } },
  { name: 'a credential bundle', kind: 'origin', value: { authority: 'aa'.repeat(32), certificate: '0102', credential: '030405' } }
]

const fromHex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

export function encodeRelayVector(vector: RelayVector): Uint8Array {
  switch (vector.kind) {
    case 'ticket':
      return sealTicket({ ...vector.value, nonce: new Uint8Array(Buffer.from(vector.value.nonce, 'hex')) }, testSigner(vector.origin))
    case 'question':
      return encodeWayQuestion(vector.value)
    case 'answer':
      return encodeWayAnswer(vector.value)
    case 'origin': {
      const { authority, certificate, credential } = vector.value
      return encodeOrigin({ authority: fromHex(authority), certificate: fromHex(certificate), credential: fromHex(credential) })
    }
  }
}

export function decodeRelayVector(kind: RelayVector['kind'], bytes: Uint8Array): unknown {
  if (kind === 'question') return decodeWayQuestion(bytes)
  if (kind === 'answer') return decodeWayAnswer(bytes)
  if (kind === 'origin') {
    const { authority, certificate, credential } = decodeOrigin(bytes)
    return { authority: toHex(authority), certificate: toHex(certificate), credential: toHex(credential) }
  }
  const { ticket: read } = openTicket(bytes)
  return { ...read, nonce: Buffer.from(read.nonce).toString('hex') }
}

export function readRelayVectors(): (RelayVector & { hex: string })[] {
  return JSON.parse(readFileSync(new URL('../../protocols/vectors/rpc/relay.json', import.meta.url), 'utf8')) as (RelayVector & { hex: string })[]
}
