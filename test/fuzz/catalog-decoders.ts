import { CODECS, readVectors } from '../support/catalog-vectors.ts'

const vectors = readVectors()

/** Every decoder of the catalog with its golden vectors; `decode` throws nothing but SkeinError. */
export const decoders: { name: string; vectors: Uint8Array[]; decode(bytes: Uint8Array): void }[] = Object.entries(CODECS).map(([kind, codec]) => ({
  name: `catalog ${kind}`,
  vectors: vectors.filter((vector) => vector.kind === kind).map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex'))),
  decode: (bytes) => void codec.decode(bytes)
}))
