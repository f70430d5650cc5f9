/** `node scripts/vectors.ts` writes protocols/vectors/rpc/frames.json anew: only for a new protocol version, never to make a test pass. */
import { writeFileSync } from 'node:fs'
import { VECTOR_FIELDS, encodeFields } from '../test/support/rpc-vectors.ts'

const vectors = VECTOR_FIELDS.map(([name, fields]) => ({ name, hex: encodeFields(fields).toString('hex'), fields }))
writeFileSync(new URL('../protocols/vectors/rpc/frames.json', import.meta.url), `${JSON.stringify(vectors, undefined, 2)}\n`)
console.log(`${vectors.length} vectors written`)
