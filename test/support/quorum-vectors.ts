import { readFileSync } from 'node:fs'
import { METHOD } from '../../src/wire/protocols.ts'
import type { Ballot, Certificate, QuorumAnswer, QuorumRequest, RegisterValue } from '../../src/wire/quorum-types.ts'
import { encodeVoterSet, voteBytes } from '../../src/wire/quorum-votes.ts'
import { testSigner } from './security-world.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const [a, b, c] = [testSigner(1), testSigner(2), testSigner(3)]
const OPS = ['000102030405060708090a0b', 'f0f1f2f3f4f5f6f7f8f9fafb'] as const

export const FEDERATION = 'k4w6xsw2nmjz3vfu7ey5h2dqqm'
export const POOL = 'root'

function certificate(key: string, ballot: Ballot, voters: number, value: RegisterValue): Certificate {
  const signed = voteBytes({ federation: FEDERATION, pool: POOL, key, ballot, voters, value })
  return { key, ballot, voters, value, votes: [a, b].map((signer) => ({ peer: signer.peer, signature: signer.sign(signed) })) }
}

const ballot = { n: 3, peer: a.peer }
const value: RegisterValue = { version: 2, ops: [...OPS], data: bytes('{"max_tools":500}') }
const setting = certificate('setting/catalog.max_tools', ballot, 4, value)
const voters = certificate('voters', { n: 1, peer: a.peer }, 2, { version: 3, ops: [OPS[0]], data: encodeVoterSet({ peers: [a.peer, b.peer, c.peer], settled: false }) })
const taken = certificate('ban/12D3KooW', { n: 9, peer: b.peer }, 4, { version: 5, ops: [OPS[1]] })
const asked = { pool: POOL, voters: 4 }

export const REQUESTS: Record<string, QuorumRequest> = {
  'prepare, to read': { kind: 'prepare', ...asked, key: 'hub', ballot },
  'prepare, for a change of version 1': { kind: 'prepare', ...asked, key: 'hub', ballot, next: { version: 2, data: bytes('lease') } },
  'prepare, for any version, with a chain': { kind: 'prepare', ...asked, key: 'ban/x', ballot, next: {}, chain: [voters] },
  accept: { kind: 'accept', ...asked, key: 'setting/catalog.max_tools', ballot, value },
  'accept of nothing': { kind: 'accept', ...asked, key: 'hub', ballot, value: { version: 0, ops: [] } },
  keys: { kind: 'keys', ...asked },
  'learn: told': { kind: 'learn', pool: POOL, told: [voters, setting, taken] },
  'learn: is anything different?': { kind: 'learn', pool: POOL, told: [], hash: new Uint8Array(32).fill(7) },
  'learn: what do I lack?': { kind: 'learn', pool: POOL, told: [], have: [{ key: 'hub', version: 12 }, { key: 'voters', version: 4 }] },
  'forward a change': { kind: 'forward', pool: POOL, key: 'hub', what: 'change', op: OPS[0], expect: 12, data: bytes('lease'), within: 5_000 },
  'forward a read': { kind: 'forward', pool: POOL, key: 'hub', what: 'read', op: '', within: 1 },
  'forward voters': { kind: 'forward', pool: POOL, key: 'voters', what: 'voters', op: OPS[1], data: voters.value.data as Uint8Array, within: 60_000 },
  'forward, to be passed on': { kind: 'forward', pool: POOL, key: 'setting/max_tools', what: 'change', op: OPS[0], data: bytes('50'), within: 4_000, relays: 4 }
}

export const ANSWERS: Record<string, QuorumAnswer> = {
  'promised, nothing accepted': { kind: 'promised' },
  promised: { kind: 'promised', accepted: { ballot, voters: 4, value, signature: setting.votes[0]!.signature } },
  accepted: { kind: 'accepted', signature: setting.votes[1]!.signature },
  keys: { kind: 'keys', keys: ['hub', 'setting/catalog.max_tools'] },
  'learned, the same': { kind: 'learned', same: true, decided: [], more: false },
  learned: { kind: 'learned', same: false, decided: [voters, setting], more: true },
  decided: { kind: 'outcome', outcome: 'decided', decided: setting },
  conflict: { kind: 'outcome', outcome: 'conflict', decided: setting, why: 'the version is 2, not 1: read it and decide anew' },
  expired: { kind: 'outcome', outcome: 'expired', why: 'it was not decided in time' },
  'refused: ballot': { kind: 'refused', reason: 'ballot', ballot: { n: 8, peer: c.peer } },
  'refused: newer': { kind: 'refused', reason: 'newer', voters: 3, chain: [voters] },
  'refused: behind': { kind: 'refused', reason: 'behind', voters: 0 },
  'refused: not permitted': { kind: 'refused', reason: 'not-permitted', why: 'the lease runs for 9 s more' },
  'refused: closed': { kind: 'refused', reason: 'closed' }
}

export interface QuorumVector {
  name: string
  /** The RPC method; answers have none. */
  method?: number
  /** Byte strings as `{ "hex": "…" }`. */
  value: unknown
  hex: string
}

export function readQuorumVectors(): { federation: string; requests: QuorumVector[]; answers: QuorumVector[] } {
  return JSON.parse(readFileSync(new URL('../../protocols/vectors/quorum/messages.json', import.meta.url), 'utf8')) as ReturnType<typeof readQuorumVectors>
}

export const METHODS: readonly number[] = [METHOD.QUORUM_PREPARE, METHOD.QUORUM_ACCEPT, METHOD.QUORUM_LEARN, METHOD.QUORUM_FORWARD]
