/** `node scripts/vectors.ts` writes the golden files of rpc, mcp and swim anew: only for a new protocol version, never to make a test pass. */
import { writeFileSync } from 'node:fs'
import { CODECS, VALUES } from '../test/support/mcp-vectors.ts'
import { RELAY_VECTORS, encodeRelayVector } from '../test/support/relay-vectors.ts'
import { VECTOR_FIELDS, encodeFields } from '../test/support/rpc-vectors.ts'
import { swimVectors } from '../test/support/swim-vectors.ts'

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
