import { readFileSync } from 'node:fs'
import { federationIdOf, type CredentialBundle } from '../../src/wire/admission-documents.ts'
import { encodeCbor } from '../../src/wire/cbor.ts'
import type { NetworkCoordinates } from '../../src/wire/coordinates.ts'
import { sealEnvelope } from '../../src/wire/envelope.ts'
import { openStatement, sealStatement, STATEMENT_DOMAIN } from '../../src/wire/swim-statements.ts'
import type { AliveStatement, Sealed, Statement, SwimMessage, SwimScope } from '../../src/wire/swim-types.ts'
import { encodeSwimFrame } from '../../src/wire/swim.ts'
import { admissionVectors } from './admission-vectors.ts'
import { fromJson, hexOf, toJson } from './catalog-vectors.ts'
import { testSigner } from './security-world.ts'

/** Keys of seeds 32 x 0x01, 0x02, 0x03; the authority is that of protocols/vectors/admission. */
export const [a, b, c] = [testSigner(1), testSigner(2), testSigner(3)]
export const SCOPE: SwimScope = { federation: federationIdOf(testSigner(100).publicKey), pool: 'root' }
export const BOOT = 1_763_700_000_000
const { bytes: admission } = admissionVectors()
/** Not Buffers, so that they equal what is read. */
const plainBytes = (name: string) => Uint8Array.from(admission[name] as Uint8Array)
/** Of `b`. */
export const CREDENTIAL: CredentialBundle = { authority: testSigner(100).publicKey, certificate: plainBytes('certificate'), credential: plainBytes('credential') }

export const ALIVE: AliveStatement = {
  kind: 'alive', subject: b.peer, incarnation: BOOT + 1, boot: BOOT, name: 'node-b', version: '0.1.0', addresses: ['/ip4/192.0.2.2/tcp/4001', '/dns4/b.example.org/tcp/4001'],
  credential: CREDENTIAL
}

/** What the golden statements cover, and who signs them; their bytes are in the file. */
export const STATEMENTS: Record<string, { seed: number; statement: Statement }> = {
  alive: { seed: 2, statement: ALIVE },
  'alive, the smallest': { seed: 2, statement: { ...ALIVE, incarnation: 1, boot: 1, name: 'b', version: '0', addresses: [] } },
  leave: { seed: 2, statement: { kind: 'leave', subject: b.peer, incarnation: BOOT + 2 } },
  'suspect, silence': { seed: 1, statement: { kind: 'suspect', subject: b.peer, incarnation: BOOT, accuser: a.peer, evidence: 'silence' } },
  'suspect, refused': { seed: 3, statement: { kind: 'suspect', subject: b.peer, incarnation: BOOT, accuser: c.peer, evidence: 'refused' } },
  dead: { seed: 1, statement: { kind: 'dead', subject: b.peer, incarnation: BOOT, accuser: a.peer } }
}

const plain = { federation: SCOPE.federation, pool: 'root', incarnation: BOOT }
const damaged = (bytes: Uint8Array) => bytes.with(bytes.length - 1, (bytes.at(-1) as number) ^ 1)

/** What no receiver takes. `signature`: it can be read, but not verified. */
export const REFUSED: Record<string, { reason: 'forged' | 'foreign' | 'signature'; bytes: Uint8Array }> = {
  'a says that b leaves': { reason: 'forged', bytes: sealEnvelope(STATEMENT_DOMAIN, encodeCbor({ ...plain, kind: 'leave', subject: b.publicKey }), a) },
  'c suspects b in the name of a': {
    reason: 'forged',
    bytes: sealEnvelope(STATEMENT_DOMAIN, encodeCbor({ ...plain, kind: 'suspect', subject: b.publicKey, accuser: a.publicKey, evidence: 'refused' }), c)
  },
  'of another pool': { reason: 'foreign', bytes: sealStatement({ kind: 'leave', subject: b.peer, incarnation: BOOT }, { ...SCOPE, pool: 'eu' }, b).bytes },
  'with a damaged signature': { reason: 'signature', bytes: damaged(sealStatement({ kind: 'leave', subject: b.peer, incarnation: BOOT }, SCOPE, b).bytes) },
  'signed for another kind of document': {
    reason: 'signature',
    bytes: sealEnvelope('skein/record/1\0', encodeCbor({ ...plain, kind: 'leave', subject: b.publicKey }), b)
  }
}

