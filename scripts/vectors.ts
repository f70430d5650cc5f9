/** `node scripts/vectors.ts` writes the golden files of rpc, mcp and swim anew: only for a new protocol version, never to make a test pass. */
import { writeFileSync } from 'node:fs'
import { CODECS, VALUES } from '../test/support/mcp-vectors.ts'
import { RELAY_VECTORS, encodeRelayVector } from '../test/support/relay-vectors.ts'
import { VECTOR_FIELDS, encodeFields } from '../test/support/rpc-vectors.ts'
import { SUMMARY_CODECS, SUMMARY_VALUES } from '../test/support/summary-vectors.ts'
import { swimVectors } from '../test/support/swim-vectors.ts'
import { TIERS_VECTORS, encodeTiersVector } from '../test/support/tiers-vectors.ts'

function write(file: string, content: unknown, count: number): void {
  writeFileSync(new URL(`../protocols/vectors/${file}`, import.meta.url), `${JSON.stringify(content, undefined, 2)}\n`)
  console.log(`${file}: ${count} vectors written`)
}

const frames = VECTOR_FIELDS.map(([name, fields]) => ({ name, hex: encodeFields(fields).toString('hex'), fields }))
write('rpc/frames.json', frames, frames.length)

const relays = RELAY_VECTORS.map((vector) => ({ ...vector, hex: Buffer.from(encodeRelayVector(vector)).toString('hex') }))
write('rpc/relay.json', relays, relays.length)

const bodies = VALUES.map((vector) => ({ ...vector, hex: Buffer.from(CODECS[vector.kind].encode(vector.value)).toString('hex') }))
const description = 'Bodies of protocols/mcp.md: `call` is the OPEN body of an MCP_CALL (head and params apart in `value`), `message` a MESSAGE (null: a renewal), `end` an END. `hex` is the encoded form.'
write('mcp/bodies.json', { description, vectors: bodies }, bodies.length)

const { statements, messages } = swimVectors()
write('swim/statements.json', statements, statements.vectors.length + statements.refused.length)
write('swim/messages.json', messages, messages.vectors.length)

const tiers = TIERS_VECTORS.map((vector) => ({ ...vector, hex: Buffer.from(encodeTiersVector(vector)).toString('hex') }))
write('tiers/documents.json', tiers, tiers.length)

const summaries = SUMMARY_VALUES.map((vector) => ({ ...vector, hex: Buffer.from(SUMMARY_CODECS[vector.kind]?.encode(vector.value as never) ?? []).toString('hex') }))
const about = 'Messages of protocols/summary.md. Rows stand in `value` as the server that they tell of. `hex` is the encoded form.'
write('summary/messages.json', { description: about, vectors: summaries }, summaries.length)
