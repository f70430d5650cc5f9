import { readFileSync } from 'node:fs'
import { decodeAttachAnswer, decodeAttachRequest, decodeLease, encodeAttachAnswer, encodeAttachRequest, encodeLease } from '../../src/wire/tiers.ts'
import { decodeTopology, decodeTopologyRequest, encodeTopology, encodeTopologyRequest } from '../../src/wire/tiers-topology.ts'
import type { AttachAnswer, AttachRequest, HubInfo, Lease, TopologyNode, TopologyRequest } from '../../src/wire/tiers-types.ts'
import { testSigner } from './security-world.ts'

/** A golden body of protocols/vectors/tiers/documents.json; bytes are hex. */
export type TiersVector =
  | { name: string; kind: 'lease'; value: Lease }
  | { name: string; kind: 'attach'; value: AttachRequest }
  | { name: string; kind: 'answer'; value: AttachAnswer }
  | { name: string; kind: 'question'; value: TopologyRequest }
  | { name: string; kind: 'tree'; value: TopologyNode }

const peer = (seed: number) => testSigner(seed).peer
const contact = (seed: number) => ({ peer: peer(seed), addresses: [`/ip4/192.0.2.${seed}/tcp/4001`] })
const hub: HubInfo = {
  ...contact(2), name: 'eu-1', pool: peer(2), tier: 'regional', region: 'eu', coordinates: { latitude: 52.52, longitude: 13.405 }, hubRoom: 20, leafRoom: 97, load: 0.25
}
const leaf: TopologyNode = { peer: peer(3), name: 'leaf', tier: 'leaf', region: 'eu', role: 'member', alive: true, draining: false, load: 0.07, rtt: 1.25, servers: 2, children: [] }

export const TIERS_VECTORS: TiersVector[] = [
  { name: 'a pool without one above', kind: 'lease', value: { holder: peer(1), token: 1, ttl: 15_000, tier: 'global', region: '', proper: true } },
  {
    name: 'a hub that has a parent', kind: 'lease',
    value: { holder: peer(2), token: 7, ttl: 15_000, tier: 'leaf', region: 'eu', proper: true, parent: 'root', parentTier: 'global', contacts: [contact(1), contact(3)] }
  },
  { name: 'resigned in favour of another', kind: 'lease', value: { holder: peer(2), token: 7, ttl: 15_000, tier: 'local', region: 'eu', proper: false, resigned: true, successor: peer(3) } },
  { name: 'a leaf', kind: 'attach', value: { as: 'leaf', tier: 'leaf', region: '', look: false } },
  {
    name: 'a hub that compares', kind: 'attach',
    value: { as: 'hub', pool: peer(4), tier: 'local', region: 'eu', coordinates: { latitude: -33.8688, longitude: 151.2093 }, prefer: 'eu-1', current: peer(2), look: true }
  },
  { name: 'taken by a hub that knows another', kind: 'answer', value: { accept: { pool: peer(2), tier: 'regional', hub, token: 7, contacts: [contact(2), contact(3)] }, hubs: [{ ...hub, ...contact(5), name: '' }] } },
  { name: 'taken in a flat federation', kind: 'answer', value: { accept: { pool: 'root', tier: 'global', contacts: [contact(1)] }, hubs: [] } },
  { name: 'nobody', kind: 'answer', value: { hubs: [] } },
  { name: 'from the top', kind: 'question', value: { up: true, depth: 5, max: 1_000, within: 5_000 } },
  { name: 'below a hub', kind: 'question', value: { up: false, pool: peer(2), depth: 3, max: 100, within: 2_000 } },
  {
    name: 'a hub, a leaf, and a hub that did not answer', kind: 'tree',
    value: {
      peer: peer(1), name: 'top', tier: 'global', region: 'eu', role: 'hub', pool: 'root', alive: true, draining: true, load: 0.5, servers: 0,
      children: [leaf, { ...leaf, peer: peer(2), name: 'eu-1', tier: 'regional', role: 'hub', pool: peer(2), alive: false, more: 12, children: [] }]
    }
  }
]

export function encodeTiersVector(vector: TiersVector): Uint8Array {
  switch (vector.kind) {
    case 'lease':
      return encodeLease(vector.value)
    case 'attach':
      return encodeAttachRequest(vector.value)
    case 'answer':
      return encodeAttachAnswer(vector.value)
    case 'question':
      return encodeTopologyRequest(vector.value)
    case 'tree':
      return encodeTopology(vector.value)
  }
}

export const TIERS_DECODERS: Record<TiersVector['kind'], (bytes: Uint8Array) => unknown> = {
  lease: decodeLease,
  attach: decodeAttachRequest,
  answer: decodeAttachAnswer,
  question: decodeTopologyRequest,
  tree: decodeTopology
}

export function readTiersVectors(): (TiersVector & { hex: string })[] {
  return JSON.parse(readFileSync(new URL('../../protocols/vectors/tiers/documents.json', import.meta.url), 'utf8')) as (TiersVector & { hex: string })[]
}