export function sealed(name: string): Sealed {
  const { seed, statement } = STATEMENTS[name] as { seed: number; statement: Statement }
  return sealStatement(statement, SCOPE, testSigner(seed))
}

/** Exact in 32 bits. */
const PLACE: NetworkCoordinates = { vector: [12.5, -3.25, 0, 10_000, -10_000, 0.0625, 40, -1.5], height: 0.03125, error: 0.125, adjustment: -0.75 }

const nonce = 4_000_000_000
/** What the golden messages cover. */
export const MESSAGES: Record<string, SwimMessage> = {
  ping: { kind: 'ping', nonce, target: b.peer, updates: [] },
  'ping with news': { kind: 'ping', nonce: 0, target: b.peer, updates: [sealed('suspect, silence'), sealed('alive')] },
  ack: { kind: 'ack', nonce, updates: [] },
  'ack with coordinates': { kind: 'ack', nonce, coordinates: PLACE, updates: [sealed('leave')] },
  'ping-req': { kind: 'ping-req', nonce, target: b.peer, within: 400, updates: [] },
  'nack, tried': { kind: 'nack', nonce, tried: true, updates: [] },
  'nack, not connected': { kind: 'nack', nonce, tried: false, updates: [] },
  gossip: { kind: 'gossip', updates: [sealed('dead'), sealed('suspect, refused')] },
  sync: { kind: 'sync', nonce, hash: new Uint8Array(16).fill(0xcc), updates: [] },
  same: { kind: 'same', nonce, updates: [] },
  digest: {
    kind: 'digest', nonce, updates: [],
    entries: [{ peer: a.peer, incarnation: BOOT, standing: 'up' }, { peer: b.peer, incarnation: 2 ** 48, standing: 'dead' }, { peer: c.peer, incarnation: 1, standing: 'left' }]
  },
  state: { kind: 'state', nonce, want: [a.peer, c.peer], updates: [sealed('alive')] },
  'state, nothing wanted': { kind: 'state', nonce, want: [], updates: [] }
}

export interface StatementVector {
  name: string
  /** Of the signer's key: 32 bytes of this. */
  seed: number
  statement: unknown
  hex: string
}

export interface RefusedVector {
  name: string
  reason: string
  hex: string
}

export interface MessageVector {
  name: string
  /** Updates are the hex of their envelopes. */
  message: unknown
  /** With its length. */
  frame: string
}

export interface SwimVectors {
  statements: { description: string; vectors: StatementVector[]; refused: RefusedVector[] }
  messages: { description: string; vectors: MessageVector[] }
}

/** The files of protocols/vectors/swim. Everything is deterministic. */
export function swimVectors(): SwimVectors {
  const statements = Object.entries(STATEMENTS).map(([name, { seed, statement }]) => ({ name, seed, statement: toJson(statement), hex: hexOf(sealed(name).bytes) }))
  const refused = Object.entries(REFUSED).map(([name, { reason, bytes }]) => ({ name, reason, hex: hexOf(bytes) }))
  const messages = Object.entries(MESSAGES).map(([name, message]) => ({ name, message: messageToJson(message), frame: hexOf(encodeSwimFrame(SCOPE, message)) }))
  const about = `Of protocols/swim.md, in the pool root of the federation ${SCOPE.federation}; `
  return {
    statements: {
      description: `${about}\`seed\` is the byte of which the signer's 32-byte seed consists. \`refused\`: by their key (forged), their scope (foreign), or only by their signature.`,
      vectors: statements, refused
    },
    messages: { description: `${about}\`frame\` has the length in front; \`updates\` are statements of statements.json.`, vectors: messages }
  }
}

export function messageToJson({ updates, ...message }: SwimMessage): unknown {
  return toJson({ ...message, updates: updates.map(({ bytes }) => bytes) })
}

/** A message as the file has it. */
export function messageOfJson(json: unknown): SwimMessage {
  const { updates, ...message } = fromJson(json) as { updates: Uint8Array[] }
  return { ...message, updates: updates.map((bytes) => openStatement(bytes, SCOPE)) } as unknown as SwimMessage
}

export function readSwimVectors<N extends keyof SwimVectors>(name: N): SwimVectors[N] {
  return JSON.parse(readFileSync(new URL(`../../protocols/vectors/swim/${name}.json`, import.meta.url), 'utf8')) as SwimVectors[N]
}
